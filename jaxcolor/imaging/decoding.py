"""Decoded pictures of every mode -> arrays in sRGB, a band of rows at a time."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import UInt8, UInt16
from PIL import Image, TiffImagePlugin

from jaxcolor.imaging import icc
from jaxcolor.imaging.errors import PhotoError

_BAND = 1 << 20  # pixels converted at a time: beside the decoded picture and the result, nothing large is held


def arrays(
    image: Image.Image,
) -> tuple[UInt8[np.ndarray, 'h w c'] | UInt16[np.ndarray, 'h w 1'], UInt8[np.ndarray, 'h w'] | None]:
    """Return the pixels, sRGB, one channel for grey pictures and three for others, and their opacity if they have one.

    Raises:
      PhotoError: numbers whose white nobody knows.
    """
    if image.mode == 'F':
        raise PhotoError('floating-point pixels have no agreed white; save it with 16 bits')
    if image.mode.startswith('I'):
        return _deep(image)
    grey, transparent = _is_grey(image), image.has_transparency_data
    mode = 'RGBA' if transparent else 'CMYK' if image.mode == 'CMYK' else 'L' if grey else 'RGB'
    profile = None if image.mode == 'LAB' else image.info.get('icc_profile')
    curve = icc.grey_curve(profile) if grey else None
    transform = None if grey else icc.transform(profile, mode)
    pixels = np.empty((image.height, image.width, 1 if grey else 3), np.uint8)
    alpha = np.empty(pixels.shape[:2], np.uint8) if transparent else None
    for rows in bands(image.height, image.width):
        band = _rows(image, rows)
        band = band.convert('LA' if band.mode == 'La' else band.mode).convert(mode)  # Pillow has no way from La to RGBA
        if transform:
            band = transform.apply(band)
        elif mode == 'CMYK':
            band = band.convert('RGB')
        samples = np.asarray(band).reshape(-1, image.width, len(band.getbands()))
        values = samples[..., : pixels.shape[-1]]
        pixels[rows] = values if curve is None else curve[values]
        if alpha is not None:
            alpha[rows] = samples[..., 3]
    return pixels, alpha


def _deep(image: Image.Image) -> tuple[UInt16[np.ndarray, 'h w 1'], UInt8[np.ndarray, 'h w'] | None]:
    """Return the same for grey of more than 8 bits."""
    tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    inverted, bits = tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0, tags.get(TiffImagePlugin.BITSPERSAMPLE)
    clear = image.info.get('transparency')
    curve = icc.grey_curve(image.info.get('icc_profile'))
    levels = np.arange(256) * 257
    table = None if curve is None else np.interp(np.arange(65536), levels, levels[curve]).round().astype(np.uint16)
    pixels = np.empty((image.height, image.width, 1), np.uint16)
    alpha = None if clear is None else np.empty(pixels.shape[:2], np.uint8)
    for rows in bands(image.height, image.width):
        numbers = np.asarray(_rows(image, rows))
        if image.mode == 'I' and not 0 <= numbers.min() <= numbers.max() <= 65535:
            raise PhotoError('pixels below 0 or above 65,535 have no agreed white; save it with 16 bits, unsigned')
        if alpha is not None:
            alpha[rows] = np.where(numbers == clear, 0, 255)
        values: UInt16[np.ndarray, 'rows w'] = numbers.astype(np.uint16)
        if bits == (12,):
            values = values << 4 | values >> 8
        if inverted:
            values = ~values
        pixels[rows, :, 0] = values if table is None else table[values]
    return pixels, alpha


def _is_grey(image: Image.Image) -> bool:
    if image.mode in ('P', 'PA'):
        palette = np.reshape(np.array(image.getpalette('RGB')), (-1, 3))
        return bool((palette == palette[:, :1]).all())
    return image.mode in ('1', 'L', 'LA', 'La')


def bands(height: int, width: int) -> Iterator[slice]:
    """Slices of rows, of a megapixel each, that cover a picture."""
    rows = max(1, _BAND // width)
    return (slice(top, min(top + rows, height)) for top in range(0, height, rows))


def _rows(image: Image.Image, rows: slice) -> Image.Image:
    return image.crop((0, rows.start, image.width, rows.stop))
