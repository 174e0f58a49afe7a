// The network in onnxruntime, which must say there what it says elsewhere.

import { env, InferenceSession, Tensor } from './ort.mjs';

const APART = 1; // of a* or b*, up to which results are the same
const RUNS = 2; // of which the first prepares

/** The runtime failed in what it did before: its device may be lost. */
export class Lost extends Error {}

/**
 * Resolves to { model, run, seconds }, once the network has passed the model's example, which takes it `seconds`.
 * `run({ name: [data, dims], … }, outputs)` resolves to tensors by the names of `outputs`; inputs that it lacks are left out.
 *
 * binary: of the runtime; graph: of the network; both packed. provider: 'wasm' or 'webgpu'.
 */
export async function load({ binary, graph, provider, model }) {
  const [wasm, network] = await Promise.all([unpack(binary), unpack(graph)]);
  env.wasm.wasmBinary = wasm;
  env.wasm.numThreads = 1; // it takes a moment: more would wait for each other, and take longer to begin
  const session = await InferenceSession.create(new Uint8Array(network), {
    executionProviders: [provider],
    logSeverityLevel: 3, // errors; it warns of shapes, which the processor works out
  });

  const run = async (inputs, outputs) => {
    const known = Object.entries(inputs).filter(([name]) => session.inputNames.includes(name));
    const feeds = Object.fromEntries(known.map(([name, [data, dims]]) => [name, new Tensor('float32', data, dims)]));
    try {
      return await session.run(feeds, outputs);
    } catch (error) {
      throw new Lost(error.message, { cause: error });
    }
  };
  return { model, run, seconds: await check(run, model) };
}

/** Bytes of what was packed by gzip, in base64. */
function unpack(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = text.charCodeAt(i);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).arrayBuffer();
}

/** Resolves to the seconds that the example takes; rejects where its result is another than where the page was made. */
async function check(run, { example, palette }) {
  const inputs = exampleInputs(example.side, palette);
  const times = [];
  for (let i = 0; i < RUNS; i += 1) {
    const before = performance.now();
    const { chroma: { data } } = await run(inputs, ['chroma']);
    times.push((performance.now() - before) / 1000);
    const apart = example.chroma.reduce((most, value, at) => Math.max(most, Math.abs(value - data[at])), 0);
    if (data.length !== example.chroma.length || !(apart < APART)) throw new Error(`what the network says is off by ${apart}`);
  }
  return Math.min(...times);
}

/** The example of jaxcolor.export.example. */
function exampleInputs(side, palette) {
  const hints = new Float32Array(side * side * 3);
  hints.set([0.5, -0.25, 1]);
  return {
    x: [Float32Array.from({ length: side * side }, (_, i) => (37 * i) % 101 / 50 - 1), [1, side, side, 1]],
    hints: [hints, [1, side, side, 3]],
    near: [new Float32Array(side * side).fill(0.5), [1, side, side, 1]],
    temperature: [[palette?.temperature], []],
    vividness: [[palette?.vividness], []],
  };
}
