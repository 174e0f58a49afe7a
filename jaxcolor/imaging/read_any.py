"""A picture however a caller has it: a path, Pillow's image, or an array."""

import logging
import os
from typing import Any

import numpy as np
from PIL import Image

from jaxcolor.errors import UserError
from jaxcolor.imaging import arrays, photos
from jaxcolor.imaging.arrays import Picture

_LOG = logging.getLogger(__name__)


def read_any(image: Any) -> Picture:
    """Return the pixels of a path or of Pillow's image as `photos.read` has them, upright and in sRGB; or of an array.

    Raises:
      UserError: it is no picture, can't be read, or has no pixels.
    """
    if isinstance(image, str | os.PathLike):
        photo = photos.read(os.fspath(image), cut=True)
        if photo.lacking:
            _LOG.warning('%s: the file ends too early; the last %s are missing', image, photos.percent(photo.lacking))
        if photo.others:
            _LOG.warning('%s: the first picture alone is read; %s more in it are left out', image, photo.others)
        return _of_photo(photo)
    if isinstance(image, Image.Image):
        _check_size(*image.size)
        return _of_photo(photos.from_pillow(image))
    picture = arrays.from_array(np.asarray(image))
    _check_size(*picture.pixels.shape[1::-1])
    return picture


def _check_size(width: int, height: int) -> None:
    if not (width and height):
        raise UserError(f'a picture of {width} x {height} pixels has nothing to colour')


def _of_photo(photo: photos.Photo) -> Picture:
    alpha = None if photo.alpha is None else photo.alpha[..., None]
    if alpha is not None and photo.pixels.dtype == np.uint16:
        alpha = alpha.astype(np.uint16) * 257
    return Picture(photo.pixels, alpha, pillow=True)
