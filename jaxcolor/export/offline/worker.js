// Colours pictures off the page's thread, so that the page stays usable; one at a time.

import { labToHex, lightness } from './color.js';
import { enlarge, guide, warm } from './guide.js';
import { few } from './likely.js';
import { drawHints, makePlan, nearHints, pad, placeOf } from './plan.js';
import { renderer } from './render.js';
import { load, Lost } from './session.js';
import { thumbnail } from './thumbnail.js';

const BAND = 2 ** 18; // pixels that are coloured between two looks at the messages
const MOST = 2 ** 27; // pixels of a picture: half a gigabyte
const QUALITY = 0.95; // of JPEG
const COLDEST = 1e-6; // temperature

class Failure extends Error {}

const cancelled = new Set();
let network;
let turn = Promise.resolve();

addEventListener('message', ({ data: { task, id, ...given } }) => {
  if (task === 'load') begin(given);
  else if (task === 'cancel') cancelled.add(id);
  else turn = turn.then(() => answer(id, () => ({ colorize, likely })[task](given, id)));
});

async function begin(given) {
  network = load(given);
  try {
    const { seconds } = await network;
    postMessage({ loaded: { seconds } });
  } catch (error) {
    postMessage({ failed: error.message });
  }
}

async function answer(id, work) {
  try {
    if (!cancelled.has(id)) postMessage({ id, result: await work() });
  } catch (error) {
    const known = error instanceof Failure;
    if (!known) console.error(error);
    const failure = known ? [error.message, { again: false }] : ['Something went wrong in this browser.'];
    postMessage({ id, failure, lost: error instanceof Lost });
  }
  cancelled.delete(id);
}

async function colorize({ file, options }, id) {
  const { context, rows, picture } = await open(file);
  const [height, width] = picture;
  const seen = await look(rows, picture);
  const { plan, light } = seen;
  const { chroma } = await predict(seen, options, ['chroma']);
  const large = enlarge(chroma.data, chroma.dims.slice(1, 3), plan.shape);
  const functions = guide(light, large, plan.shape, plan.filtered);
  if (Number(options.warmth)) warm(functions, Number(options.warmth));
  const render = renderer(functions, plan, Number(options.saturation ?? 1));
  const band = Math.max(1, Math.floor(BAND / width));
  for (let top = 0; top < height; top += band) {
    const image = context.getImageData(0, top, width, Math.min(band, height - top));
    render(image.data, top, image.height);
    context.putImageData(image, 0, top);
    await pause();
    if (cancelled.has(id)) return null;
  }
  const type = await isJpeg(file) ? 'image/jpeg' : 'image/png';
  return { blob: await context.canvas.convertToBlob({ type, quality: QUALITY }) };
}

async function likely({ file, x, y, hints }) {
  const { centers } = (await network).model.palette ?? {};
  if (!centers) throw new Failure('This model does not tell how likely colours are.');
  const { rows, picture } = await open(file);
  const seen = await look(rows, picture);
  const { plan: { content, shape }, light } = seen;
  const { logits } = await predict(seen, { hints }, ['logits']);
  const [, p, q, count] = logits.dims;
  const place = [placeOf(y, picture[0], content[0]), placeOf(x, picture[1], content[1])];
  const [row, column] = [Math.floor(place[0] * p / shape[0]), Math.floor(place[1] * q / shape[1])];
  const at = (row * q + column) * count;
  const L = 100 * light[place[0] * shape[1] + place[1]];
  const colors = few(logits.data.subarray(at, at + count), centers);
  return { colors: colors.map(({ color: [a, b], share }) => ({ color: labToHex(L, a, b), share })) };
}

/** The picture of a file, upright and in sRGB, on a canvas; `rows(top, count)` are bytes of it. */
async function open(file) {
  const bitmap = await createImageBitmap(file, { imageOrientation: 'from-image' }).catch(() => {
    throw new Failure('This browser cannot open this file. JPEG, PNG and WebP it can.');
  });
  const { width, height } = bitmap;
  if (width * height > MOST) {
    bitmap.close();
    throw new Failure(`This picture is too large: it has ${width} × ${height} pixels, this page takes ${MOST / 2 ** 20} million.`);
  }
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { context, picture: [height, width], rows: (top, count) => context.getImageData(0, top, width, count).data };
}

/** What the network sees of a picture: its plan, and the lightness of the small copy, in [0, 1]. */
async function look(rows, picture) {
  const plan = makePlan(picture, (await network).model.shapes);
  const small = pad(thumbnail(rows, picture, plan.content), plan);
  const light = Float32Array.from({ length: small.length / 3 },
    (_, i) => lightness(small[3 * i], small[3 * i + 1], small[3 * i + 2]) / 100);
  return { plan, light };
}

async function predict({ plan, light }, { hints = [], ...options }, outputs) {
  const { model, run } = await network;
  const given = { x: [light.map((value) => 2 * value - 1), [1, ...plan.shape, 1]] };
  if (model.takes_hints) {
    const grid = drawHints(hints, plan, light, options);
    given.hints = [grid, [1, ...plan.shape, 3]];
    given.near = [nearHints(grid, plan.shape, model.shrinks), [1, ...plan.shape, 1]];
  }
  if (model.palette) {
    const number = (name) => Number(options[name] ?? model.palette[name]);
    given.temperature = [[Math.max(number('temperature'), COLDEST)], []];
    given.vividness = [[number('vividness')], []];
  }
  return run(given, outputs);
}

const isJpeg = async (file) => {
  const [first, second] = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  return first === 0xff && second === 0xd8;
};

const channel = new MessageChannel();

/** Lets messages in. */
const pause = () => new Promise((resolve) => {
  channel.port1.onmessage = resolve;
  channel.port2.postMessage(null);
});

postMessage({ ready: true });
