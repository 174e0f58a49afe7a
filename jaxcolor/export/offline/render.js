// A picture that is given its colour, some rows at a time.

import { lightness, writeColor } from './color.js';
import { neighbours } from './guide.js';

/**
 * Returns a function (bytes, top, count): gives so many rows of a picture, RGBA, their colour in place.
 *
 * functions: of the small copy, see `guide`. plan: by which it passed through the network. saturation: of the chroma.
 */
export function renderer(functions, { picture: [height, width], content, shape }, saturation) {
  const columns = Array.from({ length: width }, (_, column) => neighbours(column, width, content[1]));
  const left = Int32Array.from(columns, ([before]) => 4 * before);
  const right = Int32Array.from(columns, ([, after]) => 4 * after);
  const across = Float64Array.from(columns, ([, , share]) => share);
  const line = new Float64Array(4 * content[1]);

  return (bytes, top, count) => {
    for (let row = 0, at = 0; row < count; row += 1) {
      const [upper, lower, down] = neighbours(top + row, height, content[0]);
      const [first, second] = [4 * upper * shape[1], 4 * lower * shape[1]];
      for (let i = 0; i < line.length; i += 1) line[i] = (1 - down) * functions[first + i] + down * functions[second + i];
      for (let column = 0; column < width; column += 1, at += 4) {
        const L = lightness(bytes[at], bytes[at + 1], bytes[at + 2]);
        const share = across[column];
        const [l, r] = [left[column], right[column]];
        const mix = (channel) => (1 - share) * line[l + channel] + share * line[r + channel];
        const a = mix(0) * L / 100 + mix(2);
        const b = mix(1) * L / 100 + mix(3);
        writeColor(bytes, at, L, saturation * a, saturation * b);
      }
    }
  };
}
