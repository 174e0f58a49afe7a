"""One encoded picture -> RGB pixels: every kind of file Pillow reads, whatever a folder may hold."""

import io

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageOps


class UnreadableError(Exception):
    """A picture that cannot be decoded; the message says why."""


def load(encoded: bytes, at_least: int) -> Image.Image:
    """Decodes a picture.

    The result is upright (EXIF orientation is applied). Transparent pictures are laid on white: their hidden
    colours are arbitrary, and white is the paper that a print or a cut-out is seen on. 16-bit grey is scaled
    to 8 bits, not clipped. Of an animation it is the first frame.

    Args:
      encoded: the bytes of the file.
      at_least: the shorter side that is wanted, in pixels. A large JPEG is decoded at 1/2, 1/4 or 1/8 of its
        size while that leaves no side shorter than this.

    Returns:
      A picture of mode 'RGB'.

    Raises:
      UnreadableError: whatever is the matter with the bytes, decompression bombs included.
    """
    try:
        image = Image.open(io.BytesIO(encoded))
        image.draft('RGB', (at_least, at_least))
        ImageOps.exif_transpose(image, in_place=True)
        return _to_rgb(image)
    except Exception as error:  # Pillow's plug-ins raise nearly everything on hostile bytes
        reason = str(error).splitlines()[0] if str(error) else ''
        if isinstance(error, Image.UnidentifiedImageError):
            reason = 'not a picture' if encoded else 'the file is empty'
        raise UnreadableError(reason or type(error).__name__) from error


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == 'RGB' and 'transparency' not in image.info:
        return image
    if image.mode == 'F':
        raise ValueError('floating-point pixels have no agreed white')
    if image.mode == 'I' or image.mode.startswith('I;16'):
        sixteen_bits = np.asarray(image).astype(np.int64).clip(0, 65535)
        return Image.fromarray(((sixteen_bits + 128) // 257).astype(np.uint8)).convert('RGB')
    if image.has_transparency_data:
        image = image.convert('RGBA')
        image = Image.alpha_composite(Image.new('RGBA', image.size, 'white'), image)
    return image.convert('RGB')


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


def colorfulness(rgb: UInt8[np.ndarray, '*b h w 3']) -> Float[np.ndarray, '*b']:
    """Colourfulness of pictures in 0-255: 0 for grey, 15 slightly, 45 averagely, 110 extremely colourful.

    Hasler & Süsstrunk, "Measuring colourfulness in natural images", 2003, equation for M3.
    """
    red, green, blue = np.moveaxis(rgb.astype(np.float32), -1, 0)
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    over = (-2, -1)
    spread = np.hypot(red_green.std(over), yellow_blue.std(over))
    return spread + 0.3 * np.hypot(red_green.mean(over), yellow_blue.mean(over))
