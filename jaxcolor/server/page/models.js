// Which of the server's models is to colour: the one that was chosen last, where it is still there.

import { Picture } from './picture.js';

const KEY = 'model'; // of the browser's storage
const row = document.getElementById('which');
const select = row.querySelector('select');

function take(model) {
  Picture.model = model;
  select.value = model.name;
  document.dispatchEvent(new Event('model'));
}

/** Takes what `connect` said. There is something to choose from two models on. */
export function offer(models) {
  Picture.models = models;
  select.replaceChildren(...models.map(({ name }) => new Option(name, name)));
  row.hidden = models.length < 2;
  let last;
  try {
    last = localStorage.getItem(KEY);
  } catch { /* a browser without storage */ }
  take(models.find(({ name }) => name === last) ?? models[0]);
}

export function forgetChoice() {
  try {
    localStorage.removeItem(KEY);
  } catch { /* nor has it anything to forget */ }
}

select.addEventListener('change', () => {
  take(Picture.models.find(({ name }) => name === select.value));
  try {
    localStorage.setItem(KEY, select.value);
  } catch { /* it is chosen for as long as the page is open */ }
});
