// Points of colour, [[x, y, '#rrggbb'], …] in a photograph's pixels: what can be undone, and their file.

export const MOST = 1000; // that the server takes

/** Points, and what they were before. A list is never changed: each change is a new one. */
export class History {
  #past = [];
  #future = [];
  #kind;

  constructor(points) { this.points = points; }

  get canUndo() { return this.#past.length > 0; }

  get canRedo() { return this.#future.length > 0; }

  /** Takes other points. Changes of one kind that follow each other, of a drag say, are undone together. */
  change(points, kind) {
    if (!kind || kind !== this.#kind) this.#past.push(this.points);
    this.#kind = kind;
    this.#future = [];
    this.points = points;
  }

  /** Ends a row of changes of one kind. */
  settle() { this.#kind = undefined; }

  undo() { this.#step(this.#past, this.#future); }

  redo() { this.#step(this.#future, this.#past); }

  #step(from, to) {
    if (!from.length) return;
    to.push(this.points);
    this.points = from.pop();
    this.settle();
  }
}

/** The file of a photograph's points: a list for each by its name. */
export const toFile = (name, points) => new Blob([`${JSON.stringify({ [name]: points })}\n`], { type: 'application/json' });

/**
 * Reads such a file: `{ points, name }`, those of the photograph's name, or of the only one in the file.
 * Throws an Error whose message tells people what is wrong.
 */
export function fromFile(text, name, { width, height }) {
  let content;
  try {
    content = JSON.parse(text);
  } catch {
    throw new Error('This is no file of points: it is not JSON.');
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new Error('This is no file of points: it has no photographs by their names.');
  }
  const names = Object.keys(content);
  const found = Object.hasOwn(content, name) ? name : names.length === 1 ? names[0] : undefined;
  if (found === undefined) throw new Error(`This file has no points for ${name}.`);
  const points = content[found];
  if (!Array.isArray(points)) throw new Error(`The points of ${found} are no list.`);
  if (points.length > MOST) throw new Error(`These are ${points.length.toLocaleString('en')} points; ${MOST.toLocaleString('en')} can be taken.`);
  points.forEach((point, index) => {
    const [x, y, color] = Array.isArray(point) && point.length === 3 ? point : [];
    if (!Number.isFinite(x) || !Number.isFinite(y) || !/^#[0-9a-f]{6}$/i.test(color)) {
      throw new Error(`Point ${index + 1} is not of the form [x, y, "#rrggbb"].`);
    }
    if (x < 0 || y < 0 || x >= width || y >= height) {
      throw new Error(`Point ${index + 1} is outside this photograph of ${width} × ${height} pixels.`);
    }
  });
  return { points: points.map(([x, y, color]) => [x, y, color.toLowerCase()]), name: found };
}
