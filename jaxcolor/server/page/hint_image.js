// The photograph in the editor of colour hints, as it looks by the points.

/** Shows a picture's `preview` in colour, once it has been asked to. */
export class Coloured {
  constructor({ dialog, picture, preview, fail }) {
    Object.assign(this, { picture, preview, fail });
    this.image = dialog.querySelector('.hints-image');
    this.progress = dialog.querySelector('.progress');
    this.image.src = picture.result ? picture.after.src : picture.source;
    this.image.classList.toggle('grey', !picture.result);
  }

  /** Colours the preview by the points as they are now; what was under way is overtaken. */
  async render(hints, pause = 0) {
    this.rendering?.abort();
    const { signal } = this.rendering = new AbortController();
    await new Promise((resolve) => { setTimeout(resolve, pause); });
    if (signal.aborted) return;
    this.progress.hidden = false;
    try {
      const address = await this.preview.colorize(this.picture.options, hints, signal);
      if (signal.aborted) return;
      this.image.src = address;
      this.image.classList.remove('grey');
      if (this.address) URL.revokeObjectURL(this.address);
      this.address = address;
    } catch (error) {
      if (!signal.aborted) this.fail(error);
    } finally {
      if (!signal.aborted) this.progress.hidden = true;
    }
  }

  /** Ends what is under way, and gives up the result. */
  leave() {
    this.rendering?.abort();
    if (this.address) URL.revokeObjectURL(this.address);
  }
}
