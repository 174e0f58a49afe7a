// The editor of colour hints: places of the photograph, a colour for each, and how the rest follows.

import { Failure } from './backend.js';
import { colorName } from './color_name.js';
import { Colors } from './hint_colors.js';
import { Coloured } from './hint_image.js';
import { DRAFT, marker } from './hint_marker.js';
import { percent, Places } from './hint_places.js';
import { MARKUP } from './hints_markup.js';
import { fromFile, History, MOST, toFile } from './points.js';

const NEAR = 14; // CSS pixels within which a place is a point's
const PAUSE = 120; // ms between previews while something is dragged

/** The dialog of a picture's points. The focus goes back to `opener`. */
export class Editor {
  selected = null; // the number of a point, DRAFT, or null
  draft = null; // [x, y] without a colour
  cross = [0.5, 0.5]; // the place of the arrow keys, in shares of width and height

  constructor(picture, preview, opener) {
    Object.assign(this, { picture, preview, opener });
    this.history = new History(picture.hints);
    this.dialog = Object.assign(document.createElement('dialog'), { className: 'hints', innerHTML: MARKUP });
    this.dialog.setAttribute('aria-labelledby', 'hints-title');
    for (const part of ['sheet', 'surface', 'points', 'help', 'status', 'undo', 'redo', 'save', 'load', 'cancel', 'done']) {
      this[part] = this.dialog.querySelector(`.hints-${part}`);
    }
    this.places = new Places(preview);
    this.colors = new Colors(this);
    this.coloured = new Coloured({ dialog: this.dialog, picture, preview, fail: (error) => this.fail(error) });
    this.load = this.load.firstElementChild;
    this.dialog.querySelector('.name').textContent = picture.name;
    this.sheet.style.setProperty('--own', preview.width / preview.height);
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
    this.load.addEventListener('change', () => this.fromFile());
    this.surface.addEventListener('click', (event) => this.choose(this.places.under(event, this.surface)));
    this.surface.addEventListener('keydown', (event) => this.steer(event));
    this.dialog.addEventListener('keydown', (event) => this.shortcut(event));
    this.dialog.addEventListener('close', () => this.leave());
  }

  get hints() { return this.history.points; }

  say(words) { this.status.textContent = words; }

  /** The keys of the surface. */
  steer(event) {
    const arrow = this.places.arrow(event);
    if (arrow) {
      this.cross = this.cross.map((share, axis) => Math.min(1, Math.max(0, share + arrow[axis])));
      this.showCross();
      this.say(this.places.where(this.places.within(...this.cross)));
    } else if (event.key === 'Enter' || event.key === ' ') {
      this.choose(this.places.within(...this.cross));
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
    this.cross = this.places.shares(place);
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
      const [across, down] = this.places.shares([x, y]);
      const selected = color ? number === this.selected : true;
      marker.style.setProperty('--x', `${100 * across}%`);
      marker.style.setProperty('--y', `${100 * down}%`);
      marker.style.setProperty('--color', color ?? 'transparent');
      marker.tabIndex = selected || (this.selected === null && number === 0) ? 0 : -1;
      marker.ariaCurrent = String(selected);
      marker.setAttribute('aria-label', `Point ${number + 1} of ${hints.length}, ${color ? colorName(color) : 'no colour yet'}, ${this.places.where([x, y])}`);
    });
    this.undo.ariaDisabled = String(!this.history.canUndo && !this.draft);
    this.redo.ariaDisabled = String(!this.history.canRedo);
    this.save.ariaDisabled = String(this.hints.length === 0);
    this.help.hidden = this.selected !== null;
    const number = this.selected === DRAFT ? hints.length : this.selected + 1;
    this.colors.show(this.selected === null ? null : { number, color: hints[number - 1][2] });
    this.showCross();
  }

  showCross() {
    this.surface.style.setProperty('--x', percent(this.cross[0]));
    this.surface.style.setProperty('--y', percent(this.cross[1]));
  }

  render(pause) { this.coloured.render(this.hints, pause); }

  suggest(pause) { this.colors.suggest(pause); }

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
    this.coloured.leave();
    this.colors.stop();
    this.dialog.remove();
    if (this.opener.checkVisibility()) this.opener.focus();
    else this.picture.focus();
  }
}
