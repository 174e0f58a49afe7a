"""Pictures as arrays, and results of the same kind."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8, UInt16
from PIL import Image

from jaxcolor.errors import UserError

Pixels = UInt8[np.ndarray, 'h w c'] | UInt16[np.ndarray, 'h w c'] | Float[np.ndarray, 'h w c']

_BAND = 2**20  # numbers


class Picture(NamedTuple):
    """A picture to be coloured: grey or sRGB, [h, w, 1 | 3]; bytes, 16 bits, or float32 in [0, 1]."""

    pixels: Pixels
    alpha: np.ndarray | None = None  # [h, w, 1], of the same dtype
    pillow: bool = False

    def in_color(self, colored: Pixels) -> Any:
        """Return `colored` [h, w, 3] as what this picture was: with its alpha, and as Pillow's."""
        if self.alpha is not None:
            colored = np.concatenate([colored, self.alpha], axis=-1)
        if not self.pillow:
            return colored
        return Image.fromarray(eight_bits(colored))


def thumbnail(pixels: Pixels, height: int, width: int) -> UInt8[np.ndarray, 'height width 3']:
    """Scales a picture as training scales it: bytes, antialiased bicubic."""
    pixels = eight_bits(pixels)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return np.asarray(image.convert('RGB'))


def from_array(array: np.ndarray) -> Picture:
    """Take a picture [h, w], [h, w, 1], [h, w, 3] or, with alpha, [h, w, 4].

    Raises:
      UserError: another shape or dtype, or floats outside [0, 1].
    """
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise UserError(
            f'an array of shape {array.shape} is no picture; use [h, w], [h, w, 1], [h, w, 3] or, with alpha, [h, w, 4]'
        )
    if array.dtype == bool:
        array = array.astype(np.uint8) * 255
    elif np.issubdtype(array.dtype, np.floating):
        array = array.astype(np.float32)
        if array.size and not (array.min() >= 0 and array.max() <= 1):
            raise UserError(
                f'an array of floats from {array.min():g} to {array.max():g} is no picture; scale it to [0, 1]'
            )
    elif array.dtype not in (np.uint8, np.uint16):
        raise UserError(f'an array of {array.dtype} is no picture; use uint8, uint16, or floats in [0, 1]')
    return Picture(array[..., :3], array[..., 3:]) if array.shape[2] == 4 else Picture(array)


def eight_bits(pixels: Pixels) -> UInt8[np.ndarray, 'h w c']:
    """Bytes of any depth, rounded; a band of rows at a time, for sums of 16 bits take twice their room."""
    if pixels.dtype == np.uint8:
        return pixels
    result = np.empty(pixels.shape, np.uint8)
    rows = max(1, _BAND // (pixels.shape[1] * pixels.shape[2]))
    for top in range(0, len(pixels), rows):
        band = pixels[top : top + rows]
        result[top : top + rows] = (
            (band.astype(np.uint32) + 128) // 257 if pixels.dtype == np.uint16 else band * 255 + 0.5
        )
    return result
