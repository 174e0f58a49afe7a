// Colour hints: the tool of a picture's card that opens their editor.

import { Editor } from './hint_editor.js';
import { Picture } from './picture.js';
import { canPreview, Preview } from './preview.js';

const LONGEST = 1024; // pixels of the preview, however large the screen

/** The longer side, in pixels, at which a picture of a ratio of width to height fills the editor: no more is coloured. */
function longest(ratio) {
  const width = Math.min(window.innerWidth, 0.75 * window.innerHeight * ratio);
  return Math.min(LONGEST, Math.ceil(Math.max(width, width / ratio) * window.devicePixelRatio));
}

/** Opens the editor on a picture; resolves once it is open. */
export async function editHints(picture) {
  const opener = document.activeElement;
  let preview;
  try {
    preview = await Preview.of(picture, longest(picture.ratio));
  } catch {
    picture.mention('This browser cannot show it');
    return;
  }
  if (picture.state !== 'gone') new Editor(picture, preview, opener);
}

Picture.tools.push({
  label: 'Correct colours',
  when: (picture) => Boolean(Picture.model.takes_hints) && picture.state !== 'failed' && canPreview(picture),
  act: editHints,
});
