// Places on a photograph: in its pixels, in shares of its sides, in words.

const STEP = 0.02; // of the longer side, by an arrow key; a tenth of it with Shift

export const percent = (share) => `${Math.round(100 * share)} %`;

/** Of a photograph of so many pixels. */
export class Places {
  constructor({ width, height }) { Object.assign(this, { width, height }); }

  /** A place in shares of width and height in the photograph's pixels, never outside. */
  within(across, down) {
    const inside = (share, whole) => Math.min(whole - 1, Math.max(0, Math.floor(share * whole)));
    return [inside(across, this.width), inside(down, this.height)];
  }

  /** The place of a pointer on an element that shows the photograph. */
  under({ clientX, clientY }, element) {
    const box = element.getBoundingClientRect();
    return this.within((clientX - box.left) / box.width, (clientY - box.top) / box.height);
  }

  shares([x, y]) { return [(x + 0.5) / this.width, (y + 0.5) / this.height]; }

  /** A place in words. */
  where(place) {
    const [across, down] = this.shares(place);
    return `${percent(across)} from the left, ${percent(down)} from the top`;
  }

  /** The step of an arrow key in shares of width and height; null for other keys. */
  arrow({ key, shiftKey }) {
    const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
    if (!direction) return null;
    const step = Math.max(this.width, this.height) * STEP * (shiftKey ? 0.1 : 1);
    return [direction[0] * step / this.width, direction[1] * step / this.height];
  }
}
