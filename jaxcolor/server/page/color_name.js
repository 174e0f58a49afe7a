// Colours in words, for those who do not see them, or not as others do.

const HUES = [[12, 'red'], [42, 'orange'], [68, 'yellow'], [160, 'green'], [195, 'turquoise'], [255, 'blue'], [290, 'violet'],
  [345, 'pink'], [360, 'red']];

/** Says '#8a5a3c' as 'brown'. */
export function colorName(hex) {
  const [red, green, blue] = [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16) / 255);
  const most = Math.max(red, green, blue);
  const least = Math.min(red, green, blue);
  const lightness = (most + least) / 2;
  const chroma = most - least;
  const depth = lightness < 0.3 ? 'dark ' : lightness > 0.72 ? 'light ' : '';
  if (chroma < 0.05) return lightness < 0.08 ? 'black' : lightness > 0.95 ? 'white' : `${depth}grey`;
  const sector = most === red ? ((green - blue) / chroma + 6) % 6 : most === green ? (blue - red) / chroma + 2 : (red - green) / chroma + 4;
  const hue = HUES.find(([end]) => 60 * sector <= end)[1];
  if (hue === 'yellow' && lightness < 0.6) return 'olive';
  const saturation = chroma / (1 - Math.abs(2 * lightness - 1));
  const name = hue === 'orange' && (lightness < 0.5 || saturation < 0.6) ? (lightness > 0.6 ? 'beige' : 'brown') : hue;
  return `${depth}${saturation < 0.2 ? 'greyish ' : ''}${name}`;
}
