// The small copy of a picture, scaled as Pillow scales it for training: means of blocks, then antialiased bicubic.

const GAP = 3; // how many times as large as the result the means are, at least
const SUPPORT = 2;
const A = -0.5; // of the cubic

/**
 * Returns the small copy as RGB bytes [height, width, 3].
 *
 * rows: (top, count) -> RGBA bytes of so many rows of the picture, which is read once, from top to bottom.
 */
export function thumbnail(rows, picture, small) {
  const factors = picture.map((side, i) => Math.max(1, Math.floor(side / small[i] / GAP)));
  const means = blockMeans(rows, picture, factors);
  const across = resample(means.bytes, means.height, means.width, small[1], picture[1] / factors[1], false);
  return resample(across, means.height, small[1], small[0], picture[0] / factors[0], true);
}

/** Means of blocks of `factors` (rows, columns) pixels, cut off at the ends. */
function blockMeans(rows, [height, width], [down, across]) {
  const wide = Math.ceil(width / across);
  const high = Math.ceil(height / down);
  const bytes = new Uint8Array(high * wide * 3);
  const sums = new Float64Array(wide * 3);
  for (let row = 0; row < high; row += 1) {
    const count = Math.min(down, height - row * down);
    const pixels = rows(row * down, count);
    sums.fill(0);
    for (let line = 0; line < count; line += 1) {
      for (let column = 0, at = 4 * line * width; column < width; column += 1, at += 4) {
        const to = 3 * Math.floor(column / across);
        sums[to] += pixels[at];
        sums[to + 1] += pixels[at + 1];
        sums[to + 2] += pixels[at + 2];
      }
    }
    for (let column = 0; column < wide; column += 1) {
      const area = count * Math.min(across, width - column * across);
      for (let channel = 3 * column; channel < 3 * column + 3; channel += 1) {
        bytes[3 * row * wide + channel] = Math.floor(sums[channel] / area + 0.5);
      }
    }
  }
  return { bytes, height: high, width: wide };
}

function cubic(x) {
  const t = Math.abs(x);
  if (t < 1) return ((A + 2) * t - (A + 3)) * t * t + 1;
  if (t < 2) return (((t - 5) * t + 8) * t - 4) * A;
  return 0;
}

/** Scales RGB bytes along one side to `length`, of a picture that ends at `end`, a fraction of a pixel maybe. */
function resample(bytes, height, width, length, end, vertical) {
  const [count, lines] = vertical ? [height, width] : [width, height];
  if (count === length && end === count) return bytes;
  const [step, stride] = vertical ? [3 * width, 3] : [3, 3 * width];
  const [toStep, toStride] = vertical ? [3 * width, 3] : [3, 3 * length];
  const result = new Uint8ClampedArray(3 * length * lines);
  const scale = end / length;
  const wide = Math.max(scale, 1);
  for (let place = 0; place < length; place += 1) {
    const center = (place + 0.5) * scale;
    const first = Math.max(0, Math.floor(center - SUPPORT * wide + 0.5));
    const past = Math.min(count, Math.floor(center + SUPPORT * wide + 0.5));
    const weights = Float64Array.from({ length: past - first }, (_, i) => cubic((first + i - center + 0.5) / wide));
    const whole = weights.reduce((sum, weight) => sum + weight, 0);
    for (let line = 0; line < lines; line += 1) {
      for (let channel = 0; channel < 3; channel += 1) {
        let sum = 0;
        for (let i = 0, at = first * step + line * stride + channel; i < weights.length; i += 1, at += step) {
          sum += weights[i] * bytes[at];
        }
        result[place * toStep + line * toStride + channel] = Math.floor(sum / whole + 0.5);
      }
    }
  }
  return result;
}
