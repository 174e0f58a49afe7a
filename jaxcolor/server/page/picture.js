// One photograph: its card, from preview to result in place.

import { colorize, Failure } from './backend.js';
import { patiently } from './busy.js';
import { measure, toPNG } from './decoded.js';
import { say } from './say.js';
import { inTurn } from './turns.js';

const EAGER = 4; // the first cards' previews are loaded at once, others' when they are near

const PARTS = ['frame', 'compare', 'before', 'after', 'divider', 'split', 'placeholder', 'expand', 'progress', 'bar',
  'note', 'cancel', 'retry', 'download', 'copy', 'share', 'remove', 'tag-before', 'tag-after'];

export const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0)} MB`;

/**
 * One photograph. Its card sends an event 'state' to the list whenever its state is another, 'result' when there is a new
 * one, and 'view' to be shown large, each with the picture as detail.
 *
 * file, name: as chosen.
 * state: 'chosen', 'working', 'done', 'failed' or 'gone'.
 * variant: those of the options that make a plausible colouring, one of the model's.
 * options: fields of the API that it is coloured by: saturation, vividness, temperature, warmth.
 * hints: [[x, y, '#rrggbb'], …] in its own pixels.
 * result: { blob, name, leftOut, width, height, strength } once it is in colour; strength is that of the slider.
 */
export class Picture {
  /** What `connect` said of the model. */
  static model = { limits: { bytes: Infinity } };

  /**
   * More buttons of every card, `{ label, when: (picture) => whether it is shown, act: (picture, button) => {} }`;
   * `expands` where it opens something below the card, and closes it.
   */
  static tools = [];

  constructor(file) {
    this.file = file;
    this.name = file.name || 'pasted picture';
    this.options = {};
    this.variant = {};
    this.hints = [];
    this.ratio = 4 / 3; // of width to height, until it is known
    this.card = document.getElementById('picture').content.firstElementChild.cloneNode(true);
    for (const part of PARTS) this[part] = this.card.querySelector(`.${part}`);
    this.card.querySelector('.name').textContent = this.name;
    this.split.setAttribute('aria-label', `Compare before and after: ${this.name}`);
    this.before.alt = `${this.name}, before`;
    this.after.alt = `${this.name}, in colour`;
    this.button('expand', `Enlarge ${this.name}`, () => this.tell('view'));
    this.button('cancel', `Cancel ${this.name}`, () => this.stop());
    this.button('retry', `Try again: ${this.name}`, () => this.colour());
    this.button('copy', `Copy ${this.name} in colour`, () => this.toClipboard());
    this.button('share', `Share ${this.name} in colour`, () => this.toOthers());
    this.button('remove', `Remove ${this.name}`, () => this.discard());
    this.tools = Picture.tools.map(({ label, when, act, expands }) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'tool';
      button.textContent = label;
      button.setAttribute('aria-label', `${label}: ${this.name}`);
      if (expands) button.ariaExpanded = 'false';
      button.addEventListener('click', () => act(this, button));
      this.copy.before(button);
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

    const list = document.getElementById('pictures');
    const loading = list.childElementCount < EAGER ? 'eager' : 'lazy';
    for (const image of [this.before, this.after]) image.loading = loading;
    this.source = URL.createObjectURL(file);
    this.before.addEventListener('load', () => this.withPreview());
    this.before.addEventListener('error', () => this.withoutPreview());
    this.before.src = this.source;
    list.append(this.card);
    this.enter('chosen', megabytes(file.size));
    if (file.size > Picture.model.limits.bytes) {
      this.mayRetry = false;
      this.enter('failed', `This picture is too large: it has ${megabytes(file.size)}, the server takes `
        + `${megabytes(Picture.model.limits.bytes)}.`);
    }
  }

  button(part, name, act) {
    this[part].setAttribute('aria-label', name);
    this[part].addEventListener('click', act);
  }

  enter(state, note) {
    const focused = document.activeElement;
    this.state = state;
    this.note.textContent = note;
    this.card.classList.toggle('working', state === 'working');
    this.card.classList.toggle('failed', state === 'failed');
    this.progress.hidden = this.cancel.hidden = state !== 'working';
    this.retry.hidden = state !== 'failed' || !this.mayRetry;
    this.showTools();
    // The button that had the focus may be hidden now: the page's body has it.
    if (this.card.contains(focused) && !focused.checkVisibility()) this.focus();
    this.tell('state');
  }

  /** Gives the focus to the first of its buttons. */
  focus() {
    [...this.card.querySelectorAll('.actions > *')].find((button) => button.checkVisibility()).focus();
  }

  /** Shows the buttons that apply now. */
  showTools() {
    for (const { button, when } of this.tools) button.hidden = !when(this);
  }

  tell(what) {
    this.card.dispatchEvent(new CustomEvent(what, { bubbles: true, detail: this }));
  }

  withPreview() {
    this.expand.hidden = false;
    if (this.before.src === this.source) this.fit(this.before.naturalWidth, this.before.naturalHeight);
  }

  /** A HEIC or a TIFF, say: most browsers show neither, but the server reads them. */
  withoutPreview() {
    this.noPreview = true;
    if (this.result) {
      this.greyBefore();
      return;
    }
    this.before.hidden = true;
    this.placeholder.hidden = false;
    this.showTools();
  }

  /** The result without its colours is what the original looked like. */
  greyBefore() {
    this.before.src = this.after.src;
    this.before.classList.add('grey');
  }

  /** Gives the picture its shape. Its frame has it too, from the preview on: without one it stays as it was. */
  fit(width, height) {
    this.ratio = width / height;
    this.compare.style.setProperty('--own', this.ratio);
    if (this.noPreview) return;
    this.card.style.setProperty('--ratio', Math.min(4, Math.max(0.4, this.ratio)));
    this.card.style.setProperty('--natural', `${width}px`);
  }

  advance(fraction) {
    const uploading = fraction < 1;
    this.progress.classList.toggle('endless', !uploading);
    this.bar.style.setProperty('--done', `${100 * fraction}%`);
    this.note.textContent = uploading ? `Uploading, ${Math.round(100 * fraction)} %` : 'Colouring…';
  }

  /** Colours it at full size by its options and hints, in its turn. */
  async colour() {
    this.request?.abort();
    const request = this.request = new AbortController();
    this.failure = null;
    this.enter('working', 'Waiting for its turn');
    this.progress.classList.remove('endless');
    this.bar.style.setProperty('--done', '0%');
    await inTurn(async () => { if (!request.signal.aborted) await this.attempt(request.signal); });
  }

  async attempt(signal) {
    const { strength } = this;
    const options = { ...this.options, hints: this.hints };
    const progress = (fraction) => { if (!signal.aborted) this.advance(fraction); };
    const send = () => {
      this.advance(0);
      return colorize(this.file, options, { signal, progress });
    };
    const waiting = (seconds) => { this.note.textContent = `The server is busy; trying again in ${seconds} s`; };
    try {
      const result = await patiently(send, signal, waiting);
      if (signal.aborted) return;
      await this.show({ ...result, strength });
      this.tell('result');
      say(`${this.name} is in colour`);
    } catch (error) {
      if (signal.aborted) return;
      this.failure = error;
      this.mayRetry = error.again ?? true;
      this.enter('failed', error instanceof Failure ? error.message : 'The result cannot be shown.');
      say(`${this.name}: ${this.note.textContent}`);
    }
  }

  stop() {
    if (this.state !== 'working') return;
    this.request.abort();
    if (this.result) this.enter('done', this.description());
    else this.enter('chosen', `Cancelled. ${megabytes(this.file.size)}`);
    say(`${this.name} cancelled`);
  }

  /** Shows a result; rejects where the browser can't. */
  async show(result) {
    const address = URL.createObjectURL(result.blob);
    const size = result.width ? result : await measure(address);
    URL.revokeObjectURL(this.after.src);
    this.result = { ...result, width: size.width, height: size.height };
    this.after.src = address;
    this.fit(size.width, size.height);
    if (this.noPreview) this.greyBefore();
    this.placeholder.hidden = true;
    for (const name of ['before', 'after', 'divider', 'split', 'tag-before', 'tag-after', 'expand', 'download']) this[name].hidden = false;
    this.showSplit();
    this.download.href = address;
    this.download.download = result.name;
    this.download.setAttribute('aria-label', `Download ${result.name}`);
    this.copy.hidden = !(navigator.clipboard?.write && window.ClipboardItem);
    this.share.hidden = !navigator.canShare?.({ files: [this.resultFile()] });
    this.enter('done', this.description());
  }

  description() {
    const { width, height, leftOut } = this.result;
    const others = leftOut ? `. The first picture alone: ${leftOut} more in this file ${leftOut === 1 ? 'is' : 'are'} left out` : '';
    return `In colour, ${width} × ${height} pixels${others}`;
  }

  resultFile() {
    return new File([this.result.blob], this.result.name, { type: this.result.blob.type });
  }

  async toClipboard() {
    try {
      await navigator.clipboard.write([new ClipboardItem({ 'image/png': toPNG(this.result.blob) })]);
      this.mention('Copied');
    } catch {
      this.mention('This browser did not let it be copied');
    }
  }

  async toOthers() {
    try {
      await navigator.share({ files: [this.resultFile()], title: this.name });
    } catch (error) {
      if (error.name !== 'AbortError') this.mention('This browser did not let it be shared');
    }
  }

  /** Says something of the result for those who see it and those who don't. */
  mention(words) {
    this.note.textContent = `${words}. ${this.description()}`;
    say(`${this.name}: ${words}`);
  }

  showSplit() {
    this.compare.style.setProperty('--split', `${this.split.value}%`);
    this.split.setAttribute('aria-valuetext', `${100 - this.split.value} % in colour`);
    this['tag-before'].hidden = this.split.value < 15;
    this['tag-after'].hidden = this.split.value > 85;
  }

  discard() {
    const hasFocus = this.card.contains(document.activeElement);
    const neighbour = this.card.nextElementSibling ?? this.card.previousElementSibling;
    this.state = 'gone';
    this.request?.abort();
    this.tell('state');
    this.card.remove();
    URL.revokeObjectURL(this.source);
    URL.revokeObjectURL(this.after.src);
    if (hasFocus) (neighbour?.querySelector('.remove') ?? document.getElementById('files')).focus();
    say(`${this.name} removed`);
  }
}
