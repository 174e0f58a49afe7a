// The workers that colour. One with WebAssembly begins at once. Where there is WebGPU, one with it begins after that, and
// takes over if it says the same and is faster; what it fails at later is asked of the first.

const site = globalThis.jaxcolor;

const SHARE = 1; // of the time that WebAssembly takes, within which WebGPU must be done
const PROCESSORS = { wasm: 'processor (WebAssembly)', webgpu: 'graphics processor (WebGPU)' };

const WRONG = 'Something went wrong in this browser.';

/** A failure in words for the person, and whether trying again may help. */
export class Failure extends Error {
  constructor(message, { again = true } = {}) {
    super(message);
    Object.assign(this, { again });
  }
}

let first; // a promise of the worker with WebAssembly
let better; // the worker with WebGPU, once it has taken over; null where there is none
let count = 0;
const waiting = new Map(); // what was asked and is not answered, by its id

/** Resolves to what a worker answers to a message. */
export function ask(message, signal) {
  return new Promise((resolve, reject) => {
    const id = count += 1;
    const asked = { message: { ...message, id }, resolve, reject };
    signal?.addEventListener('abort', () => {
      waiting.delete(id);
      asked.worker?.postMessage({ task: 'cancel', id });
      reject(new Failure('Cancelled.'));
    }, { once: true });
    waiting.set(id, asked);
    give(asked);
  });
}

async function give(asked) {
  const { id } = asked.message;
  try {
    const worker = better ?? await start();
    if (!waiting.has(id)) return; // it was cancelled
    asked.worker = worker;
    worker.postMessage(asked.message);
  } catch (error) {
    waiting.delete(id);
    asked.reject(error);
  }
}

/** Resolves to the worker with WebAssembly. */
export function start() {
  first ??= begin('wasm').then(({ worker, seconds }) => {
    show('wasm');
    if (better === undefined) improve(seconds);
    return worker;
  }).catch((error) => {
    first = undefined;
    if (error instanceof Failure) throw error;
    console.error(error);
    throw new Failure(WRONG);
  });
  return first;
}

/** Has WebGPU take over, if there is any, and its worker takes no more than `seconds`. */
async function improve(seconds) {
  better = null;
  if (!WebAssembly.Suspending || !await navigator.gpu?.requestAdapter()) return; // its build needs both
  try {
    const begun = await begin('webgpu');
    if (begun.seconds > SHARE * seconds) {
      begun.worker.terminate();
      throw new Error(`it takes ${begun.seconds} s, WebAssembly ${seconds} s`);
    }
    better = begun.worker;
    show('webgpu');
  } catch (error) {
    console.warn(`WebGPU is not used: ${error.message}`);
  }
}

/** Resolves to { worker, seconds }, once the worker has passed the network's example, which took it so long. */
async function begin(kind) {
  await Promise.all([`${kind}.js`, 'model.js'].map(site.load)).catch(() => {
    throw new Failure('The model cannot be loaded. Are all files of this page there?');
  });
  const { script, binary } = site.runtimes[kind];
  const worker = site.work('worker.js', { 'ort.mjs': script });
  return new Promise((resolve, reject) => {
    const fail = (message) => {
      reject(new Error(message));
      lose(worker);
    };
    worker.addEventListener('error', ({ message }) => fail(message));
    worker.addEventListener('message', ({ data }) => {
      if (data.ready) {
        const { graph, model } = site;
        worker.postMessage({ task: 'load', provider: kind, binary, graph, model });
      } else if (data.failed) fail(data.failed);
      else if (data.loaded) resolve({ worker, ...data.loaded });
      else hear(worker, data);
    });
  });
}

function hear(worker, { id, result, failure, lost }) {
  const asked = waiting.get(id);
  if (!asked) return; // it was cancelled
  if (lost && worker === better) {
    lose(worker);
    return;
  }
  waiting.delete(id);
  if (failure) asked.reject(new Failure(...failure));
  else asked.resolve(result);
}

/** Ends a worker that failed. What it was asked is asked of the first, or fails as well where this is the first. */
function lose(worker) {
  worker.terminate();
  const left = [...waiting.values()].filter((asked) => asked.worker === worker);
  if (worker === better) {
    better = null;
    show('wasm');
    left.forEach(give);
  } else if (left.length) { // a worker is asked nothing before it has begun
    first = undefined;
    for (const { message, reject } of left) {
      waiting.delete(message.id);
      reject(new Failure(WRONG));
    }
  }
}

/** Says where the network runs. */
function show(kind) {
  document.getElementById('runtime').textContent = `It runs on this device's ${PROCESSORS[kind]}.`;
}
