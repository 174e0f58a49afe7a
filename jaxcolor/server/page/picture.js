// One photograph: its card, from preview to result in place.

import { colorize, Failure } from './backend.js';
import { say } from './say.js';

const AT_ONCE = 3; // uploads; the server colours those that come together in one go
const BUSY_TRIES = 6;

const PARTS = ['compare', 'before', 'after', 'divider', 'split', 'placeholder', 'progress', 'bar', 'note', 'retry',
  'download', 'remove', 'tag-before', 'tag-after'];

export const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0)} MB`;

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

const waiting = []; // of them, who waits for a place
let places = AT_ONCE;

/** Does `work` once fewer than AT_ONCE others are at theirs. */
async function inTurn(work) {
  if (places > 0) places -= 1;
  else await new Promise((resolve) => { waiting.push(resolve); });
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next) next();
    else places += 1;
  }
}

/**
 * One photograph. Its card sends an event 'state' to the list whenever its state is another, with the picture as detail.
 *
 * file, name: as chosen.
 * state: 'chosen', 'working', 'done', 'failed' or 'gone'.
 * options: fields of the API that it is coloured by: saturation, vividness, temperature, warmth.
 * hints: [[x, y, '#rrggbb'], …] in its own pixels.
 * result: { blob, name, leftOut } once it is in colour.
 */
export class Picture {
  /** What `connect` said of the model. */
  static model = { limits: { bytes: Infinity } };

  /** More buttons of every card, `{ label, when: (picture) => whether it is shown, act: (picture) => {} }`. */
  static tools = [];

  constructor(file) {
    this.file = file;
    this.name = file.name || 'pasted picture';
    this.options = {};
    this.hints = [];
    this.card = document.getElementById('picture').content.firstElementChild.cloneNode(true);
    for (const part of PARTS) this[part] = this.card.querySelector(`.${part}`);
    this.card.querySelector('.name').textContent = this.name;
    this.remove.setAttribute('aria-label', `Remove ${this.name}`);
    this.retry.setAttribute('aria-label', `Try ${this.name} again`);
    this.split.setAttribute('aria-label', `Compare before and after: ${this.name}`);
    this.before.alt = `${this.name}, before`;
    this.after.alt = `${this.name}, in colour`;

    this.remove.addEventListener('click', () => this.discard());
    this.retry.addEventListener('click', () => this.colour());
    this.tools = Picture.tools.map(({ label, when, act }) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = label;
      button.setAttribute('aria-label', `${label}: ${this.name}`);
      button.addEventListener('click', () => act(this));
      this.remove.before(button);
      return { button, when };
    });
    this.split.addEventListener('input', () => this.showSplit());
    // Some browsers move a range only by its thumb, which is invisible here: let the pointer drag from anywhere.
    const drag = (event) => {
      const box = this.split.getBoundingClientRect();
      this.split.value = Math.round(100 * (event.clientX - box.left) / box.width);
      this.showSplit();
    };
    this.split.addEventListener('pointerdown', drag);
    this.split.addEventListener('pointermove', (event) => { if (event.buttons) drag(event); });

    this.source = URL.createObjectURL(file);
    this.before.addEventListener('load', () => this.fit(this.before));
    this.before.addEventListener('error', () => this.withoutPreview());
    this.before.src = this.source;
    document.getElementById('pictures').append(this.card);
    this.enter('chosen', megabytes(file.size));
    if (file.size > Picture.model.limits.bytes) {
      this.mayRetry = false;
      this.enter('failed', `This picture is too large: it has ${megabytes(file.size)}, the server takes `
        + `${megabytes(Picture.model.limits.bytes)}.`);
    }
  }

  enter(state, note) {
    this.state = state;
    this.note.textContent = note;
    this.card.classList.toggle('working', state === 'working');
    this.card.classList.toggle('failed', state === 'failed');
    this.progress.hidden = state !== 'working';
    this.retry.hidden = state !== 'failed' || !this.mayRetry;
    this.showTools();
    this.tell();
  }

  /** Shows the buttons that apply now. */
  showTools() {
    for (const { button, when } of this.tools) button.hidden = !when(this);
  }

  tell() {
    this.card.dispatchEvent(new CustomEvent('state', { bubbles: true, detail: this }));
  }

  /** The smallest pictures are enlarged, or they would be lost on a large screen. */
  fit(image) { image.classList.toggle('small', image.naturalWidth < 416); }

  /** A HEIC or a TIFF, say: most browsers show neither, but the server reads them. */
  withoutPreview() {
    this.noPreview = true;
    this.before.hidden = true;
    this.placeholder.hidden = Boolean(this.result);
    this.placeholder.textContent = 'No preview: this browser cannot show this kind of file before it is in colour.';
  }

  advance(fraction) {
    const uploading = fraction < 1;
    this.progress.classList.toggle('endless', !uploading);
    this.bar.style.setProperty('--done', `${100 * fraction}%`);
    this.note.textContent = uploading ? `Uploading, ${Math.round(100 * fraction)} %` : 'Colouring…';
  }

  /** Colours it at full size by its options and hints, in its turn. */
  async colour() {
    this.enter('working', 'Waiting for its turn');
    await inTurn(async () => {
      for (let left = BUSY_TRIES; this.state === 'working'; left -= 1) {
        if (await this.attempt(left > 1)) return;
      }
    });
  }

  /** Returns whether that was all: false where the server was busy and another try is due. */
  async attempt(mayComeAgain) {
    this.advance(0);
    this.request = new AbortController();
    try {
      const { signal } = this.request;
      const options = { ...this.options, hints: this.hints };
      await this.show(await colorize(this.file, options, { signal, progress: (fraction) => this.advance(fraction) }));
      say(`${this.name} is in colour`);
    } catch (error) {
      if (this.state !== 'working') return true;
      if (error.after && mayComeAgain) {
        this.note.textContent = `The server is busy; trying again in ${error.after} s`;
        await pause(error.after);
        return false;
      }
      this.failure = error;
      this.mayRetry = error.again ?? true;
      this.enter('failed', error instanceof Failure ? error.message : 'The result cannot be shown.');
      say(`${this.name}: ${this.note.textContent}`);
    }
    return true;
  }

  async show(result) {
    this.result = result;
    URL.revokeObjectURL(this.after.src);
    this.after.src = URL.createObjectURL(result.blob);
    await this.after.decode();
    this.fit(this.after);
    if (this.noPreview) { // the result without its colours is what the original looked like
      this.before.src = this.after.src;
      this.before.style.filter = 'grayscale(1)';
    }
    this.placeholder.hidden = true;
    for (const name of ['before', 'after', 'divider', 'split', 'tag-before', 'tag-after']) this[name].hidden = false;
    this.showSplit();
    this.download.href = this.after.src;
    this.download.download = result.name;
    this.download.setAttribute('aria-label', `Download ${result.name}`);
    this.download.hidden = false;
    const { leftOut } = result;
    const others = leftOut ? `. The first picture alone: ${leftOut} more in this file ${leftOut === 1 ? 'is' : 'are'} left out` : '';
    this.enter('done', `In colour, ${this.after.naturalWidth} × ${this.after.naturalHeight} pixels${others}`);
  }

  showSplit() {
    this.compare.style.setProperty('--split', `${this.split.value}%`);
    this.split.setAttribute('aria-valuetext', `${100 - this.split.value} % in colour`);
    this['tag-before'].hidden = this.split.value < 15;
    this['tag-after'].hidden = this.split.value > 85;
  }

  discard() {
    this.state = 'gone';
    this.request?.abort();
    URL.revokeObjectURL(this.source);
    URL.revokeObjectURL(this.after.src);
    const neighbour = this.card.nextElementSibling ?? this.card.previousElementSibling;
    this.tell();
    this.card.remove();
    (neighbour?.querySelector('.remove') ?? document.getElementById('files')).focus();
    say(`${this.name} removed`);
  }
}
