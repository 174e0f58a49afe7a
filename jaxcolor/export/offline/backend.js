// In place of the server: a worker in this browser. The same exports as the server's page has.

const site = globalThis.jaxcolor;

/** A failure in words for the person, and whether trying again may help. */
export class Failure extends Error {
  constructor(message, { again = true } = {}) {
    super(message);
    Object.assign(this, { again });
  }
}

let worker; // a promise of it
let count = 0;
const waiting = new Map();

/** Resolves to what is known of the model, and has it begin to load. */
export async function connect() {
  start().catch(() => {});
  return { ...site.model, limits: { bytes: Infinity } };
}

/**
 * Colours a file; `options` are those of the server's API. `progress` is called with the share that has been read. Resolves
 * to the coloured file as a blob, its name, and how many pictures of it are left out.
 */
export async function colorize(file, options, { progress = () => {}, signal } = {}) {
  progress(1); // there is no upload to wait for
  const { blob } = await ask({ task: 'colorize', file, options }, signal);
  const stem = (file.name || 'picture').replace(/(.)\.[^.]*$/, '$1');
  return { blob, name: `${stem}-colour.${blob.type === 'image/jpeg' ? 'jpg' : 'png'}`, leftOut: 0 };
}

/** Resolves to the colours that the model thinks likely at a place of the picture, `[{ color, share }, …]`. */
export async function likelyColors(file, x, y, hints, { signal } = {}) {
  return (await ask({ task: 'likely', file, x, y, hints }, signal)).colors;
}

async function ask(message, signal) {
  const to = await start();
  if (signal?.aborted) throw new Failure('Cancelled.');
  const id = count += 1;
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    signal?.addEventListener('abort', () => {
      to.postMessage({ task: 'cancel', id });
      waiting.delete(id);
      reject(new Failure('Cancelled.'));
    }, { once: true });
    to.postMessage({ ...message, id });
  });
}

function start() {
  worker ??= begin().catch((error) => {
    worker = undefined;
    throw error;
  });
  return worker;
}

async function begin() {
  await Promise.all(['runtime.js', 'model.js'].map(site.load)).catch(() => {
    throw new Failure('The model cannot be loaded. Are all files of this page there?');
  });
  const begun = site.work('worker.js');
  return new Promise((resolve, reject) => {
    begun.addEventListener('message', ({ data }) => {
      if (data.ready) {
        begun.postMessage({ task: 'load', data: site.data, model: site.model });
        resolve(begun);
      } else hear(data);
    });
    begun.addEventListener('error', () => {
      const failure = new Failure('Something went wrong in this browser.');
      for (const asked of waiting.values()) asked.reject(failure);
      waiting.clear();
      begun.terminate();
      worker = undefined;
      reject(failure);
    });
  });
}

function hear({ id, result, failure }) {
  const asked = waiting.get(id);
  if (!asked) return; // it was cancelled
  waiting.delete(id);
  if (failure) asked.reject(new Failure(...failure));
  else asked.resolve(result);
}
