"""The pictures that people are shown, each true and coloured, in files that differ in nothing but colour."""

import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from jaxcolor.color.colorfulness import colorfulness
from jaxcolor.errors import UserError
from jaxcolor.imaging import resize
from jaxcolor.imaging.photos import READABLE, PhotoError, read_rgb
from jaxcolor.imaging.walk import pictures_below
from jaxcolor.inference.colorizer import Colorizer

_LOG = logging.getLogger(__name__)

_BATCH = 16  # pictures coloured at a time
_LEAST = 16  # pixels; of smaller pictures nobody can say anything

Square = UInt8[np.ndarray, 's s 3']


class Pair(NamedTuple):
    """A picture in both forms: Windows bitmaps, which have a length that is given by their size, and no metadata."""

    true: bytes
    colored: bytes


class Pictures(NamedTuple):
    """What a folder has.

    Attributes:
      pairs: by the path below the folder.
      grey: how many were left out for being grey themselves.
    """

    pairs: dict[str, Pair]
    grey: int


def prepare(colorizer: Colorizer, folder: Path, size: int, count: int, min_colorfulness: float) -> Pictures:
    """Read and colour the pictures of a folder.

    Of each it is the centre square, scaled down to `size` pixels where it is larger: the model gets no more than its
    lightness.

    Args:
      colorizer: what colours them.
      folder: colour photographs, that the model has not seen.
      size: of a side, in pixels, at most.
      count: of pictures, at most, spread over the folder's.
      min_colorfulness: less colourful ones are left out (`colorfulness`): in grey ones nothing can be told apart.

    Raises:
      UserError: there is no such folder, or nothing in it to be shown.
    """
    if not folder.is_dir():
        raise UserError(f'--pictures={folder} is no folder; use one of colour photographs')
    paths = list(pictures_below(folder))
    if not paths:
        raise UserError(f'--pictures={folder} has no pictures; known suffixes: {", ".join(sorted(READABLE))}')
    squares: dict[str, Square] = {}
    grey = 0
    for path, square in _spread(paths, size, count):
        if colorfulness(square[None].astype(np.float32)) < min_colorfulness:
            grey += 1
            continue
        squares[path.relative_to(folder).as_posix()] = square
        if len(squares) == count:
            break
    if not squares:
        raise UserError(
            f'--pictures={folder} has nothing to show: of {len(paths)}, {grey} are grey '
            f'(--min-colorfulness={min_colorfulness:g}), the others can not be read or are tiny; use another folder'
        )
    names = list(squares)
    colored: list[Square] = []
    for start in range(0, len(names), _BATCH):
        colored += colorizer([squares[name] for name in names[start : start + _BATCH]])
    pairs = {name: Pair(_bitmap(squares[name]), _bitmap(one)) for name, one in zip(names, colored, strict=True)}
    return Pictures(pairs, grey)


def _spread(paths: list[Path], size: int, count: int) -> Iterator[tuple[Path, Square]]:
    """Yield squares: first of `count` pictures spread over the folder, then of others for what these lack."""
    first = np.unique(np.linspace(0, len(paths) - 1, min(count, len(paths))).round().astype(int)).tolist()
    for index in dict.fromkeys([*first, *range(len(paths))]):
        try:
            image = read_rgb(paths[index], size)
        except PhotoError as error:  # which names the file
            _LOG.warning('left out: %s', error)
            continue
        side = min(size, *image.size)
        if side >= _LEAST:
            yield paths[index], resize.fit(image, side)


def _bitmap(square: Square) -> bytes:
    file = io.BytesIO()
    Image.fromarray(square).save(file, 'BMP')
    return file.getvalue()
