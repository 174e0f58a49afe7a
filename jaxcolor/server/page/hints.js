// The editor of colour hints: a place of the photograph, a colour for it, and how the rest follows.

import { Failure } from './backend.js';
import { colorName } from './color_name.js';
import { DRAFT, marker } from './hint_marker.js';
import { MARKUP } from './hints_markup.js';
import { Picture } from './picture.js';
import { fromFile, History, MOST, toFile } from './points.js';
import { canPreview, Preview } from './preview.js';

const LONGEST = 1024; // pixels of the preview, however large the screen
const STEP = 0.02; // of the longer side, by an arrow key; a tenth of it with Shift
const NEAR = 14; // CSS pixels within which a place is a point's
const PAUSE = 120; // ms between previews while something is dragged

const percent = (share) => `${Math.round(100 * share)} %`;

/** Returns one of the colours to choose from. */
function swatch({ color, share }, chosen) {
  const label = Object.assign(document.createElement('label'), { className: 'hints-swatch' });
  const input = Object.assign(document.createElement('input'), { type: 'radio', name: 'hints-color', value: color, checked: color === chosen });
  input.setAttribute('aria-label', `${colorName(color)}, ${percent(share)} likely`);
  const tile = document.createElement('span');
  tile.style.setProperty('--color', color);
  tile.title = colorName(color);
  const words = Object.assign(document.createElement('small'), { textContent: share < 0.01 ? '< 1 %' : percent(share) });
  label.append(input, tile, words);
  return label;
}

/** The longer side, in pixels, at which a picture of a ratio of width to height fills the editor: no more is coloured. */
function longest(ratio) {
  const width = Math.min(window.innerWidth, 0.75 * window.innerHeight * ratio);
  return Math.min(LONGEST, Math.ceil(Math.max(width, width / ratio) * window.devicePixelRatio));
}

/** Opens the editor on a picture; resolves once it is open. */
export async function editHints(picture) {
  const opener = document.activeElement;
  let preview;
  try {
    preview = await Preview.of(picture, longest(picture.ratio));
  } catch {
    picture.mention('This browser cannot show it');
    return;
  }
  if (picture.state !== 'gone') new Editor(picture, preview, opener);
}

class Editor {
  selected = null; // the number of a point, DRAFT, or null
  draft = null; // [x, y] without a colour
  cross = [0.5, 0.5]; // the place of the arrow keys, in shares of width and height

  constructor(picture, preview, opener) {
    Object.assign(this, { picture, preview, opener });
    this.history = new History(picture.hints);
    this.dialog = Object.assign(document.createElement('dialog'), { className: 'hints', innerHTML: MARKUP });
    this.dialog.setAttribute('aria-labelledby', 'hints-title');
    for (const part of ['image', 'sheet', 'surface', 'points', 'help', 'colors', 'note', 'swatches', 'picker', 'delete', 'status', 'undo',
      'redo', 'save', 'load', 'cancel', 'done']) {
      this[part] = this.dialog.querySelector(`.hints-${part}`);
    }
    this.progress = this.dialog.querySelector('.progress');
    this.picker = this.picker.firstElementChild;
    this.load = this.load.firstElementChild;
    this.dialog.querySelector('.name').textContent = picture.name;
    this.sheet.style.setProperty('--own', preview.width / preview.height);
    this.image.src = picture.result ? picture.after.src : picture.source;
    this.image.classList.toggle('grey', !picture.result);
    this.surface.setAttribute('aria-label', `${picture.name}. Arrow keys go to a place, Enter chooses it`);

    this.listen();
    document.body.append(this.dialog);
    this.dialog.showModal();
    this.surface.focus();
    this.show();
    this.render();
  }

  listen() {
    const click = (part, act) => this[part].addEventListener('click', act);
    click('undo', () => this.step('undo'));
    click('redo', () => this.step('redo'));
    click('save', () => this.toFile());
    click('cancel', () => this.close());
    click('done', () => this.finish());
    click('delete', () => this.remove());
    this.load.addEventListener('change', () => this.fromFile());
    this.surface.addEventListener('click', (event) => this.choose(this.placeOf(event)));
    this.surface.addEventListener('keydown', (event) => this.steer(event));
    this.dialog.addEventListener('keydown', (event) => this.shortcut(event));
    this.dialog.addEventListener('close', () => this.leave());
    this.picker.addEventListener('input', () => this.paint(this.picker.value, 'picker'));
    this.picker.addEventListener('change', () => this.history.settle());
    this.swatches.addEventListener('change', (event) => this.paint(event.target.value));
  }

  get hints() { return this.history.points; }

  // Places

  /** The place of a pointer, in the photograph's pixels. */
  placeOf({ clientX, clientY }) {
    const box = this.surface.getBoundingClientRect();
    return this.within((clientX - box.left) / box.width, (clientY - box.top) / box.height);
  }

  /** A place in shares of width and height in the photograph's pixels, never outside. */
  within(across, down) {
    const inside = (share, whole) => Math.min(whole - 1, Math.max(0, Math.floor(share * whole)));
    return [inside(across, this.preview.width), inside(down, this.preview.height)];
  }

  shares([x, y]) { return [(x + 0.5) / this.preview.width, (y + 0.5) / this.preview.height]; }

  say(words) { this.status.textContent = words; }

  where(place) {
    const [across, down] = this.shares(place);
    return `${percent(across)} from the left, ${percent(down)} from the top`;
  }

  /** The step of an arrow key in shares of width and height; null for other keys. */
  arrow({ key, shiftKey }) {
    const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
    if (!direction) return null;
    const { width, height } = this.preview;
    const step = Math.max(width, height) * STEP * (shiftKey ? 0.1 : 1);
    return [direction[0] * step / width, direction[1] * step / height];
  }

  /** The keys of the surface. */
  steer(event) {
    const arrow = this.arrow(event);
    if (arrow) {
      this.cross = this.cross.map((share, axis) => Math.min(1, Math.max(0, share + arrow[axis])));
      this.showCross();
      this.say(this.where(this.within(...this.cross)));
    } else if (event.key === 'Enter' || event.key === ' ') {
      this.choose(this.within(...this.cross));
      this.colors.focus(); // and on to the first colour, once there are any
    } else if (event.key === 'Delete' || event.key === 'Backspace') this.remove();
    else return;
    event.preventDefault();
  }

  shortcut(event) {
    const command = event.ctrlKey || event.metaKey;
    if (command && event.key.toLowerCase() === 'z') this.step(event.shiftKey ? 'redo' : 'undo');
    else if (command && event.key.toLowerCase() === 'y') this.step('redo');
    else if (event.key === 'Escape' && this.selected !== null) { // the next one closes the editor
      this.select(null);
      this.surface.focus();
    } else return;
    event.preventDefault();
  }

  // Points

  /** Chooses a place: the point that is there, or else a new one. */
  choose(place) {
    const { width } = this.surface.getBoundingClientRect();
    const near = NEAR / width * this.preview.width;
    const found = this.hints.findIndex(([x, y]) => Math.hypot(x - place[0], y - place[1]) < near);
    this.cross = this.shares(place);
    if (found < 0 && this.hints.length >= MOST) {
      this.say(`There are ${MOST.toLocaleString('en')} points, as many as can be taken.`);
      return;
    }
    this.draft = found < 0 ? place : null;
    this.select(found < 0 ? DRAFT : found);
  }

  select(number) {
    if (number !== DRAFT) this.draft = null;
    this.selected = number;
    this.show();
    this.suggest();
  }

  place() {
    return this.selected === DRAFT ? this.draft : this.hints[this.selected];
  }

  /** Gives the selected point a colour. */
  paint(color, kind) {
    const [x, y] = this.place();
    const points = [...this.hints];
    if (this.selected === DRAFT) {
      this.selected = points.length;
      this.draft = null;
    }
    points[this.selected] = [x, y, color];
    this.change(points, kind && `${kind} ${this.selected}`);
    this.say(`${colorName(color)} chosen`);
  }

  /** Moves a point while it is dragged, or by arrow keys. */
  move(number, [x, y]) {
    if (number === DRAFT) this.draft = [x, y];
    else this.change(this.hints.map((hint, index) => (index === number ? [x, y, hint[2]] : hint)), `move ${number}`);
    this.show();
  }

  remove() {
    if (this.selected === null) return;
    const { selected } = this;
    this.selected = this.draft = null;
    if (selected === DRAFT) this.show();
    else this.change(this.hints.filter((_, index) => index !== selected));
    this.suggest();
    this.surface.focus();
    this.say('Point removed');
  }

  change(points, kind) {
    this.history.change(points, kind);
    this.show();
    this.render(kind ? PAUSE : 0);
  }

  step(direction) {
    if (direction === 'undo' && this.selected === DRAFT) {
      this.select(null);
      return;
    }
    const before = this.hints;
    this.history[direction]();
    if (this.hints === before) return;
    if ([this.points, this.colors].some((part) => part.contains(document.activeElement))) this.surface.focus(); // they change
    this.select(null);
    this.render();
    this.say(`${direction === 'undo' ? 'Undone' : 'Redone'}: ${this.count()}`);
  }

  count() { return this.hints.length === 1 ? '1 point' : `${this.hints.length} points`; }

  // What is seen

  show() {
    const hints = this.draft ? [...this.hints, [...this.draft, null]] : this.hints;
    while (this.points.childElementCount > hints.length) this.points.lastElementChild.remove();
    while (this.points.childElementCount < hints.length) this.points.append(marker(this));
    hints.forEach(([x, y, color], number) => {
      const marker = this.points.children[number];
      const [across, down] = this.shares([x, y]);
      const selected = color ? number === this.selected : true;
      marker.style.setProperty('--x', `${100 * across}%`);
      marker.style.setProperty('--y', `${100 * down}%`);
      marker.style.setProperty('--color', color ?? 'transparent');
      marker.tabIndex = selected || (this.selected === null && number === 0) ? 0 : -1;
      marker.ariaCurrent = String(selected);
      marker.setAttribute('aria-label', `Point ${number + 1} of ${hints.length}, ${color ? colorName(color) : 'no colour yet'}, ${this.where([x, y])}`);
    });
    this.undo.ariaDisabled = String(!this.history.canUndo && !this.draft);
    this.redo.ariaDisabled = String(!this.history.canRedo);
    this.save.ariaDisabled = String(this.hints.length === 0);
    this.colors.hidden = this.selected === null;
    this.help.hidden = !this.colors.hidden;
    if (this.selected !== null) {
      const number = this.selected === DRAFT ? hints.length : this.selected + 1;
      const color = hints[number - 1][2];
      this.colors.querySelector('legend').textContent = `Colour of point ${number}`;
      this.picker.value = color ?? '#808080';
      for (const swatch of this.swatches.querySelectorAll('input')) swatch.checked = swatch.value === color;
    }
    this.showCross();
  }

  showCross() {
    this.surface.style.setProperty('--x', percent(this.cross[0]));
    this.surface.style.setProperty('--y', percent(this.cross[1]));
  }

  /** Asks which colours are likely at the selected point, given all others. */
  async suggest(pause = 0) {
    this.suggesting?.abort();
    this.colors.classList.toggle('waiting', this.selected !== null);
    if (this.selected === null) return;
    const { signal } = this.suggesting = new AbortController();
    const [x, y, own] = this.place();
    const others = this.hints.filter((_, number) => number !== this.selected);
    try {
      await new Promise((resolve) => { setTimeout(resolve, pause); });
      if (signal.aborted) return;
      const colors = await this.preview.likelyColors(x, y, others, signal);
      if (signal.aborted) return;
      const hadFocus = this.swatches.contains(document.activeElement);
      this.swatches.replaceChildren(...colors.map((color) => swatch(color, this.place()?.[2] ?? own)));
      if (hadFocus || document.activeElement === this.colors) (this.swatches.querySelector('input') ?? this.picker).focus();
    } catch (error) {
      if (signal.aborted) return;
      this.swatches.replaceChildren();
      if (document.activeElement === this.colors || document.activeElement === document.body) this.picker.focus();
      this.fail(error);
    } finally {
      if (!signal.aborted) this.colors.classList.remove('waiting');
    }
  }

  /** Colours the preview by the points as they are now; what was under way is overtaken. */
  async render(pause = 0) {
    this.rendering?.abort();
    const { signal } = this.rendering = new AbortController();
    await new Promise((resolve) => { setTimeout(resolve, pause); });
    if (signal.aborted) return;
    this.progress.hidden = false;
    try {
      const address = await this.preview.colorize(this.picture.options, this.hints, signal);
      if (signal.aborted) return;
      this.image.src = address;
      this.image.classList.remove('grey');
      if (this.address) URL.revokeObjectURL(this.address);
      this.address = address;
    } catch (error) {
      if (!signal.aborted) this.fail(error);
    } finally {
      if (!signal.aborted) this.progress.hidden = true;
    }
  }

  fail(error) {
    this.say(error instanceof Failure ? error.message : 'The preview cannot be shown.');
  }

  // Files, and the end

  toFile() {
    if (!this.hints.length) return;
    const name = `${this.picture.name.replace(/\.[^.]*$/, '') || this.picture.name}-hints.json`;
    const link = Object.assign(document.createElement('a'), { href: URL.createObjectURL(toFile(this.picture.name, this.hints)), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // once the browser has begun to write it
    this.say(`${this.count()} in ${name}`);
  }

  async fromFile() {
    const [file] = this.load.files;
    if (!file) return;
    this.load.value = ''; // so that the same file may be chosen again
    try {
      const { points, name } = fromFile(await file.text(), this.picture.name, this.preview);
      this.select(null);
      this.change(points);
      this.say(`${this.count()} loaded${name === this.picture.name ? '' : `, which were saved for ${name}`}`);
    } catch (error) {
      this.say(error.message);
    }
  }

  finish() {
    const changed = this.hints !== this.picture.hints;
    this.picture.hints = this.hints;
    this.close();
    if (changed || this.picture.state !== 'done') this.picture.tell('colour');
  }

  close() { this.dialog.close(); }

  leave() {
    this.rendering?.abort();
    this.suggesting?.abort();
    if (this.address) URL.revokeObjectURL(this.address);
    this.dialog.remove();
    if (this.opener.checkVisibility()) this.opener.focus();
    else this.picture.focus();
  }
}

Picture.tools.push({
  label: 'Correct colours',
  when: (picture) => Boolean(Picture.model.takes_hints) && picture.state !== 'failed' && canPreview(picture),
  act: editHints,
});
