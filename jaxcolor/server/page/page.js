// Choose, drop or paste photographs; each becomes a card that goes from preview to result in place.

import { connect } from './backend.js';
import { Picture } from './picture.js';
import { say } from './say.js';

const element = (id) => document.getElementById(id);
const list = element('pictures');
const controls = element('controls');
const saturation = element('saturation');
const submit = element('submit');
const drop = element('drop');
const signIn = element('sign-in');

const pictures = new Set();

/** The pictures that the button is about: new ones, and those coloured at another strength. */
const due = () => [...pictures].filter((picture) => picture.state === 'chosen'
  || (picture.state === 'done' && picture.strength !== saturation.value));

function colour(chosen) {
  for (const picture of chosen) {
    picture.strength = saturation.value;
    picture.options.saturation = saturation.value;
    picture.colour();
  }
  say(chosen.length === 1 ? `Colouring ${chosen[0].name}` : `Colouring ${chosen.length} photographs`);
}

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

list.addEventListener('state', ({ detail: picture }) => {
  if (picture.state === 'gone') pictures.delete(picture);
  else pictures.add(picture);
  if (picture.state === 'failed' && picture.failure?.wantsToken) askForToken(true);
  refresh();
});

function add(files) {
  for (const file of files) new Picture(file); // its card enters the list
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

/** Asks what the model is; the page works without, but for a token. Resolves to what failed, if anything did. */
async function introduce(token) {
  try {
    const model = Picture.model = await connect(token);
    askForToken(false);
    for (const picture of pictures) picture.showTools();
    element('model').textContent = `Model: ${model.generator}, ${(model.parameters / 1e6).toFixed(1)} million `
      + `parameters, step ${model.step.toLocaleString('en')}`;
    return null;
  } catch (error) {
    askForToken(Boolean(error.wantsToken));
    return error;
  }
}

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
