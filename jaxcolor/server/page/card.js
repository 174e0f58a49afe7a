// What the card of a photograph and that of a film have in common: its states, and its buttons.

import { say } from './say.js';

export const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0)} MB`;

/** Returns a function that does work once fewer than so many others are at theirs. */
export function turns(places) {
  const waiting = [];
  let free = places;
  return async (work) => {
    if (free > 0) free -= 1;
    else await new Promise((resolve) => { waiting.push(resolve); });
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    }
  };
}

/**
 * One file. Its card sends an event 'state' to the list whenever its state is another, and 'result' when there is a new
 * one, each with this as detail.
 *
 * file, name: as chosen.
 * state: 'chosen', 'working', 'done', 'failed' or 'gone'.
 * variant: those of the options that make a plausible colouring, one of the model's.
 * options: fields of the API that it is coloured by: model, saturation, vividness, temperature, warmth.
 * hints: [[x, y, '#rrggbb'], …] in its own pixels.
 * result: { blob, name, strength, model, … } once it is in colour; strength is that of the slider, model the name of what
 *   coloured it where there were several.
 */
export class Card {
  options = {};
  variant = {};
  hints = [];

  /** `template` is the id of the card's; `parts` are classes of its elements, which become properties. */
  constructor(file, name, template, parts) {
    Object.assign(this, { file, name });
    this.card = document.getElementById(template).content.firstElementChild.cloneNode(true);
    for (const part of [...parts, 'frame', 'progress', 'bar', 'note', 'cancel', 'retry', 'download', 'remove']) {
      this[part] = this.card.querySelector(`.${part}`);
    }
    this.card.querySelector('.name').textContent = name;
    this.button('cancel', `Cancel ${name}`, () => this.stop());
    this.button('retry', `Try again: ${name}`, () => this.colour());
    this.button('remove', `Remove ${name}`, () => this.discard());
    this.source = URL.createObjectURL(file);
  }

  button(part, name, act) {
    this[part].setAttribute('aria-label', name);
    this[part].addEventListener('click', act);
  }

  tell(what) {
    this.card.dispatchEvent(new CustomEvent(what, { bubbles: true, detail: this }));
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

  /** Fails for good, without anything being tried. */
  refuse(reason) {
    this.mayRetry = false;
    this.enter('failed', reason);
  }

  /** Gives the focus to the first of its buttons. */
  focus() {
    [...this.card.querySelectorAll('.actions > *')].find((button) => button.checkVisibility()).focus();
  }

  /** Shows the buttons that apply now. */
  showTools() {}

  /** Shows what share is done, without end where it is null, and says so. */
  advance(share, words) {
    this.progress.classList.toggle('endless', share === null);
    this.bar.style.setProperty('--done', `${100 * (share ?? 0)}%`);
    this.note.textContent = words;
  }

  /** Colours it by its options, once `turn` lets it; `work(signal)` resolves to the result, which is shown. */
  async work(turn, work) {
    this.request?.abort();
    const { signal } = this.request = new AbortController();
    this.failure = null;
    this.enter('working', 'Waiting for its turn');
    this.advance(0, 'Waiting for its turn');
    await turn(async () => {
      if (signal.aborted) return;
      const { strength, options: { model } } = this;
      try {
        const result = await work(signal);
        if (signal.aborted) return;
        await this.show({ ...result, strength, model });
        this.tell('result');
        say(`${this.name} is in colour`);
      } catch (error) {
        if (signal.aborted) return;
        this.failure = error;
        this.mayRetry = error.again ?? true;
        this.enter('failed', error.again === undefined ? 'The result cannot be shown.' : error.message);
        say(`${this.name}: ${this.note.textContent}`);
      }
    });
  }

  stop() {
    if (this.state !== 'working') return;
    this.request.abort();
    if (this.result) this.enter('done', this.description());
    else this.enter('chosen', `Cancelled. ${megabytes(this.file.size)}`);
    say(`${this.name} cancelled`);
  }

  /** Offers a result, which is at an address, as a file. */
  offer(address, name) {
    this.download.hidden = false;
    this.download.href = address;
    this.download.download = name;
    this.download.setAttribute('aria-label', `Download ${name}`);
  }

  /** What the result is said to be made by. */
  get madeBy() {
    return this.result.model ? `In colour by ${this.result.model}` : 'In colour';
  }

  discard() {
    const hasFocus = this.card.contains(document.activeElement);
    const neighbour = this.card.nextElementSibling ?? this.card.previousElementSibling;
    this.state = 'gone';
    this.request?.abort();
    this.tell('state');
    this.card.remove();
    URL.revokeObjectURL(this.source);
    if (this.result) URL.revokeObjectURL(this.download.href);
    if (hasFocus) (neighbour?.querySelector('.remove') ?? document.getElementById('files')).focus();
    say(`${this.name} removed`);
  }
}
