// A point on the picture in the editor of colour hints.

export const DRAFT = -1; // the number of the point that has no colour yet

const DRAGGED = 4; // CSS pixels from which on a pointer drags
const PAUSE = 400; // ms after the last arrow key, before likely colours are asked for

/** Returns a point's button on the picture, which can be dragged, and moved by keys. */
export function marker(editor) {
  const { places } = editor;
  const marker = Object.assign(document.createElement('button'), { type: 'button', className: 'hints-point' });
  marker.setAttribute('aria-describedby', 'hints-keys');
  const number = () => {
    const index = [...editor.points.children].indexOf(marker);
    return index < editor.hints.length ? index : DRAFT;
  };
  let from = null; // where the pointer went down
  marker.addEventListener('focus', () => { if (editor.selected !== number()) editor.select(number()); });
  marker.addEventListener('pointerdown', (event) => {
    if (event.button) return;
    marker.setPointerCapture(event.pointerId);
    from = [event.clientX, event.clientY];
    marker.focus(); // which some browsers leave out
  });
  marker.addEventListener('pointermove', (event) => {
    if (!from || (!marker.classList.contains('moving') && Math.hypot(event.clientX - from[0], event.clientY - from[1]) < DRAGGED)) return;
    marker.classList.add('moving');
    editor.move(number(), places.under(event, editor.surface));
  });
  const drop = () => {
    from = null;
    if (!marker.classList.contains('moving')) return;
    marker.classList.remove('moving');
    editor.history.settle();
    editor.suggest();
  };
  marker.addEventListener('pointerup', drop);
  marker.addEventListener('pointercancel', drop);
  marker.addEventListener('keydown', (event) => {
    const arrow = places.arrow(event);
    const sibling = { PageDown: marker.nextElementSibling, PageUp: marker.previousElementSibling }[event.key];
    if (arrow) {
      const [across, down] = places.shares(editor.place());
      editor.move(number(), places.within(across + arrow[0], down + arrow[1]));
      editor.say(places.where(editor.place()));
      editor.suggest(PAUSE);
    } else if (event.key === 'Delete' || event.key === 'Backspace') editor.remove();
    else if (sibling) sibling.focus();
    else return;
    event.preventDefault();
  });
  return marker;
}
