// The colours that the network thinks likely at a place, few and well apart, as jaxcolor.inference.likely finds them.

const APART = 9; // of colours whose chroma C is ln(1 + 0.045 C) / 0.045, where equal steps look alike
const LEAST = 0.005; // probability of what is worth showing
const COUNT = 8;

/** Returns [{ color: [a*, b*], share }, …], the likeliest first, of logits and the colours [a*, b*] of the classes. */
export function few(logits, centers) {
  const highest = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp(logit - highest));
  const whole = powers.reduce((sum, power) => sum + power, 0);
  const left = powers.map((power) => power / whole);
  const places = centers.map(([a, b]) => {
    const chroma = 0.045 * Math.hypot(a, b);
    const scale = Math.log1p(chroma) / Math.max(chroma, 1e-6);
    return [scale * a, scale * b];
  });
  const near = (one) => centers.map((_, other) => other).filter((other) => Math.hypot(
    places[one][0] - places[other][0], places[one][1] - places[other][1]) < APART);
  const groups = centers.map((_, one) => near(one));
  const colors = [];
  while (colors.length < COUNT) {
    const sums = groups.map((group) => group.reduce((sum, other) => sum + left[other], 0));
    const share = Math.max(...sums);
    if (share < LEAST) break;
    const group = groups[sums.indexOf(share)];
    const color = [0, 1].map((axis) => group.reduce((sum, other) => sum + left[other] * centers[other][axis], 0) / share);
    colors.push({ color, share });
    for (const other of group) left[other] = 0;
  }
  return colors.sort((one, other) => other.share - one.share);
}
