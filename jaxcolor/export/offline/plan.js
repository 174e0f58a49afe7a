// How a picture passes through the network, as jaxcolor.inference.network plans it, and where its hints lie.

import { hexToLab } from './color.js';
import { enlarge, undoWarm } from './guide.js';

const LONGEST = 4; // sides beyond 4:1 are squeezed for the network, not for the result
const SCALE = 110; // of a hint's (a*, b*)
const STRIDE = 4; // pixels along each side of the patch whose colour a hint is
const REACH = 0.2; // of a hint: the width of a Gaussian, as a share of the shorter side

const between = (low, high, step) => Array.from({ length: Math.ceil((high - low) / step) }, (_, i) => low + i * step);

function sides({ side, step }) {
  const grain = Math.ceil(Math.ceil(side / 3) / step) * step;
  return [...between(side, 2 * side, grain), ...between(2 * side, LONGEST * side + 1, side)];
}

/** Python's: of two whole numbers equally near the even one. */
const round = (x) => (x % 1 === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));

/**
 * Returns { picture, content, shape, filtered }: a picture of (height, width) is scaled to `content`, and mirrored at its
 * ends up to `shape`. `shapes` are the network's: the shorter `side`, and the `step` of the sides.
 */
export function makePlan(picture, shapes) {
  const ratio = shapes.side / Math.min(...picture);
  const content = picture.map((length) => Math.min(round(length * ratio), LONGEST * shapes.side));
  const shape = content.map((length) => sides(shapes).find((side) => side >= length));
  return { picture, content, shape, filtered: Math.max(...picture) > Math.max(...content) };
}

/** Returns `small`, RGB bytes of `content`, mirrored up to `shape`. */
export function pad(small, { content: [h, w], shape: [height, width] }) {
  const padded = new Uint8Array(height * width * 3);
  for (let row = 0, at = 0; row < height; row += 1) {
    const from = mirror(row, h) * w;
    for (let column = 0; column < width; column += 1, at += 3) {
      const pixel = 3 * (from + mirror(column, w));
      padded.set(small.subarray(pixel, pixel + 3), at);
    }
  }
  return padded;
}

/** Which of `count` pixels stands at `place`, beyond the end as well, where they come back. */
function mirror(place, count) {
  const at = place % (2 * count);
  return at < count ? at : 2 * count - 1 - at;
}

/**
 * Returns hints as the network takes them, their a*, b* by 110 and a 1 at the corners of patches; [height, width, 3].
 *
 * light: of the small picture, in [0, 1]. A hint is what shall be seen in the end, after `saturation` and `warmth`.
 */
export function drawHints(hints, { picture, content, shape }, light, { saturation = 1, warmth = 0 }) {
  const grid = new Float32Array(shape[0] * shape[1] * 3);
  for (const [x, y, color] of hints) {
    const [, a, b] = hexToLab(color);
    const lightness = 100 * light[placeOf(y, picture[0], content[0]) * shape[1] + placeOf(x, picture[1], content[1])];
    const shown = [a, b].map((value) => value / Math.max(Number(saturation), 0.1));
    const chroma = undoWarm(lightness, shown, Number(warmth)).map((value) => Math.min(Math.max(value / SCALE, -1), 1));
    for (const row of places(y, picture[0], content[0], shape[0])) {
      for (const column of places(x, picture[1], content[1], shape[1])) {
        const corner = (row - row % STRIDE) * shape[1] + column - column % STRIDE;
        grid.set([...chroma, 1], 3 * corner);
      }
    }
  }
  return grid;
}

/**
 * Returns how much each place goes by the hints that `drawHints` drew, from 1 at one of them to 0 far from all;
 * [height, width], at the corners of patches for a network that `shrinks` so much.
 */
export function nearHints(grid, [height, width], shrinks) {
  const [p, q] = [height / STRIDE, width / STRIDE];
  const cells = Array.from({ length: p * q }, (_, cell) => [Math.floor(cell / q), cell % q]);
  const corner = ([row, column]) => STRIDE * (row * width + column);
  const given = cells.filter((cell) => grid[3 * corner(cell) + 2]);
  const near = new Float32Array(p * q);
  const width2 = 2 * (REACH * Math.min(p, q)) ** 2;
  for (const [row, column] of given) {
    cells.forEach(([r, c], cell) => {
      near[cell] = Math.max(near[cell], Math.exp(-((r - row) ** 2 + (c - column) ** 2) / width2));
    });
  }
  if (shrinks === 1) return enlarge(near, [p, q], [height, width], 1);
  const spread = new Float32Array(height * width);
  cells.forEach((cell, i) => { spread[corner(cell)] = near[i]; });
  return spread;
}

/** Returns where a pixel of a picture lies along a side of its small copy. */
export const placeOf = (position, length, content) => Math.min(
  Math.floor((Math.floor(position) + 0.5) * content / length), content - 1);

function places(position, length, content, whole) {
  const place = placeOf(position, length, content);
  const mirrored = 2 * content - 1 - place;
  return mirrored < whole ? [place, mirrored] : [place];
}
