// The editor of colour hints, before a script has anything to do with it.

export const MARKUP = `
  <div class="hints-head">
    <h2 id="hints-title">Correct colours</h2>
    <p class="name"></p>
  </div>
  <div class="hints-picture">
    <div class="hints-sheet">
      <img class="hints-image" alt="">
      <div class="hints-surface" tabindex="0" role="application" aria-describedby="hints-help"><span class="hints-cross"></span></div>
      <div class="hints-points" role="group" aria-label="Points"></div>
      <div class="progress endless" hidden><div class="bar"></div></div>
    </div>
  </div>
  <div class="hints-side">
    <p id="hints-help" class="hints-help">Choose a place whose colour is wrong: click it, or go there by the arrow keys and
      press Enter. Then choose its colour.</p>
    <p id="hints-keys" hidden>Arrow keys move it, Page Up and Page Down go to others, Delete removes it.</p>
    <fieldset class="hints-colors" tabindex="-1" hidden>
      <legend></legend>
      <p class="hints-note">Likely here</p>
      <div class="hints-swatches"></div>
      <div class="hints-more">
        <label class="hints-picker"><input type="color" value="#808080" aria-label="Another colour"> Another</label>
        <button type="button" class="hints-delete quiet" aria-label="Remove point">Remove</button>
      </div>
    </fieldset>
  </div>
  <p class="hints-status" role="status"></p>
  <div class="hints-bar">
    <button type="button" class="hints-undo" aria-keyshortcuts="Control+Z">Undo</button>
    <button type="button" class="hints-redo" aria-keyshortcuts="Control+Shift+Z">Redo</button>
    <button type="button" class="hints-save quiet">Save points</button>
    <label class="hints-load button quiet"><input type="file" accept=".json,application/json">Load points</label>
    <span class="hints-end">
      <button type="button" class="hints-cancel">Cancel</button>
      <button type="button" class="hints-done primary">Done</button>
    </span>
  </div>`;
