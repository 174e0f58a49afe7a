// A small copy of a photograph, made here: what one tries with it is seen within a second.

import { colorize, likelyColors } from './backend.js';
import { patiently } from './busy.js';
import { Picture } from './picture.js';

const QUALITY = 0.92;

/** Whether this browser can show a picture, and so make a small copy of it. */
export const canPreview = (picture) => Boolean(picture.result) || !picture.noPreview;

/** A small copy; `width` and `height` are the photograph's own, in pixels. */
export class Preview {
  constructor(file, width, height, scale) {
    Object.assign(this, { file, width, height, scale });
  }

  /** Resolves to a copy of a picture whose longer side is `longest` pixels at most; rejects where the browser can't. */
  static async of(picture, longest) {
    const image = new Image();
    image.src = picture.noPreview ? picture.after.src : picture.source; // the result's lightness is the photograph's
    await image.decode();
    const { naturalWidth: width, naturalHeight: height } = image;
    const scale = Math.min(1, longest / Math.max(width, height));
    const size = { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
    const canvas = Object.assign(document.createElement('canvas'), size);
    const context = canvas.getContext('2d');
    context.imageSmoothingQuality = 'high';
    context.drawImage(image, 0, 0, size.width, size.height);
    const blob = await new Promise((resolve) => { canvas.toBlob(resolve, 'image/jpeg', QUALITY); });
    if (!blob) throw new Error('no canvas of this size');
    return new Preview(new File([blob], 'preview.jpg', { type: blob.type }), width, height, scale);
  }

  /** Resolves to the address of the copy in colour, which the browser has decoded; the caller revokes it. */
  async colorize(options, hints, signal) {
    const fields = { ...options, model: Picture.choice, hints: hints.map((hint) => this.#scaled(hint)) };
    const { blob } = await patiently(() => colorize(this.file, fields, { signal }), signal);
    const address = URL.createObjectURL(blob);
    const image = new Image();
    image.src = address;
    await image.decode();
    if (signal.aborted) URL.revokeObjectURL(address);
    return address;
  }

  /** Resolves to the colours that the model thinks likely at a place of the photograph. */
  likelyColors(x, y, hints, signal) {
    const [left, top] = this.#scaled([x, y]);
    const given = hints.map((hint) => this.#scaled(hint));
    return patiently(() => likelyColors(this.file, left, top, given, { model: Picture.choice, signal }), signal);
  }

  /** A place of the photograph in pixels of the copy; what is right of a whole pixel stays within the copy's last. */
  #scaled([x, y, ...color]) {
    const within = (place, whole) => Math.min(place * this.scale, Math.max(1, Math.round(whole * this.scale)) - 0.01);
    return [within(x, this.width), within(y, this.height), ...color];
  }
}
