"""Kinds of TIFF that Pillow does not decode, or decodes wrongly: by tifffile and imagecodecs, if installed."""

import io
import logging
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8, UInt16
from PIL import Image

from jaxcolor.imaging import arrays
from jaxcolor.imaging.errors import PhotoError

logging.getLogger('tifffile').setLevel(logging.CRITICAL)  # it logs what it raises

_WHITE_IS_ZERO, BLACK_IS_ZERO, _RGB, _CMYK, _LAB = 0, 1, 2, 5, 8
_CHANNELS = {_WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, _RGB: 3, _CMYK: 4, _LAB: 3}
_ASSOCIATED, _UNASSOCIATED = 1, 2  # extra samples: alpha


def is_installed() -> bool:
    """Return whether the extra `formats` is there."""
    try:
        import imagecodecs
        import tifffile
    except ImportError:
        return False
    return imagecodecs is not None and tifffile is not None


def is_decoded(photometric: int, bits: int, sample_format: int, channels: int) -> bool:
    """Return whether `decode` takes a kind: unsigned numbers of up to 16 bits, grey, RGB, CMYK or Lab, maybe alpha."""
    colors = _CHANNELS.get(photometric, channels + 1)
    return sample_format == 1 and bits <= 16 and colors <= channels <= colors + 1


def decode(file: io.BufferedReader, offset: int, size: tuple[int, int]) -> Image.Image:
    """Decode the page of a TIFF.

    Args:
      file: the whole of it.
      offset: where the page's directory is.
      size: the page's width and height, as another reader found them.

    Returns:
      A picture of mode L, I;16, La, LA, RGB, RGBa, RGBA, CMYK or LAB; 16 bits stay that in grey, black is zero.

    Raises:
      PhotoError: it is not what its directory said.
      Exception: whatever tifffile and imagecodecs raise on a broken file.
    """
    import tifffile

    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        tiff.filehandle.seek(offset)
        page = tifffile.TiffPage(tiff, index=0)
        if (page.imagewidth, page.imagelength, page.imagedepth) != (*size, 1):
            raise PhotoError('damaged: its size is not that of its directory')
        stored = page.asarray(maxworkers=1)
        axes, bits, extra = page.axes, int(page.bitspersample), tuple(page.extrasamples)
        photometric = int(page.photometric)
    if 'S' in axes:
        stored = np.moveaxis(stored, axes.index('S'), -1)
    samples = _scaled(stored.reshape(size[1], size[0], -1), bits)
    colors = samples[..., : _CHANNELS[photometric]]
    if photometric == _WHITE_IS_ZERO:
        colors = ~colors
    alpha = samples[..., colors.shape[2] :] if extra and extra[0] in (_ASSOCIATED, _UNASSOCIATED) else None
    return _to_pillow(colors, alpha, photometric, associated=extra[:1] == (_ASSOCIATED,))


def _scaled(
    samples: Shaped[np.ndarray, 'h w c'], bits: int
) -> UInt8[np.ndarray, 'h w c'] | UInt16[np.ndarray, 'h w c']:
    """Return numbers of `bits` as full bytes or 16 bits."""
    if samples.dtype not in (np.uint8, np.uint16, np.bool_):
        raise PhotoError(f'damaged: pixels of {samples.dtype} where its directory has {bits} bits')
    deep = bits > 8
    most = 65535 if deep else 255
    if bits in (8, 16):
        return np.ascontiguousarray(samples, samples.dtype.newbyteorder('='))
    table = (np.arange(1 << bits) * most / ((1 << bits) - 1)).round().astype(np.uint16 if deep else np.uint8)
    return table[samples.astype(np.uint16)]


def _to_pillow(colors: Any, alpha: Any, photometric: int, *, associated: bool) -> Image.Image:
    if photometric == _LAB:
        return _lab(colors)
    if photometric == _CMYK:
        if alpha is not None and not (alpha == np.iinfo(alpha.dtype).max).all():
            raise PhotoError('CMYK with transparency is not supported; save it as RGB')
        return Image.fromarray(arrays.eight_bits(colors), 'CMYK')
    if alpha is None:
        if colors.shape[2] == 1:
            return Image.fromarray(colors[..., 0])
        return Image.fromarray(arrays.eight_bits(colors))
    mode = ('L' if colors.shape[2] == 1 else 'RGB') + ('a' if associated else 'A')
    return Image.fromarray(arrays.eight_bits(np.concatenate([colors, alpha], axis=-1)), mode)


def _lab(colors: Any) -> Image.Image:
    """TIFF 6.0, section 23, and its 16-bit form in Adobe's technical note: a* and b* are signed, by 256."""
    if colors.dtype == np.uint8:
        lightness, chroma = colors[..., :1], colors[..., 1:].view(np.int8).astype(int)
    else:
        lightness = arrays.eight_bits(colors[..., :1])
        chroma = np.round(colors[..., 1:].view(np.int16) / 256).astype(int).clip(-128, 127)
    bands = [lightness, (chroma + 128).astype(np.uint8)]
    return Image.merge('LAB', [Image.fromarray(band) for band in np.moveaxis(np.concatenate(bands, axis=-1), -1, 0)])
