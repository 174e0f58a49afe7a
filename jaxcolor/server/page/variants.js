// A strip of plausible colourings of a photograph, one of which is chosen.

import { Failure } from './backend.js';
import { Picture } from './picture.js';
import { canPreview, Preview } from './preview.js';

const LONGEST = 320; // pixels of a thumbnail
const PAUSE = 400; // ms for which a choice by arrow keys has to stand before the whole photograph is coloured

const strips = new WeakMap(); // of pictures

/** Opens a picture's strip, or closes it. */
export function showVariants(picture, button) {
  const open = strips.get(picture);
  if (open) open.close();
  else strips.set(picture, new Strip(picture, button));
}

/** Whether the chosen model has these options for one of its colourings. */
export const isVariant = (options) => !Picture.model.variants
  || Object.values(Picture.model.variants).some((own) => sameOptions(own, options));

const sameOptions = (one, other) => [...new Set([...Object.keys(one), ...Object.keys(other)])].every((name) => one[name] === other[name]);

class Strip {
  constructor(picture, button) {
    Object.assign(this, { picture, button });
    this.element = Object.assign(document.createElement('fieldset'), { className: 'variants' });
    this.element.append(Object.assign(document.createElement('legend'), { className: 'visually-hidden', textContent: `Colourings of ${picture.name}` }));
    this.note = Object.assign(document.createElement('p'), { className: 'variants-note' });
    this.note.setAttribute('role', 'status');
    this.tiles = Object.entries(Picture.model.variants).map(([name, options]) => this.tile(name, options));
    this.element.append(...this.tiles.map(({ label }) => label), this.note);
    this.element.style.setProperty('--own', picture.ratio);
    this.element.addEventListener('keydown', (event) => { if (event.key === 'Escape') this.close(); });
    picture.card.append(this.element);
    button.ariaExpanded = 'true';
    picture.card.addEventListener('result', this.onResult = () => {
      if (picture.hints !== this.hints || picture.strength !== this.strength) this.load();
    });
    document.addEventListener('model', this.onModel = () => this.close());
    picture.card.addEventListener('state', () => { if (picture.state === 'gone') this.close(); });
    (this.tiles.find(({ input }) => input.checked) ?? this.tiles[0]).input.focus();
    this.load();
  }

  tile(name, options) {
    const label = Object.assign(document.createElement('label'), { className: 'variant' });
    const input = Object.assign(document.createElement('input'), { type: 'radio', name: `variant-${this.picture.source}` });
    input.checked = sameOptions(options, this.picture.variant);
    input.addEventListener('change', () => this.choose(options));
    const image = Object.assign(document.createElement('img'), { alt: '' });
    const frame = Object.assign(document.createElement('span'), { className: 'variant-frame' });
    frame.append(image);
    label.append(input, frame, name[0].toUpperCase() + name.slice(1));
    return { label, input, image, options };
  }

  /** Colours the thumbnails, one after another. */
  async load() {
    this.loading?.abort();
    const { signal } = this.loading = new AbortController();
    const { hints, strength = 1 } = this.picture;
    Object.assign(this, { hints, strength: this.picture.strength });
    this.note.textContent = '';
    try {
      const preview = await Preview.of(this.picture, LONGEST);
      for (const { image, options } of this.tiles) {
        const saturation = strength * (options.saturation ?? 1);
        const address = await preview.colorize({ ...options, saturation }, hints, signal);
        if (signal.aborted) return;
        URL.revokeObjectURL(image.src);
        image.src = address;
      }
    } catch (error) {
      if (!signal.aborted) this.note.textContent = error instanceof Failure ? error.message : 'This browser cannot show them.';
    }
  }

  choose(options) {
    this.picture.variant = options;
    clearTimeout(this.chosen);
    this.chosen = setTimeout(() => this.picture.tell('colour'), PAUSE);
  }

  close() {
    const hadFocus = this.element.contains(document.activeElement);
    this.loading.abort();
    this.picture.card.removeEventListener('result', this.onResult);
    document.removeEventListener('model', this.onModel);
    for (const { image } of this.tiles) URL.revokeObjectURL(image.src);
    this.element.remove();
    strips.delete(this.picture);
    this.button.ariaExpanded = 'false';
    if (hadFocus) this.button.focus();
  }
}

Picture.tools.push({
  label: 'Other colourings',
  when: (picture) => Object.keys(Picture.model.variants ?? {}).length > 1 && picture.state !== 'failed' && canPreview(picture),
  act: showVariants,
  expands: true,
});
