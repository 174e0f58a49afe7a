"""Pictures scaled and cut to the squares that networks take."""

import math

import numpy as np
from jaxtyping import UInt8
from PIL import Image


def fit(
    image: Image.Image,
    size: int,
    u: float = 0.5,
    v: float = 0.5,
    *,
    side: int | None = None,
    squash: bool = False,
    degrees: float = 0.0,
) -> UInt8[np.ndarray, 'size size 3']:
    """Scales a picture's shorter side (antialiased bicubic) to `side` and cuts a square of `size` out of it.

    Only the pixels that the square needs are touched. A picture of `size` x `size` passes through untouched.

    Args:
      image: mode 'RGB', any size.
      size: side of the result, in pixels.
      u: where the square is taken along the width: 0 left, just under 1 right.
      v: the same along the height, 0 being the top.
      side: the shorter side, in pixels, `size` or more; `size` if left out.
      squash: scale both sides to `side`, whatever the proportions.
      degrees: by which the scaled picture is turned about the square's middle, counter-clockwise. Corners show what
        the picture has there; beyond its edges it is mirrored, so none is black.
    """
    side = side or size
    if image.size == (size, size) and side == size and not degrees:
        return np.asarray(image)
    width, height = image.size
    wide, high = (side if squash else round(length * side / min(width, height)) for length in image.size)
    left, top = _corner(wide, high, size, u, v)
    margin = _margin(size, degrees)
    x, y = max(0, left - margin), max(0, top - margin)
    right, bottom = min(wide, left + size + margin), min(high, top + size + margin)
    # The edges in the picture as it is, by fractions of a pixel.
    window = (x * width / wide, y * height / high, right * width / wide, bottom * height / high)
    scaled = np.asarray(image.resize((right - x, bottom - y), Image.Resampling.BICUBIC, box=window, reducing_gap=3.0))
    if not degrees:
        return scaled
    rows = (y - top + margin, top + size + margin - bottom)
    columns = (x - left + margin, left + size + margin - right)
    around = Image.fromarray(np.pad(scaled, (rows, columns, (0, 0)), 'symmetric'))
    turned = np.asarray(around.rotate(degrees, Image.Resampling.BICUBIC))
    return turned[margin : margin + size, margin : margin + size]


def _margin(size: int, degrees: float) -> int:
    """Return how far a turned square reaches beyond itself, and bicubic sampling beyond that, in pixels."""
    if not degrees:
        return 0
    angle = math.radians(degrees)
    return max(0, math.ceil(size * (abs(math.cos(angle)) + abs(math.sin(angle)) - 1) / 2)) + 2


def crop(pixels: UInt8[np.ndarray, 'h w 3'], size: int, u: float, v: float) -> UInt8[np.ndarray, 'size size 3']:
    """Cuts the square that `fit` cuts, out of a picture that is already scaled; a view."""
    left, top = _corner(pixels.shape[1], pixels.shape[0], size, u, v)
    return pixels[top : top + size, left : left + size]


def _corner(width: int, height: int, size: int, u: float, v: float) -> tuple[int, int]:
    return int(u * (width - size + 1)), int(v * (height - size + 1))
