// All that talks to the server.

/** A failure in words for the person. */
export class Failure extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

const token = new URLSearchParams(location.hash.slice(1)).get('token');
if (token) {
  sessionStorage.setItem('token', token); // of this tab alone
  history.replaceState(null, '', location.pathname);
}

async function ask(path, body) {
  const headers = {};
  const known = sessionStorage.getItem('token');
  if (known) headers.Authorization = `Bearer ${known}`;
  if (body) headers['Content-Type'] = 'application/json';
  const options = body ? { method: 'POST', headers, body: JSON.stringify(body) } : { headers };
  const response = await fetch(`v1/judges${path}`, options).catch(() => {
    throw new Failure('The server cannot be reached. What you have answered is kept.');
  });
  if (response.ok) return response;
  if (response.status === 401) throw new Failure('Open the address that the server has printed, with its token.', 401);
  const { detail } = await response.json().catch(() => ({}));
  throw new Failure(detail ?? `The server answers ${response.status}.`, response.status);
}

const of = (judge) => `/${encodeURIComponent(judge)}`;

export const begin = async () => (await ask('', {})).json();
export const state = async (judge) => (await ask(of(judge))).json();
export const picture = async (judge, key) => (await ask(`${of(judge)}/pictures/${encodeURIComponent(key)}`)).blob();
export const answer = async (judge, key, word) => (await ask(`${of(judge)}/answers`, { picture: key, answer: word })).json();
export const summary = async (judge) => (await ask(`${of(judge)}/summary`)).json();
