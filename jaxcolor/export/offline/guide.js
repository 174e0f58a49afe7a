// Colour that follows the edges of lightness, as jaxcolor.inference.render finds it: He and Sun, "Fast guided filter", 2015.

const RADIUS = 2; // windows of 5 x 5 pixels
const CONTRAST = 0.03; // in lightness (of 1), below which a window counts as flat

/** Linear interpolation between pixels' centres: the two neighbours of a pixel of `count`, among `few`, and the second's share. */
export function neighbours(place, count, few) {
  const position = Math.min(Math.max((place + 0.5) * few / count - 0.5, 0), few - 1);
  const before = Math.floor(position);
  return [before, Math.min(before + 1, few - 1), position - before];
}

/** Enlarges [p, q, channels] to [height, width, channels]. */
export function enlarge(image, [p, q], [height, width], channels = 2) {
  if (p === height && q === width) return image;
  const result = new Float32Array(height * width * channels);
  const columns = Array.from({ length: width }, (_, column) => neighbours(column, width, q));
  for (let row = 0, at = 0; row < height; row += 1) {
    const [top, bottom, down] = neighbours(row, height, p);
    for (const [left, right, across] of columns) {
      for (let channel = 0; channel < channels; channel += 1, at += 1) {
        const value = (line) => (1 - across) * image[channels * (line * q + left) + channel]
          + across * image[channels * (line * q + right) + channel];
        result[at] = (1 - down) * value(top) + down * value(bottom);
      }
    }
  }
  return result;
}

/**
 * Returns the functions of the small picture [height, width, 4]: chroma is `[..., :2] * L* / 100 + [..., 2:]`.
 *
 * light: its lightness, in [0, 1]. chroma: [height, width, 2]. filtered: along the edges of lightness; else constants.
 */
export function guide(light, chroma, [height, width], filtered) {
  const count = height * width;
  const functions = new Float32Array(4 * count);
  const mean = (value) => windowMeans(Float64Array.from({ length: count }, (_, i) => value(i)), height, width);
  const centered = light.map((value) => value - 0.5); // there variances keep their digits
  const lights = filtered && mean((i) => centered[i]);
  const squares = filtered && mean((i) => centered[i] ** 2);
  for (let channel = 0; channel < 2; channel += 1) {
    const value = (i) => chroma[2 * i + channel];
    let slope = new Float64Array(count);
    let offset = slope.map((_, i) => value(i));
    if (filtered) {
      const values = mean(value);
      const products = mean((i) => centered[i] * value(i));
      const steep = (i) => (products[i] - lights[i] * values[i])
        / (Math.max(squares[i] - lights[i] ** 2, 0) + CONTRAST ** 2);
      slope = mean(steep);
      offset = mean((i) => values[i] - steep(i) * lights[i]).map((mid, i) => mid - 0.5 * slope[i]);
    }
    for (let i = 0; i < count; i += 1) {
      functions[4 * i + channel] = slope[i];
      functions[4 * i + 2 + channel] = offset[i];
    }
  }
  return functions;
}

/** Means over a window around each pixel, cut off at the ends. */
function windowMeans(plane, height, width) {
  return along(along(plane, height, width, width, 1), width, height, 1, width);
}

function along(plane, lines, count, line, step) {
  const result = new Float64Array(plane.length);
  for (let i = 0; i < lines; i += 1) {
    for (let place = 0; place < count; place += 1) {
      const first = Math.max(0, place - RADIUS);
      const last = Math.min(count - 1, place + RADIUS);
      let sum = 0;
      for (let other = first; other <= last; other += 1) sum += plane[i * line + other * step];
      result[i * line + place * step] = sum / (last - first + 1);
    }
  }
  return result;
}

// X / X_n and Z / Z_n of daylight D50 to those of D65.
const LIGHT = [0.96422 / 0.95047, 0.82521 / 1.08883];
const AXES = [500, -200];

/** Returns what a* (channel 0) or b* is multiplied by in a warmer light, and what is added, in units of (L* + 16) / 116. */
function balance(channel, warmth) {
  const scale = LIGHT[channel] ** (warmth / 3);
  return [scale, AXES[channel] * (scale - 1)];
}

/** Returns the [a*, b*] that `warm` makes `chroma` of, where L* is `lightness`. */
export const undoWarm = (lightness, chroma, warmth) => chroma.map((value, channel) => {
  const [scale, light] = balance(channel, warmth);
  return (value - light * (lightness + 16) / 116) / scale;
});

/** Changes the functions to those of a warmer light, or a cooler one: -1 to 1. */
export function warm(functions, warmth) {
  for (let channel = 0; channel < 2; channel += 1) {
    const [scale, light] = balance(channel, warmth);
    for (let at = channel; at < functions.length; at += 4) {
      functions[at] = scale * functions[at] + light * (100 / 116);
      functions[at + 2] = scale * functions[at + 2] + light * (16 / 116);
    }
  }
}
