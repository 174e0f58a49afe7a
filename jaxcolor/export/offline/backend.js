// In place of the server: workers in this browser. The same exports as the server's page has.

import { ask, Failure, start } from './workers.js';

export { Failure };

/** Resolves to what is known of the one model, and has it begin to load. */
export async function connect() {
  start().catch(() => {});
  return [{ ...globalThis.jaxcolor.model, limits: { bytes: Infinity, films: null } }];
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

/** Films are for servers. */
export async function colorizeFilm() {
  throw new Failure('Films are not coloured here.', { again: false });
}

/** Resolves to the colours that the model thinks likely at a place of the picture, `[{ color, share }, …]`. */
export async function likelyColors(file, x, y, hints, { signal } = {}) {
  return (await ask({ task: 'likely', file, x, y, hints }, signal)).colors;
}
