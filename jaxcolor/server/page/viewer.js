// One photograph on all of the screen: enlarged, moved about, before and after.

const element = (id) => document.getElementById(id);
const viewer = element('viewer');
const stage = element('stage');
const sheet = element('sheet');
const split = element('viewer-split');
const divider = element('viewer-divider');

const LARGEST = 16; // times what fits the screen
const STEP = 1.5;

let picture;
let zoom = 1;

/** Opens on a picture; `neighbour(picture, step)` is the one beside it, if there is one. */
export function view(chosen, neighbour) {
  if (!viewer.open) viewer.showModal();
  picture = chosen;
  for (const [id, step] of [['viewer-previous', -1], ['viewer-next', 1]]) {
    const other = neighbour(picture, step);
    element(id).disabled = !other;
    element(id).onclick = () => view(other, neighbour);
  }
  element('viewer-name').textContent = picture.name;
  const done = Boolean(picture.result);
  for (const name of ['before', 'after']) {
    const image = element(`viewer-${name}`);
    image.src = picture[name].src;
    image.alt = picture[name].alt;
    image.classList.toggle('grey', picture[name].classList.contains('grey'));
  }
  element('viewer-after').hidden = divider.hidden = !done;
  split.disabled = !done;
  scale(1);
}

/** Shows it at so many times the size that fits; what is at `x`, `y` of the window stays there. */
function scale(times, x = window.innerWidth / 2, y = window.innerHeight / 2) {
  const box = sheet.getBoundingClientRect();
  const ratio = picture.ratio;
  const fits = Math.min(stage.clientWidth, stage.clientHeight * ratio);
  zoom = Math.min(LARGEST, Math.max(1, times));
  const grown = fits * zoom / box.width;
  sheet.style.setProperty('width', `${fits * zoom}px`);
  sheet.style.setProperty('height', `${fits * zoom / ratio}px`);
  const now = sheet.getBoundingClientRect();
  stage.scrollLeft += now.left + (x - box.left) * grown - x;
  stage.scrollTop += now.top + (y - box.top) * grown - y;
  stage.classList.toggle('enlarged', zoom > 1);
  element('zoom-out').disabled = zoom === 1;
  element('zoom-in').disabled = zoom === LARGEST;
  showSplit();
}

/** The divider is at a share of what is seen of the picture, so that it is at hand however large that is. */
function showSplit() {
  const [outer, inner] = [stage.getBoundingClientRect(), sheet.getBoundingClientRect()];
  const left = Math.max(outer.left, inner.left);
  const right = Math.min(outer.right, inner.right);
  const x = left + (right - left) * split.value / 100;
  sheet.style.setProperty('--split', `${100 * (x - inner.left) / inner.width}%`);
  divider.style.setProperty('--split', `${x - outer.left}px`);
  divider.style.setProperty('--margin', `${Math.max(0, inner.top - outer.top)}px`);
  split.setAttribute('aria-valuetext', `${100 - split.value} % in colour`);
}

const pointers = new Map(); // that are down

function move(event) {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  pointers.set(event.pointerId, event);
  if (pointers.size === 2) { // a pinch
    const [one, other] = [...pointers.values()];
    const still = one === event ? other : one;
    const distance = ({ clientX, clientY }) => Math.hypot(clientX - still.clientX, clientY - still.clientY);
    const middle = [(one.clientX + other.clientX) / 2, (one.clientY + other.clientY) / 2];
    scale(zoom * distance(event) / Math.max(1, distance(before)), ...middle);
  } else if (zoom > 1) {
    stage.scrollLeft -= event.clientX - before.clientX;
    stage.scrollTop -= event.clientY - before.clientY;
  } else {
    const box = sheet.getBoundingClientRect();
    split.value = Math.round(100 * (event.clientX - box.left) / box.width);
    showSplit();
  }
}

stage.addEventListener('pointerdown', (event) => {
  stage.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, event);
});
stage.addEventListener('pointermove', move);
for (const end of ['pointerup', 'pointercancel']) stage.addEventListener(end, ({ pointerId }) => pointers.delete(pointerId));
stage.addEventListener('wheel', (event) => {
  event.preventDefault();
  scale(zoom * STEP ** (-event.deltaY / 100), event.clientX, event.clientY);
}, { passive: false });
stage.addEventListener('dblclick', (event) => scale(zoom > 1 ? 1 : 4, event.clientX, event.clientY));
stage.addEventListener('scroll', showSplit);
split.addEventListener('input', showSplit);
window.addEventListener('resize', () => { if (viewer.open) scale(zoom); });

element('zoom-in').addEventListener('click', () => scale(zoom * STEP));
element('zoom-out').addEventListener('click', () => scale(zoom / STEP));
element('zoom-fit').addEventListener('click', () => scale(1));
viewer.addEventListener('keydown', ({ key }) => {
  if (key === '+' || key === '=') scale(zoom * STEP);
  if (key === '-') scale(zoom / STEP);
  if (key === '0') scale(1);
});

const full = element('viewer-full');
full.hidden = !document.fullscreenEnabled;
full.addEventListener('click', () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else viewer.firstElementChild.requestFullscreen(); // a dialog itself must not
});

element('viewer-close').addEventListener('click', () => viewer.close());
viewer.addEventListener('close', () => { if (document.fullscreenElement) document.exitFullscreen(); });
