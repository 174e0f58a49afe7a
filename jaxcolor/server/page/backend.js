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

/** Resolves to what `/v1/model` says of the model and its limits. Without a token the last one is used. */
export async function connect(token) {
  if (token) sessionStorage.setItem('token', token);
  const response = await fetch('v1/model', { headers: authorization() }).catch(() => { throw new Failure(UNREACHABLE); });
  if (!response.ok) throw await failure(response.status, response);
  return response.json();
}

/**
 * Colours a file; `options` are fields of the API, among them `hints`. `progress` is called with the share of the file
 * that is on the server. Resolves to the coloured file as a blob, its name, and how many pictures of it are left out.
 */
export function colorize(file, options, { progress = () => {}, signal } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not tell how far an upload is
    request.open('POST', 'v1/colorize');
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
    request.responseType = 'blob';
    request.upload.addEventListener('progress', (event) => {
      if (event.lengthComputable) progress(event.loaded / event.total);
    });
    request.upload.addEventListener('load', () => progress(1));
    request.addEventListener('error', () => reject(new Failure(UNREACHABLE)));
    request.addEventListener('abort', () => reject(new Failure('Cancelled.')));
    request.addEventListener('load', async () => {
      if (request.status !== 200) {
        const headers = { get: (name) => request.getResponseHeader(name) };
        reject(await failure(request.status, { headers, json: async () => JSON.parse(await request.response.text()) }));
        return;
      }
      const named = /filename\*=UTF-8''([^;]+)/.exec(request.getResponseHeader('Content-Disposition') ?? '');
      resolve({
        blob: request.response,
        name: named ? decodeURIComponent(named[1]) : 'picture-colour.png',
        leftOut: Number(request.getResponseHeader('Pictures-Left-Out')),
      });
    });
    if (signal?.aborted) request.abort();
    signal?.addEventListener('abort', () => request.abort(), { once: true });
    request.send(form({ image: file, ...options }));
  });
}

/** Resolves to the colours that the model thinks likely at a place of the picture, `[{ color, share }, …]`. */
export async function likelyColors(file, x, y, hints, { signal } = {}) {
  const body = form({ image: file, x, y, hints });
  const response = await fetch('v1/colors', { method: 'POST', headers: authorization(), body, signal })
    .catch((error) => { throw signal?.aborted ? error : new Failure(UNREACHABLE); });
  if (!response.ok) throw await failure(response.status, response);
  return (await response.json()).colors;
}

function form({ image, ...fields }) {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (Array.isArray(value)) {
      if (value.length) data.append(name, JSON.stringify(value));
    } else if (value !== undefined) data.append(name, value);
  }
  data.append('image', image, image.name || 'picture');
  return data;
}

async function failure(status, response) {
  const detail = await response.json().then((answer) => answer.detail, () => '');
  const after = Number(response.headers.get('Retry-After')) || 2;
  const because = detail ? `: ${detail}` : '';
  if (status === 401) return new Failure('This server wants its token.', { wantsToken: true });
  if (status === 429 || status === 503) return new Failure('The server is busy. Try again in a moment.', { after });
  if (status === 413) return new Failure(`This picture is too large${because}.`, { again: false });
  if (status === 415 || status === 422) return new Failure(`This file cannot be coloured${because}.`, { again: false });
  if (status === 408 || status === 504) return new Failure(`It took too long${because}.`);
  return new Failure(`Something went wrong${because || ` (${status})`}.`);
}
