// Choose, drop or paste photographs; each becomes a card that goes from preview to result in place.

const element = (id) => document.getElementById(id);
const list = element('pictures');
const controls = element('controls');
const saturation = element('saturation');
const submit = element('submit');
const drop = element('drop');
const signIn = element('sign-in');

const AT_ONCE = 3; // uploads; the server colours those that come together in one go
const BUSY_TRIES = 6;

const authorization = () => {
  const token = sessionStorage.getItem('token');
  return token ? { Authorization: `Bearer ${token}` } : {};
};

const pictures = new Set();
let limits = { bytes: Infinity };

const MiB = (bytes) => `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0)} MB`;
const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
const say = (words) => { element('status').textContent = words; };

/** A failure in words for the person, and whether trying again may help. */
class Failure extends Error {
  constructor(message, { again = true, after = 0 } = {}) {
    super(message);
    Object.assign(this, { again, after });
  }
}

/** One photograph: its card, its file, its result. `state` is 'chosen', 'working', 'done' or 'failed'. */
class Picture {
  constructor(file) {
    this.file = file;
    this.name = file.name || 'pasted picture';
    this.card = element('picture').content.firstElementChild.cloneNode(true);
    for (const name of ['compare', 'before', 'after', 'divider', 'split', 'placeholder', 'progress', 'bar', 'note',
      'retry', 'download', 'remove', 'tag-before', 'tag-after']) {
      this[name] = this.card.querySelector(`.${name}`);
    }
    this.card.querySelector('.name').textContent = this.name;
    this.remove.setAttribute('aria-label', `Remove ${this.name}`);
    this.retry.setAttribute('aria-label', `Try ${this.name} again`);
    this.split.setAttribute('aria-label', `Compare before and after: ${this.name}`);
    this.before.alt = `${this.name}, before`;
    this.after.alt = `${this.name}, in colour`;

    this.remove.addEventListener('click', () => this.discard());
    this.retry.addEventListener('click', () => colour([this]));
    this.split.addEventListener('input', () => this.showSplit());
    // Some browsers move a range only by its thumb, which is invisible here: let the pointer drag from anywhere.
    const drag = (event) => {
      const box = this.split.getBoundingClientRect();
      this.split.value = Math.round(100 * (event.clientX - box.left) / box.width);
      this.showSplit();
    };
    this.split.addEventListener('pointerdown', drag);
    this.split.addEventListener('pointermove', (event) => { if (event.buttons) drag(event); });

    this.source = URL.createObjectURL(file);
    this.before.addEventListener('load', () => this.fit(this.before));
    this.before.addEventListener('error', () => this.withoutPreview());
    this.before.src = this.source;
    this.enter('chosen', MiB(file.size));
    list.append(this.card);
  }

  enter(state, note) {
    this.state = state;
    this.note.textContent = note;
    this.card.classList.toggle('working', state === 'working');
    this.card.classList.toggle('failed', state === 'failed');
    this.progress.hidden = state !== 'working';
    this.retry.hidden = state !== 'failed' || !this.mayRetry;
    refresh();
  }

  /** The smallest pictures are enlarged, or they would be lost on a large screen. */
  fit(image) { image.classList.toggle('small', image.naturalWidth < 416); }

  /** A HEIC or a TIFF, say: most browsers show neither, but the server reads them. */
  withoutPreview() {
    this.noPreview = true;
    this.before.hidden = true;
    this.placeholder.hidden = Boolean(this.result);
    this.placeholder.textContent = 'No preview: this browser cannot show this kind of file before it is in colour.';
  }

  advance(fraction) {
    const uploading = fraction < 1;
    this.progress.classList.toggle('endless', !uploading);
    this.bar.style.setProperty('--done', `${100 * fraction}%`);
    this.note.textContent = uploading ? `Uploading, ${Math.round(100 * fraction)} %` : 'Colouring…';
  }

  async show({ blob, name, leftOut }) {
    URL.revokeObjectURL(this.result);
    this.result = URL.createObjectURL(blob);
    this.after.src = this.result;
    await this.after.decode();
    this.fit(this.after);
    if (this.noPreview) { // the result without its colours is what the original looked like
      this.before.src = this.result;
      this.before.style.filter = 'grayscale(1)';
      this.noPreview = false;
    }
    this.placeholder.hidden = true;
    for (const name of ['before', 'after', 'divider', 'split', 'tag-before', 'tag-after']) this[name].hidden = false;
    this.showSplit();
    this.download.href = this.result;
    this.download.download = name;
    this.download.setAttribute('aria-label', `Download ${name}`);
    this.download.hidden = false;
    const others = leftOut ? `. The first picture alone: ${leftOut} more in this file ${leftOut === 1 ? 'is' : 'are'} left out` : '';
    this.enter('done', `In colour, ${this.after.naturalWidth} × ${this.after.naturalHeight} pixels${others}`);
  }

  showSplit() {
    this.compare.style.setProperty('--split', `${this.split.value}%`);
    this.split.setAttribute('aria-valuetext', `${100 - this.split.value} % in colour`);
    this['tag-before'].hidden = this.split.value < 15;
    this['tag-after'].hidden = this.split.value > 85;
  }

  discard() {
    this.request?.abort();
    URL.revokeObjectURL(this.source);
    URL.revokeObjectURL(this.result);
    const neighbour = this.card.nextElementSibling ?? this.card.previousElementSibling;
    this.card.remove();
    pictures.delete(this);
    (neighbour?.querySelector('.remove') ?? element('files')).focus();
    say(`${this.name} removed`);
    refresh();
  }
}

/** Sends the file; resolves to the result and its name, or rejects with a Failure. */
function send(picture, strength) {
  return new Promise((resolve, reject) => {
    const form = new FormData();
    form.append('saturation', strength);
    form.append('image', picture.file, picture.name);
    const request = picture.request = new XMLHttpRequest(); // fetch does not tell how far an upload is
    request.open('POST', 'v1/colorize');
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
    request.responseType = 'blob';
    request.upload.addEventListener('progress', (event) => {
      if (event.lengthComputable) picture.advance(event.loaded / event.total);
    });
    request.upload.addEventListener('load', () => picture.advance(1));
    request.addEventListener('error', () => reject(new Failure('The server cannot be reached. Is the network there?')));
    request.addEventListener('abort', () => reject(new Failure('Cancelled.')));
    request.addEventListener('load', async () => {
      if (request.status === 200) {
        const named = /filename\*=UTF-8''([^;]+)/.exec(request.getResponseHeader('Content-Disposition') ?? '');
        resolve({
          blob: request.response,
          name: named ? decodeURIComponent(named[1]) : 'picture-colour.png',
          leftOut: Number(request.getResponseHeader('Pictures-Left-Out')),
        });
        return;
      }
      const detail = await request.response.text().then((text) => JSON.parse(text).detail).catch(() => '');
      askForToken(request.status === 401);
      reject(failure(request.status, detail, Number(request.getResponseHeader('Retry-After')) || 2));
    });
    request.send(form);
  });
}

function failure(status, detail, after) {
  const because = detail ? `: ${detail}` : '';
  if (status === 401) return new Failure('This server wants its token.');
  if (status === 429 || status === 503) return new Failure('The server is busy. Try again in a moment.', { after });
  if (status === 413) return new Failure(`This picture is too large${because}.`, { again: false });
  if (status === 415 || status === 422) return new Failure(`This file cannot be coloured${because}.`, { again: false });
  if (status === 408 || status === 504) return new Failure(`It took too long${because}.`);
  return new Failure(`Something went wrong${because || ` (${status})`}.`);
}

async function colourOne(picture) {
  for (let left = BUSY_TRIES; pictures.has(picture); left -= 1) {
    picture.enter('working', 'Uploading…');
    picture.advance(0);
    try {
      await picture.show(await send(picture, picture.strength));
      say(`${picture.name} is in colour`);
      return;
    } catch (error) {
      if (!pictures.has(picture)) return;
      if (error.after && left > 1) {
        picture.note.textContent = `The server is busy; trying again in ${error.after} s`;
        await pause(error.after);
        continue;
      }
      picture.mayRetry = error.again ?? true;
      picture.enter('failed', error instanceof Failure ? error.message : 'The result cannot be shown.');
      say(`${picture.name}: ${picture.note.textContent}`);
      return;
    }
  }
}

async function colour(chosen) {
  const waiting = [...chosen];
  for (const picture of waiting) {
    picture.strength = saturation.value;
    picture.enter('working', 'Waiting for its turn');
  }
  say(waiting.length === 1 ? `Colouring ${waiting[0].name}` : `Colouring ${waiting.length} photographs`);
  const worker = async () => { while (waiting.length) await colourOne(waiting.shift()); };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** The pictures that the button is about: new ones, and those coloured at another strength. */
const due = () => [...pictures].filter((picture) => picture.state === 'chosen'
  || (picture.state === 'done' && picture.strength !== saturation.value));

function refresh() {
  const chosen = due();
  const again = chosen.length > 0 && chosen.every((picture) => picture.state === 'done');
  const working = [...pictures].some((picture) => picture.state === 'working');
  document.body.classList.toggle('chosen', pictures.size > 0);
  controls.hidden = pictures.size === 0;
  submit.disabled = chosen.length === 0;
  const resting = [...pictures].every((picture) => picture.state === 'done') ? 'All in colour' : 'Done';
  const what = chosen.length > 1 ? ` ${chosen.length} photographs` : '';
  submit.textContent = chosen.length ? `Colour${what}${again ? ' again' : ''}` : working ? 'Colouring…' : resting;
  drop.querySelector('.drop-title').textContent = pictures.size ? 'Add more' : 'Choose photographs';
}

function add(files) {
  for (const file of files) {
    const picture = new Picture(file);
    pictures.add(picture);
    if (file.size > limits.bytes) {
      picture.mayRetry = false;
      picture.enter('failed', `This picture is too large: it has ${MiB(file.size)}, the server takes ${MiB(limits.bytes)}.`);
    }
  }
  refresh();
  if (files.length) say(`${files.length === 1 ? files[0].name || 'A picture' : `${files.length} photographs`} chosen`);
}

element('files').addEventListener('change', (event) => {
  add([...event.target.files]);
  event.target.value = ''; // so that the same file may be chosen again
});

// The page takes all that is dropped; a browser would leave the page to show it.
document.addEventListener('dragover', (event) => { event.preventDefault(); drop.classList.add('over'); });
document.addEventListener('dragleave', (event) => { if (!event.relatedTarget) drop.classList.remove('over'); });
document.addEventListener('drop', (event) => {
  event.preventDefault();
  drop.classList.remove('over');
  add([...event.dataTransfer.files]);
});
document.addEventListener('paste', (event) => add([...(event.clipboardData?.files ?? [])]));

saturation.addEventListener('input', () => {
  const value = Number(saturation.value);
  const words = value === 1 ? 'as the model sees them' : value < 1 ? 'softer' : 'more vivid';
  saturation.setAttribute('aria-valuetext', `${words}, ${Math.round(100 * value)} %`);
  refresh();
});

controls.addEventListener('submit', (event) => {
  event.preventDefault();
  colour(due());
});

function askForToken(wanted) {
  signIn.hidden = !wanted;
  drop.hidden = wanted;
}

/** Asks what the model is; the page works without, but for a token. Resolves to whether the server wants another. */
async function connect() {
  const response = await fetch('v1/model', { headers: authorization() });
  askForToken(response.status === 401);
  if (response.ok) {
    const model = await response.json();
    limits = model.limits;
    element('model').textContent = `Model: ${model.generator}, ${(model.parameters / 1e6).toFixed(1)} million `
      + `parameters, step ${model.step.toLocaleString('en')}`;
  }
  return response.status === 401;
}

// A new token is part of the address that the server prints. It stays in this tab, out of the address and of what is shared.
function begin() {
  const given = /^#token=(.+)$/.exec(location.hash);
  if (given) {
    sessionStorage.setItem('token', given[1]);
    history.replaceState(null, '', location.pathname + location.search);
  }
  connect().catch(() => {});
}

signIn.addEventListener('submit', async (event) => {
  event.preventDefault();
  sessionStorage.setItem('token', element('token').value);
  const note = await connect().then((wanted) => (wanted ? 'That is not its token.' : ''), () => 'The server cannot be reached.');
  element('sign-in-note').textContent = note;
  if (!note) element('files').focus();
});

window.addEventListener('hashchange', begin);
begin();
