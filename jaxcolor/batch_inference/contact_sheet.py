"""Several colourings of a picture on one sheet, small and with their names."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from jaxcolor.imaging import arrays
from jaxcolor.imaging.arrays import Pixels

_SIDE = 480  # pixels, of the longer side of each at most
_COLUMNS = 3
_GUTTER, _LINE = 8, 28


def draw(names: Sequence[str], colorings: Sequence[Pixels]) -> UInt8[np.ndarray, 'tall wide 3']:
    """Return the sheet.

    Args:
      names: of the colourings.
      colorings: [h, w, 3], all of one size.
    """
    height, width = colorings[0].shape[:2]
    scale = min(1.0, _SIDE / max(height, width))
    height, width = max(1, round(scale * height)), max(1, round(scale * width))
    rows = -(-len(names) // _COLUMNS)
    columns = min(_COLUMNS, len(names))
    across, down = width + _GUTTER, height + _LINE + _GUTTER
    sheet = Image.new('RGB', (columns * across + _GUTTER, rows * down + _GUTTER), 'white')
    text, font = ImageDraw.Draw(sheet), ImageFont.load_default(18)
    for number, (name, coloring) in enumerate(zip(names, colorings, strict=True)):
        left, top = number % columns * across + _GUTTER, number // columns * down + _GUTTER
        sheet.paste(Image.fromarray(arrays.thumbnail(coloring, height, width)), (left, top))
        text.text((left, top + height + 4), name, '#333333', font)
    return np.asarray(sheet)
