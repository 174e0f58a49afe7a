// One photograph: its card, from preview to result in place.

import { colorize } from './backend.js';
import { patiently } from './busy.js';
import { Card, megabytes, turns } from './card.js';
import { measure, toPNG } from './decoded.js';
import { say } from './say.js';

const inTurn = turns(3); // uploads; the server colours those that come together in one go
const EAGER = 4; // the first cards' previews are loaded at once, others' when they are near

const PARTS = ['compare', 'before', 'after', 'divider', 'split', 'placeholder', 'expand', 'copy', 'share', 'tag-before', 'tag-after'];

/**
 * One photograph; see `Card`. An event 'view' says that it is to be shown large.
 *
 * result: { …, leftOut, width, height }.
 */
export class Picture extends Card {
  /** What `connect` said of the models, and the one that is chosen. */
  static models = [];
  static model = { limits: { bytes: Infinity } };

  /** The name of the chosen one where there are several: a field of the API. */
  static get choice() {
    return Picture.models.length > 1 ? Picture.model.name : undefined;
  }

  /**
   * More buttons of every card, `{ label, when: (picture) => whether it is shown, act: (picture, button) => {} }`;
   * `expands` where it opens something below the card, and closes it.
   */
  static tools = [];

  constructor(file) {
    super(file, file.name || 'pasted picture', 'picture', PARTS);
    this.ratio = 4 / 3; // of width to height, until it is known
    this.split.setAttribute('aria-label', `Compare before and after: ${this.name}`);
    this.before.alt = `${this.name}, before`;
    this.after.alt = `${this.name}, in colour`;
    this.button('expand', `Enlarge ${this.name}`, () => this.tell('view'));
    this.button('copy', `Copy ${this.name} in colour`, () => this.toClipboard());
    this.button('share', `Share ${this.name} in colour`, () => this.toOthers());
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
    this.before.addEventListener('load', () => this.withPreview());
    this.before.addEventListener('error', () => this.withoutPreview());
    this.before.src = this.source;
    list.append(this.card);
    this.enter('chosen', megabytes(file.size));
    const { bytes } = Picture.model.limits;
    if (file.size > bytes) {
      this.refuse(`This picture is too large: it has ${megabytes(file.size)}, the server takes ${megabytes(bytes)}.`);
    }
  }

  /** Shows the buttons that apply now. */
  showTools() {
    for (const { button, when } of this.tools) button.hidden = !when(this);
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

  /** Colours it at full size by its options and hints, in its turn. */
  colour() {
    return this.work(inTurn, (signal) => {
      const { model } = this.options;
      const used = Picture.models.find(({ name }) => name === model) ?? Picture.model;
      const options = { ...this.options, hints: used.takes_hints === false ? [] : this.hints };
      const progress = (share) => {
        if (signal.aborted) return;
        if (share < 1) this.advance(share, `Uploading, ${Math.round(100 * share)} %`);
        else this.advance(null, 'Colouring…');
      };
      const send = () => {
        progress(0);
        return colorize(this.file, options, { signal, progress });
      };
      const waiting = (seconds) => { this.note.textContent = `The server is busy; trying again in ${seconds} s`; };
      return patiently(send, signal, waiting);
    });
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
    for (const name of ['before', 'after', 'divider', 'split', 'tag-before', 'tag-after', 'expand']) this[name].hidden = false;
    this.showSplit();
    this.offer(address, result.name);
    this.copy.hidden = !(navigator.clipboard?.write && window.ClipboardItem);
    this.share.hidden = !navigator.canShare?.({ files: [this.resultFile()] });
    this.enter('done', this.description());
  }

  description() {
    const { width, height, leftOut } = this.result;
    const others = leftOut ? `. The first picture alone: ${leftOut} more in this file ${leftOut === 1 ? 'is' : 'are'} left out` : '';
    return `${this.madeBy}, ${width} × ${height} pixels${others}`;
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
}
