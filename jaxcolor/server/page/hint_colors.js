// The colours for a point in the editor of colour hints: those that the model thinks likely there, and any other.

import { colorName } from './color_name.js';
import { percent } from './hint_places.js';

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

/** The part of an editor's dialog in which a colour is chosen for the editor's selected point. */
export class Colors {
  constructor(editor) {
    this.editor = editor;
    this.fieldset = editor.dialog.querySelector('.hints-colors');
    this.swatches = this.fieldset.querySelector('.hints-swatches');
    this.picker = this.fieldset.querySelector('.hints-picker').firstElementChild;
    this.picker.addEventListener('input', () => editor.paint(this.picker.value, 'picker'));
    this.picker.addEventListener('change', () => editor.history.settle());
    this.swatches.addEventListener('change', (event) => editor.paint(event.target.value));
    this.fieldset.querySelector('.hints-delete').addEventListener('click', () => editor.remove());
  }

  /** Shows the colour that a point has, if it has one; null for no point. */
  show(point) {
    this.fieldset.hidden = !point;
    if (!point) return;
    this.fieldset.querySelector('legend').textContent = `Colour of point ${point.number}`;
    this.picker.value = point.color ?? '#808080';
    for (const swatch of this.swatches.querySelectorAll('input')) swatch.checked = swatch.value === point.color;
  }

  /** To come to the first colour, once there are any. */
  focus() { this.fieldset.focus(); }

  contains(element) { return this.fieldset.contains(element); }

  /** Asks which colours are likely at the selected point, given all others. */
  async suggest(pause = 0) {
    const { editor, fieldset, swatches, picker } = this;
    this.asking?.abort();
    fieldset.classList.toggle('waiting', editor.selected !== null);
    if (editor.selected === null) return;
    const { signal } = this.asking = new AbortController();
    const [x, y, own] = editor.place();
    const others = editor.hints.filter((_, number) => number !== editor.selected);
    try {
      await new Promise((resolve) => { setTimeout(resolve, pause); });
      if (signal.aborted) return;
      const colors = await editor.preview.likelyColors(x, y, others, signal);
      if (signal.aborted) return;
      const hadFocus = swatches.contains(document.activeElement);
      swatches.replaceChildren(...colors.map((color) => swatch(color, editor.place()?.[2] ?? own)));
      if (hadFocus || document.activeElement === fieldset) (swatches.querySelector('input') ?? picker).focus();
    } catch (error) {
      if (signal.aborted) return;
      swatches.replaceChildren();
      if (document.activeElement === fieldset || document.activeElement === document.body) picker.focus();
      editor.fail(error);
    } finally {
      if (!signal.aborted) fieldset.classList.remove('waiting');
    }
  }

  stop() { this.asking?.abort(); }
}
