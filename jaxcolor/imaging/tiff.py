"""Writes TIFF, 8 or 16 bits deep: Pillow has no 16-bit colour, and drops a camera's notes where it compresses."""

import itertools
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import UInt8, UInt16
from PIL import TiffImagePlugin as Tiff

from jaxcolor.imaging import png
from jaxcolor.imaging.captions import NONE, Captions

_STRIP = 1 << 20  # bytes compressed together
_LEVEL = 4  # see png.py
_ADOBE_DEFLATE, _RGB, _CONTIGUOUS, _INCH, _DIFFERENCES, _UNASSOCIATED = 8, 2, 1, 2, 2, 2


def encode(
    rgb: UInt8[np.ndarray, 'h w 3'] | UInt16[np.ndarray, 'h w 3'],
    alpha: UInt8[np.ndarray, 'h w'] | None = None,
    *,
    icc_profile: bytes,
    tags: Mapping[int, Any],
    captions: Captions = NONE,
    dpi: tuple[float, float] | None = None,
) -> bytes:
    """Encode a picture as TIFF (revision 6.0, with Adobe's Deflate), as deep as its pixels.

    Args:
      rgb: the picture.
      alpha: opacity, 255 where nothing shines through.
      icc_profile: what the colours mean.
      tags: what the file says beside, as Pillow reads it.
      captions: XMP and IPTC.
      dpi: pixels per inch across and down.
    """
    height, width = rgb.shape[:2]
    channels = 3 if alpha is None else 4
    rows = max(1, _STRIP // (width * channels * rgb.itemsize))
    strips = []
    for top in range(0, height, rows):
        strip = png.with_alpha(rgb[top : top + rows], None if alpha is None else alpha[top : top + rows])
        differences = strip.astype(strip.dtype.newbyteorder('<'))
        differences[:, 1:] -= strip[:, :-1]
        strips.append(zlib.compress(differences.data, _LEVEL))
    lengths = [len(strip) for strip in strips]
    directory = Tiff.ImageFileDirectory_v2()
    for tag, value in tags.items():
        directory[tag] = value
    directory[Tiff.IMAGEWIDTH], directory[Tiff.IMAGELENGTH] = width, height
    directory[Tiff.BITSPERSAMPLE] = (8 * rgb.itemsize,) * channels
    directory[Tiff.SAMPLESPERPIXEL], directory[Tiff.PLANAR_CONFIGURATION] = channels, _CONTIGUOUS
    directory[Tiff.PHOTOMETRIC_INTERPRETATION] = _RGB
    directory[Tiff.COMPRESSION], directory[Tiff.PREDICTOR] = _ADOBE_DEFLATE, _DIFFERENCES
    directory[Tiff.ROWSPERSTRIP], directory[Tiff.STRIPBYTECOUNTS] = rows, tuple(lengths)
    # Pillow adds the place where the directory ends.
    directory[Tiff.STRIPOFFSETS] = tuple(itertools.accumulate(lengths[:-1], initial=0))
    directory[Tiff.ICCPROFILE] = icc_profile
    if alpha is not None:
        directory[Tiff.EXTRASAMPLES] = _UNASSOCIATED
    if dpi:
        directory[Tiff.X_RESOLUTION], directory[Tiff.Y_RESOLUTION] = dpi
        directory[Tiff.RESOLUTION_UNIT] = _INCH
    captions.add_to_tiff(directory)
    header = struct.pack('<2sHL', b'II', 42, 8)
    return b''.join((header, directory.tobytes(len(header)), *strips))
