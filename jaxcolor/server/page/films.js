// One film: its card, from the first frame to the result, with how far it is and the time that is left.

import { colorizeFilm } from './backend.js';
import { patiently } from './busy.js';
import { Card, megabytes, turns } from './card.js';
import { Picture } from './picture.js';

const inTurn = turns(1); // so that one who has many does not hold all of the server's places
const SUFFIX = /\.(mp4|m4v|mov|mkv|webm|avi|mpe?g|m?ts|m2ts|vob|wmv|asf|flv|ogv|3gp|mxf|dv|nut)$/i;

export const isFilm = ({ name = '', type }) => type.startsWith('video/') || SUFFIX.test(name);

/** Seconds as people say them. */
export function duration(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.round(seconds % 3600 / 60)} min`;
}

/** One film; see `Card`. */
export class Film extends Card {
  constructor(file) {
    super(file, file.name || 'pasted film', 'film', ['video', 'placeholder']);
    this.video.setAttribute('aria-label', this.name);
    this.video.addEventListener('loadedmetadata', () => this.withPreview());
    this.video.addEventListener('error', () => this.withoutPreview());
    this.progress.setAttribute('aria-label', `Progress of ${this.name}`);
    this.video.src = this.source;
    document.getElementById('pictures').append(this.card);
    this.enter('chosen', megabytes(file.size));
    const { films } = Picture.model.limits;
    if (films === null) this.refuse('Films are not coloured here.');
    else if (file.size > films?.bytes) {
      this.refuse(`This film is too large: it has ${megabytes(file.size)}, the server takes ${megabytes(films.bytes)}.`);
    }
  }

  withPreview() {
    const { videoWidth: width, videoHeight: height, duration: seconds } = this.video;
    if (!width) {
      this.withoutPreview(); // the sound alone
      return;
    }
    this.video.hidden = false;
    this.placeholder.hidden = true;
    this.card.style.setProperty('--ratio', Math.min(4, Math.max(0.4, width / height)));
    this.card.style.setProperty('--natural', `${width}px`);
    const most = Picture.model.limits.films?.seconds;
    if (this.state === 'chosen' && Number.isFinite(seconds) && seconds > most) {
      this.refuse(`This film is too long: it has ${duration(seconds)}, the server takes ${duration(most)}.`);
    }
  }

  withoutPreview() {
    this.video.hidden = true;
    this.placeholder.hidden = false;
  }

  advance(share, words) {
    super.advance(share, words);
    if (share === null) this.progress.removeAttribute('aria-valuenow');
    else this.progress.setAttribute('aria-valuenow', Math.round(100 * share));
    this.progress.setAttribute('aria-valuetext', words);
  }

  /** Colours it in its turn. */
  colour() {
    return this.work(inTurn, (signal) => {
      const uploading = (share) => { if (!signal.aborted) this.advance(share, `Uploading, ${Math.round(100 * share)} %`); };
      const watch = (state) => { if (!signal.aborted) this.watch(state); };
      const send = () => colorizeFilm(this.file, this.options, { signal, progress: uploading, watch });
      const waiting = (seconds) => this.advance(null, `The server has other films; asking again in ${seconds} s`);
      return patiently(send, signal, waiting, Infinity);
    });
  }

  /** Shows what the server says of it. */
  watch({ state, before, progress, frames, seconds_left: left }) {
    if (state === 'waiting') this.advance(null, before ? `Waiting for ${before} ${before === 1 ? 'film' : 'films'} before it` : 'Waiting');
    else if (state === 'done') this.advance(1, 'Downloading…');
    else if (!frames) this.advance(null, 'Beginning');
    else if (progress === null) this.advance(null, `Colouring, ${frames} frames so far`);
    else {
      const time = left === null ? '' : `, about ${duration(left)} left`;
      this.advance(progress, `Colouring, ${Math.round(100 * progress)} %${time}`);
    }
  }

  /** Shows a result, as far as the browser can. */
  async show(result) {
    const address = URL.createObjectURL(result.blob);
    const seen = new Promise((resolve) => {
      for (const event of ['loadedmetadata', 'error']) this.video.addEventListener(event, resolve, { once: true });
    });
    this.video.src = address;
    this.video.controls = true;
    await seen;
    if (this.result) URL.revokeObjectURL(this.download.href);
    this.result = result;
    this.offer(address, result.name);
    this.enter('done', this.description());
  }

  description() {
    const { videoWidth, videoHeight, duration: seconds } = this.video;
    const size = videoWidth ? `, ${videoWidth} × ${videoHeight} pixels` : '';
    const time = Number.isFinite(seconds) ? `, ${duration(seconds)}` : '';
    return [`${this.madeBy}${size}${time}`, ...this.result.notes].join('. ');
  }
}
