// One photograph at a time, and a word on each. Who answers is known by a random name, in this tab alone.

import * as backend from './study_backend.js';
import { say } from './say.js';

const find = (id) => document.getElementById(id);
const image = find('picture');

let judge = sessionStorage.getItem('judge');
let now = null; // what the server last said
let busy = false; // between an answer and the next picture
let timer = 0;

function show(name) {
  for (const id of ['begin', 'trial', 'end']) find(id).hidden = id !== name;
}

/** Does what talks to the server, one at a time, and says what went wrong. */
async function attempt(work) {
  if (busy) return;
  busy = true;
  find('trial').setAttribute('aria-busy', 'true');
  find('problem').textContent = '';
  try {
    await work();
  } catch (error) {
    if (!(error instanceof backend.Failure)) throw error;
    find('problem').textContent = error.message;
  } finally {
    busy = false;
    find('trial').removeAttribute('aria-busy');
  }
}

async function restart() {
  now = await backend.begin();
  judge = now.judge;
  sessionStorage.setItem('judge', judge);
  find('total').textContent = now.total;
  find('limit').hidden = now.seconds === null;
  find('seconds').textContent = now.seconds === 1 ? '1 second' : `${now.seconds} seconds`;
  show('begin');
  find('start').focus();
}

async function open() {
  if (!judge) return restart();
  try {
    now = await backend.state(judge);
  } catch (error) {
    if (error.status !== 404) throw error;
    return restart(); // the server started anew before this person's first answer
  }
  return next();
}

/** Shows the picture whose turn it is, or the end. */
async function next() {
  if (now.picture === null) return end();
  clearTimeout(timer);
  const blob = await backend.picture(judge, now.picture);
  URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(blob);
  await image.decode();
  image.classList.remove('away');
  if (now.seconds !== null) timer = setTimeout(() => image.classList.add('away'), 1000 * now.seconds);
  const place = `${now.judged + 1} of ${now.total}`;
  find('place').textContent = place;
  find('progress').max = now.total;
  find('progress').value = now.judged;
  show('trial');
  say(`Photograph ${place}`);
}

async function answer(word) {
  clearTimeout(timer);
  image.classList.add('away'); // nobody looks at the last one with the next question in mind
  try {
    now = await backend.answer(judge, now.picture, word);
  } catch (error) {
    if (error.status === 409) now = await backend.state(judge); // it came through before, or in another tab
    else {
      image.classList.remove('away');
      throw error;
    }
  }
  await next();
}

const percent = (share) => `${(100 * share).toFixed(0)} %`;

function rate({ taken, total, interval }) {
  if (!total) return 'none shown';
  return `${percent(taken / total)} (${interval.map((end) => (100 * end).toFixed(0)).join(' to ')})`;
}

async function end() {
  clearTimeout(timer);
  const { own, all } = await backend.summary(judge);
  const { taken, total } = own.fooled;
  find('verdict').textContent = total
    ? `Coloured photographs that you took for true: ${taken} of ${total}, ${percent(taken / total)}.`
    : 'You have answered nothing about coloured photographs yet.';
  find('everybody').textContent = `Everybody (${all.judges})`;
  for (const [who, rates] of Object.entries({ own, all })) {
    for (const kind of ['fooled', 'doubted']) find(`${who}-${kind}`).textContent = rate(rates[kind]);
  }
  find('on').hidden = now.picture === null;
  show('end');
  find('end-title').focus();
  say(find('verdict').textContent);
}

find('start').addEventListener('click', () => attempt(async () => {
  await next();
  find('true').focus({ preventScroll: true });
}));
find('true').addEventListener('click', () => attempt(() => answer('true')));
find('coloured').addEventListener('click', () => attempt(() => answer('coloured')));
find('stop').addEventListener('click', () => attempt(end));
find('on').addEventListener('click', () => attempt(next));
find('again').addEventListener('click', () => attempt(restart));
document.addEventListener('keydown', (event) => {
  const word = { ArrowLeft: 'true', ArrowRight: 'coloured' }[event.key];
  if (!word || find('trial').hidden || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  attempt(() => answer(word));
});

attempt(open);
