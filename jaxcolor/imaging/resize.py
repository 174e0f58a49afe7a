"""Pictures scaled and cut to the squares that networks take."""

import numpy as np
from jaxtyping import UInt8
from PIL import Image


def fit(
    image: Image.Image, size: int, u: float = 0.5, v: float = 0.5, *, side: int | None = None
) -> UInt8[np.ndarray, 'size size 3']:
    """Scales a picture's shorter side (antialiased bicubic) to `side` and cuts a square of `size` out of it.

    Only the pixels that the square needs are touched. A picture of `size` x `size` passes through untouched.

    Args:
      image: mode 'RGB', any size.
      size: side of the result, in pixels.
      u: where the square is taken along the width: 0 left, just under 1 right.
      v: the same along the height, 0 being the top.
      side: the shorter side, in pixels, `size` or more; `size` if left out.
    """
    side = side or size
    if image.size == (size, size) and side == size:
        return np.asarray(image)
    width, height = image.size
    wide, high = (round(length * side / min(width, height)) for length in image.size)
    left, top = _corner(wide, high, size, u, v)
    # The square's edges in the picture as it is, by fractions of a pixel.
    window = (left * width / wide, top * height / high, (left + size) * width / wide, (top + size) * height / high)
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box=window, reducing_gap=3.0))


def crop(pixels: UInt8[np.ndarray, 'h w 3'], size: int, u: float, v: float) -> UInt8[np.ndarray, 'size size 3']:
    """Cuts the square that `fit` cuts, out of a picture that is already scaled; a view."""
    left, top = _corner(pixels.shape[1], pixels.shape[0], size, u, v)
    return pixels[top : top + size, left : left + size]


def _corner(width: int, height: int, size: int, u: float, v: float) -> tuple[int, int]:
    return int(u * (width - size + 1)), int(v * (height - size + 1))
