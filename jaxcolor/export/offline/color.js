// sRGB to and from CIELAB, as jaxcolor.color.convert has them: D65, 2 degree observer; tables where bytes come or go.

const KNEE = 6 / 29;
const SLOPE = 1 / (3 * KNEE ** 2);
const OFFSET = 4 / 29;
const RED = 0.212671; // shares of luminance
const GREEN = 0.715160;
const BLUE = 0.072169;
const WHITE = [0.95047, 1, 1.08883];
const FROM_RGB = [[0.412453, 0.357580, 0.180423], [RED, GREEN, BLUE], [0.019334, 0.119193, 0.950227]];

// The inverse of FROM_RGB, its columns multiplied by the white point.
const TO_RGB = inverse(FROM_RGB).map((row) => row.map((value, i) => value * WHITE[i]));
const [[RX, RY, RZ], [GX, GY, GZ], [BX, BY, BZ]] = TO_RGB;

const compress = (t) => (t > KNEE ** 3 ? Math.cbrt(t) : SLOPE * t + OFFSET);
const expand = (t) => (t > KNEE ? t * t * t : (t - OFFSET) / SLOPE);

const LINEAR = Float64Array.from({ length: 256 }, (_, byte) => {
  const value = byte / 255;
  return value > 0.04045 ? ((value + 0.055) / 1.055) ** 2.4 : value / 12.92;
});

const FINE = 65535;
const BYTE = Uint8Array.from({ length: FINE + 1 }, (_, i) => {
  const value = i / FINE;
  return Math.round(255 * (value > 0.0031308 ? 1.055 * value ** (1 / 2.4) - 0.055 : 12.92 * value));
});
const encode = (linear) => BYTE[linear <= 0 ? 0 : linear >= 1 ? FINE : Math.round(linear * FINE)];

/** L* in [0, 100] of sRGB bytes. */
export const lightness = (r, g, b) => 116 * compress(RED * LINEAR[r] + GREEN * LINEAR[g] + BLUE * LINEAR[b]) - 16;

/** [L*, a*, b*] of '#rrggbb'. */
export function hexToLab(hex) {
  const linear = [1, 3, 5].map((at) => LINEAR[parseInt(hex.slice(at, at + 2), 16)]);
  const [x, y, z] = FROM_RGB.map((row, i) => compress(row.reduce((sum, share, k) => sum + share * linear[k], 0) / WHITE[i]));
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

/** '#rrggbb' of a colour, less vivid where sRGB can't show it. */
export function labToHex(L, a, b) {
  const bytes = new Uint8ClampedArray(4);
  writeColor(bytes, 0, L, a, b);
  return `#${[...bytes.subarray(0, 3)].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

const ROUNDING = 1e-5; // of linear light: the sides of the gamut are inside
const HALVINGS = 8;
const inside = (value) => value > -ROUNDING && value < 1 + ROUNDING;

/**
 * Writes a colour as sRGB bytes at `at`. L* is kept: a colour that sRGB can't show at that lightness loses chroma, not
 * hue or lightness.
 */
export function writeColor(bytes, at, L, a, b) {
  const y = (L + 16) / 116;
  const Y = expand(y);
  let share = 1;
  let X = expand(y + a / 500);
  let Z = expand(y - b / 200);
  if (!shown(X, Y, Z)) {
    share = 0;
    for (let step = 0.5, i = 0; i < HALVINGS; step /= 2, i += 1) {
      if (shown(expand(y + (share + step) * a / 500), Y, expand(y - (share + step) * b / 200))) share += step;
    }
    X = expand(y + share * a / 500);
    Z = expand(y - share * b / 200);
  }
  const red = encode(RX * X + RY * Y + RZ * Z);
  const blue = encode(BX * X + BY * Y + BZ * Z);
  bytes[at] = red;
  bytes[at + 1] = encode((Y - RED * LINEAR[red] - BLUE * LINEAR[blue]) / GREEN); // it decides 0.7 of the lightness
  bytes[at + 2] = blue;
}

function shown(X, Y, Z) {
  return inside(RX * X + RY * Y + RZ * Z) && inside(GX * X + GY * Y + GZ * Z) && inside(BX * X + BY * Y + BZ * Z);
}

function inverse([[a, b, c], [d, e, f], [g, h, i]]) {
  const determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  return [
    [e * i - f * h, c * h - b * i, b * f - c * e],
    [f * g - d * i, a * i - c * g, c * d - a * f],
    [d * h - e * g, b * g - a * h, a * e - b * d],
  ].map((row) => row.map((value) => value / determinant));
}
