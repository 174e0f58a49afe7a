// All that talks to the server. Another page may do without one: by a module with the same exports.

/** A failure in words for the person; whether trying again may help, after how many seconds at the earliest. */
export class Failure extends Error {
  constructor(message, { again = true, after = 0, wantsToken = false } = {}) {
    super(message);
    Object.assign(this, { again, after, wantsToken });
  }
}

const UNREACHABLE = 'The server cannot be reached. Is the network there?';

const authorization = () => {
  const token = sessionStorage.getItem('token'); // of this tab alone
  return token ? { Authorization: `Bearer ${token}` } : {};
};

/** Resolves to what `/v1/models` says of the models and their limits. Without a token the last one is used. */
export async function connect(token) {
  if (token) sessionStorage.setItem('token', token);
  const response = await fetch('v1/models', { headers: authorization() }).catch(() => { throw new Failure(UNREACHABLE); });
  if (!response.ok) throw await failure(response.status, response);
  return (await response.json()).models;
}

/**
 * Colours a file; `options` are fields of the API, among them `hints`. `progress` is called with the share of the file
 * that is on the server. Resolves to the coloured file as a blob, its name, and how many pictures of it are left out.
 */
export async function colorize(file, options, { progress = () => {}, signal } = {}) {
  const { blob, header } = await upload('v1/colorize', form('image', file, options), { progress, signal });
  return {
    blob,
    name: nameIn(header('Content-Disposition')) ?? 'picture-colour.png',
    leftOut: Number(header('Pictures-Left-Out')),
  };
}

/**
 * Colours a film; `progress` is called with the share of it that is on the server, and `watch` with what the server says of
 * it from then on. Resolves to the coloured film as a blob, its name, and notes on what is not as it was.
 */
export async function colorizeFilm(file, options, { progress = () => {}, watch = () => {}, signal }) {
  const { blob } = await upload('v1/films', form('film', file, options), { progress, signal, noun: 'film' });
  const { id } = JSON.parse(await blob.text());
  const address = `v1/films/${id}`;
  const cancel = () => { fetch(address, { method: 'DELETE', headers: authorization(), keepalive: true }).catch(() => {}); };
  signal.addEventListener('abort', cancel, { once: true });
  window.addEventListener('pagehide', cancel);
  try {
    for (;;) {
      const state = await (await insist(address, signal)).json();
      watch(state);
      if (state.state === 'failed') throw new Failure(`This film cannot be coloured: ${state.detail}.`, { again: false });
      if (state.state === 'done') {
        const response = await insist(`${address}/result`, signal);
        return { blob: await response.blob(), name: nameIn(response.headers.get('Content-Disposition')) ?? 'film-colour.mkv', notes: state.notes };
      }
      await pause(1);
    }
  } finally {
    signal.removeEventListener('abort', cancel);
    window.removeEventListener('pagehide', cancel);
  }
}

const pause = (seconds) => new Promise((resolve) => { setTimeout(resolve, 1000 * seconds); });
const INSISTING = 60; // seconds for which a server may be out of reach, or busy, while a film of ours is there

/** Resolves to the response at an address, asked for again where the network or a limit was in the way. */
async function insist(address, signal) {
  for (let left = INSISTING; ; left -= 2) {
    const response = await fetch(address, { headers: authorization(), signal }).catch(() => null);
    if (response?.ok) return response;
    if (signal.aborted) throw new Failure('Cancelled.');
    if (response && response.status !== 429 && response.status !== 503) throw await failure(response.status, response, 'film');
    if (left <= 0) throw new Failure(UNREACHABLE);
    await pause(2);
  }
}

/** Sends a form; resolves to the answer's blob, and a function that returns a header of it. */
function upload(address, body, { progress, signal, noun }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not tell how far an upload is
    request.open('POST', address);
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
    request.responseType = 'blob';
    request.upload.addEventListener('progress', (event) => {
      if (event.lengthComputable) progress(event.loaded / event.total);
    });
    request.upload.addEventListener('load', () => progress(1));
    request.addEventListener('error', () => reject(new Failure(UNREACHABLE)));
    request.addEventListener('abort', () => reject(new Failure('Cancelled.')));
    request.addEventListener('load', async () => {
      const header = (name) => request.getResponseHeader(name);
      if (request.status < 300) resolve({ blob: request.response, header });
      else reject(await failure(request.status, { headers: { get: header }, json: async () => JSON.parse(await request.response.text()) }, noun));
    });
    if (signal?.aborted) request.abort();
    signal?.addEventListener('abort', () => request.abort(), { once: true });
    request.send(body);
  });
}

function nameIn(disposition) {
  const named = /filename\*=UTF-8''([^;]+)/.exec(disposition ?? '');
  return named ? decodeURIComponent(named[1]) : null;
}

/** Resolves to the colours that the model thinks likely at a place of the picture, `[{ color, share }, …]`. */
export async function likelyColors(file, x, y, hints, { model, signal } = {}) {
  const body = form('image', file, { x, y, hints, model });
  const response = await fetch('v1/colors', { method: 'POST', headers: authorization(), body, signal })
    .catch((error) => { throw signal?.aborted ? error : new Failure(UNREACHABLE); });
  if (!response.ok) throw await failure(response.status, response);
  return (await response.json()).colors;
}

function form(kind, file, fields) {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (Array.isArray(value)) {
      if (value.length) data.append(name, JSON.stringify(value));
    } else if (value !== undefined) data.append(name, value);
  }
  data.append(kind, file, file.name || 'picture');
  return data;
}

async function failure(status, response, noun = 'picture') {
  const detail = await response.json().then((answer) => answer.detail, () => '');
  const after = Number(response.headers.get('Retry-After')) || 2;
  const because = detail ? `: ${detail}` : '';
  if (status === 401) return new Failure('This server wants its token.', { wantsToken: true });
  if (status === 429 || status === 503) return new Failure('The server is busy. Try again in a moment.', { after });
  if (status === 413) return new Failure(`This ${noun} is too large${because}.`, { again: false });
  if (status === 415 || status === 422) return new Failure(`This file cannot be coloured${because}.`, { again: false });
  if (status === 408 || status === 504) return new Failure(`It took too long${because}.`);
  return new Failure(`Something went wrong${because || ` (${status})`}.`);
}
