// Choose, drop or paste photographs; each becomes a card that goes from preview to result in place.

import { connect } from './backend.js';
import { Film, isFilm } from './films.js';
import './hints.js';
import { forgetChoice, offer } from './models.js';
import { Picture } from './picture.js';
import { say } from './say.js';
import * as store from './store.js';
import { isVariant } from './variants.js';
import { view } from './viewer.js';

const element = (id) => document.getElementById(id);
const list = element('pictures');
const controls = element('controls');
const saturation = element('saturation');
const submit = element('submit');
const cancel = element('cancel');
const drop = element('drop');
const signIn = element('sign-in');
const kept = element('kept');
const downloadAll = element('download-all');

const FEW = 3; // pictures that are shown large; more are a grid
const KEPT = kept.textContent;
const ACCEPT = element('files').accept;

const pictures = new Set();

const cardOf = (file) => (isFilm(file) ? new Film(file) : new Picture(file));

/** What these are: photographs, films, or some of both. */
function nounOf(some) {
  const films = [...some].filter((one) => one instanceof Film).length;
  return films === 0 ? 'photograph' : films === [...some].length ? 'film' : 'file';
}

const count = (some) => `${[...some].length} ${nounOf(some)}s`;

const those = (state) => [...pictures].filter((picture) => picture.state === state);

const isOther = ({ strength, model }) => strength !== saturation.value || (Picture.choice && model !== Picture.choice);

/** The pictures that the button is about: new ones, and those coloured at another strength or by another model. */
const due = () => [...pictures].filter(({ state, result }) => state === 'chosen' || (state === 'done' && isOther(result)));

/** Sets what it is to be coloured by: of the options of another model, none that the chosen one has not. */
function prepare(picture, strength) {
  if (!isVariant(picture.variant)) picture.variant = {};
  picture.options = { ...picture.variant, saturation: strength * (picture.variant.saturation ?? 1), model: Picture.choice };
}

function colour(chosen) {
  for (const picture of chosen) {
    picture.strength = saturation.value;
    prepare(picture, picture.strength);
    picture.colour();
  }
  say(chosen.length === 1 ? `Colouring ${chosen[0].name}` : `Colouring ${count(chosen)}`);
}

function refresh() {
  const chosen = due();
  const again = chosen.length > 0 && chosen.every((picture) => picture.state === 'done');
  const working = those('working').length;
  const done = those('done').length;
  document.body.classList.toggle('chosen', pictures.size > 0);
  list.classList.toggle('many', pictures.size > FEW);
  element('examples').hidden = pictures.size > 0;
  controls.hidden = element('all').hidden = pictures.size === 0;
  downloadAll.hidden = done < 2;
  // A button that is disabled, or hidden, loses the focus to the page's body.
  submit.ariaDisabled = chosen.length === 0;
  if (!working && document.activeElement === cancel) submit.focus();
  cancel.hidden = !working;
  cancel.textContent = working > 1 ? `Cancel ${working}` : 'Cancel';
  const resting = done === pictures.size ? 'All in colour' : 'Done';
  const what = chosen.length > 1 ? ` ${count(chosen)}` : '';
  submit.textContent = chosen.length ? `Colour${what}${again ? ' again' : ''}` : working ? 'Colouring…' : resting;
  const both = Picture.model.limits.films ? ' or films' : '';
  drop.querySelector('.drop-title').textContent = pictures.size ? 'Add more' : `Choose photographs${both}`;
}

list.addEventListener('state', ({ detail: picture }) => {
  if (picture.state === 'gone') {
    pictures.delete(picture);
    store.forget(picture.key).catch(() => {});
  } else if (!pictures.has(picture)) {
    pictures.add(picture);
    picture.key ??= store.newKey();
  }
  if (picture.state === 'failed' && picture.failure?.wantsToken) askForToken(true);
  refresh();
});

list.addEventListener('colour', ({ detail: picture }) => colour([picture])); // it has other hints, or options

list.addEventListener('view', ({ detail: picture }) => {
  const shown = [...pictures].filter((other) => other.expand?.hidden === false); // a film has a player of its own
  view(picture, (one, step) => shown[shown.indexOf(one) + step]);
});

// Results over a reload

list.addEventListener('result', async ({ detail: picture }) => {
  const { key, file, result, options, hints, variant } = picture;
  try {
    await store.keep({ file, result, options, hints, variant }, key);
    if (picture.state === 'gone') await store.forget(key); // meanwhile
    kept.textContent = KEPT;
  } catch (error) {
    kept.textContent = error.name === 'QuotaExceededError'
      ? 'This browser has no room to keep more results. Download them before you leave the page.'
      : 'This browser keeps no results. Download them before you leave the page.';
    say(kept.textContent);
  }
});

async function recall() {
  for (const [key, { file, result, options, hints, variant = {} }] of await store.all()) {
    const picture = cardOf(file);
    Object.assign(picture, { key, options, hints, variant, strength: result.strength });
    await picture.show(result);
  }
}

const tabs = new BroadcastChannel('jaxcolor'); // of this page

function discardAll() {
  for (const picture of [...pictures]) picture.discard();
}

tabs.addEventListener('message', discardAll);

element('forget').addEventListener('click', async () => {
  const what = pictures.size === 1 ? `the ${nounOf(pictures)} and its result` : `all ${count(pictures)} and their results`;
  if (!window.confirm(`Forget ${what}? What you have not downloaded is gone.`)) return;
  tabs.postMessage('forget');
  discardAll();
  forgetChoice();
  element('files').focus();
  await store.forgetAll().catch(() => {});
  say('Everything is forgotten');
});

downloadAll.addEventListener('click', async () => {
  const done = those('done');
  const files = done.map(({ result }) => result);
  const hints = Object.fromEntries(done.filter((one) => one.hints.length).map((one) => [one.name, one.hints]));
  if (Object.keys(hints).length) files.push({ name: 'hints.json', blob: new Blob([JSON.stringify(hints)]) });
  try {
    const { zip } = await import('./zip.js'); // not before it is needed
    const blob = await zip(files, (packed) => { kept.textContent = `Packing ${packed} of ${files.length}`; });
    const link = Object.assign(document.createElement('a'), { href: URL.createObjectURL(blob), download: 'in-colour.zip' });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // once the browser has begun to write it
    kept.textContent = KEPT;
    say(`${count(done)} are in in-colour.zip`);
  } catch (error) {
    kept.textContent = error instanceof RangeError ? error.message : 'They cannot be packed; download them one by one.';
    say(kept.textContent);
  }
});

// Choosing

function add(files) {
  const chosen = files.map(cardOf); // which enters the list
  if (chosen.length) say(`${chosen.length === 1 ? chosen[0].name : count(chosen)} chosen`);
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

for (const example of document.querySelectorAll('.examples button')) {
  example.addEventListener('click', async () => {
    const address = example.firstElementChild.src;
    const blob = await fetch(address).then((response) => response.blob()).catch(() => null);
    if (!blob) {
      say('The server cannot be reached.');
      return;
    }
    add([new File([blob], address.slice(address.lastIndexOf('/') + 1), { type: blob.type })]);
    submit.focus(); // the examples are hidden now
    colour(due());
  });
}

saturation.addEventListener('input', () => {
  const value = Number(saturation.value);
  const words = value === 1 ? 'as the model sees them' : value < 1 ? 'softer' : 'more vivid';
  saturation.setAttribute('aria-valuetext', `${words}, ${Math.round(100 * value)} %`);
  refresh();
});

controls.addEventListener('submit', (event) => {
  event.preventDefault();
  const chosen = due();
  if (chosen.length) colour(chosen);
});

cancel.addEventListener('click', () => {
  const working = those('working');
  for (const picture of working) picture.stop();
  if (working.length > 1) say(`${count(working)} cancelled`);
});

// The server

function askForToken(wanted) {
  signIn.hidden = !wanted;
  drop.hidden = wanted;
}

/** Which model it is, and what it is bad at, if its card says so. */
function introduction({ card, generator, parameters, step }) {
  const size = `${(parameters / 1e6).toFixed(1)} million parameters, step ${step.toLocaleString('en')}`;
  if (!card) return `The model: ${Picture.choice ? `${Picture.choice}, ` : ''}${generator}, ${size}. Colours are guesses.`;
  return `The model: ${card.name}, ${card.summary}; ${size}. Colours are guesses. What it is bad at: ${card.bad_at}`;
}

/** Asks what the model is; the page works without, but for a token. Resolves to what failed, if anything did. */
async function introduce(token) {
  try {
    offer(await connect(token));
    askForToken(false);
    return null;
  } catch (error) {
    askForToken(Boolean(error.wantsToken));
    return error;
  }
}

document.addEventListener('model', () => {
  for (const picture of pictures) {
    if (picture.state !== 'working') prepare(picture, picture.strength ?? saturation.value);
    picture.showTools();
  }
  element('model').textContent = introduction(Picture.model);
  element('of-films').hidden = !Picture.model.limits.films;
  if (Picture.model.limits.films) element('files').accept = `${ACCEPT},video/*,.mkv,.avi,.m2ts,.mxf,.dv`;
  refresh();
});

// A new token is part of the address that the server prints. It stays in this tab, out of the address and of what is shared.
function begin() {
  const given = /^#token=(.+)$/.exec(location.hash);
  if (given) history.replaceState(null, '', location.pathname + location.search);
  introduce(given?.[1]);
}

signIn.addEventListener('submit', async (event) => {
  event.preventDefault();
  const error = await introduce(element('token').value);
  element('sign-in-note').textContent = error?.wantsToken ? 'That is not its token.' : error?.message ?? '';
  if (!error) element('files').focus();
});

window.addEventListener('hashchange', begin);
begin();
recall().catch(() => {}); // a browser without storage has nothing to recall
