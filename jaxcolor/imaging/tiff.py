"""Writes TIFF, 8 or 16 bits deep: Pillow has no 16-bit colour, and drops a camera's notes where it compresses."""

import io
import itertools
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import UInt8, UInt16
from PIL import TiffImagePlugin as Tiff

from jaxcolor.imaging import bands, png
from jaxcolor.imaging.captions import NONE, Captions
from jaxcolor.imaging.errors import PhotoError

_STRIP = 1 << 20  # bytes compressed together
_LEVEL = 4  # see png.py
_LARGEST = 2**32 - 1  # bytes
_ADOBE_DEFLATE, _RGB, _CONTIGUOUS, _INCH, _DIFFERENCES, _UNASSOCIATED = 8, 2, 1, 2, 2, 2


class Writer:
    """Writes a TIFF (revision 6.0, with Adobe's Deflate), page by page."""

    def __init__(self, file: io.BufferedIOBase):
        """Begin a file that is empty."""
        self._file = file
        file.write(struct.pack('<2sHL', b'II', 42, 0))
        self._link = 4  # where the place of the next directory is written

    def add(
        self,
        rgb: UInt8[np.ndarray, 'h w 3'] | UInt16[np.ndarray, 'h w 3'],
        alpha: UInt8[np.ndarray, 'h w'] | None = None,
        *,
        icc_profile: bytes,
        tags: Mapping[int, Any],
        captions: Captions = NONE,
        dpi: tuple[float, float] | None = None,
    ) -> None:
        """Write a picture, as deep as its pixels.

        Args:
          rgb: the picture.
          alpha: opacity, 255 where nothing shines through.
          icc_profile: what the colours mean.
          tags: what the file says beside, as Pillow reads it.
          captions: XMP and IPTC.
          dpi: pixels per inch across and down.

        Raises:
          PhotoError: the file would be larger than a TIFF can be.
        """
        directory, strips = _page(rgb, alpha)
        for tag, value in tags.items():
            directory.setdefault(tag, value)
        directory[Tiff.ICCPROFILE] = icc_profile
        if dpi:
            directory[Tiff.X_RESOLUTION], directory[Tiff.Y_RESOLUTION] = dpi
            directory[Tiff.RESOLUTION_UNIT] = _INCH
        captions.add_to_tiff(directory)
        place = self._file.seek(0, io.SEEK_END)
        place += self._file.write(b'\0' * (place % 2))
        content = directory.tobytes(place)
        if place + len(content) + sum(map(len, strips)) > _LARGEST:
            raise PhotoError('a TIFF holds at most 4 GiB; choose another --format')
        self._file.writelines((content, *strips))
        self._file.seek(self._link)
        self._file.write(struct.pack('<L', place))
        (entries,) = struct.unpack_from('<H', content)
        self._link = place + 2 + 12 * entries


def _page(
    rgb: UInt8[np.ndarray, 'h w 3'] | UInt16[np.ndarray, 'h w 3'], alpha: UInt8[np.ndarray, 'h w'] | None
) -> tuple[Tiff.ImageFileDirectory_v2, list[bytes]]:
    """Return what says how the pixels of a page are stored, and the pixels, compressed."""
    height, width = rgb.shape[:2]
    channels = 3 if alpha is None else 4
    rows = max(1, _STRIP // (width * channels * rgb.itemsize))

    def compress(top: int, bottom: int) -> bytes:
        strip = png.with_alpha(rgb[top:bottom], None if alpha is None else alpha[top:bottom])
        differences = strip.astype(strip.dtype.newbyteorder('<'))
        differences[:, 1:] -= strip[:, :-1]
        return zlib.compress(differences.data, _LEVEL)

    strips = bands.each(compress, height, rows)
    lengths = [len(strip) for strip in strips]
    directory = Tiff.ImageFileDirectory_v2()
    directory[Tiff.IMAGEWIDTH], directory[Tiff.IMAGELENGTH] = width, height
    directory[Tiff.BITSPERSAMPLE] = (8 * rgb.itemsize,) * channels
    directory[Tiff.SAMPLESPERPIXEL], directory[Tiff.PLANAR_CONFIGURATION] = channels, _CONTIGUOUS
    directory[Tiff.PHOTOMETRIC_INTERPRETATION] = _RGB
    directory[Tiff.COMPRESSION], directory[Tiff.PREDICTOR] = _ADOBE_DEFLATE, _DIFFERENCES
    directory[Tiff.ROWSPERSTRIP], directory[Tiff.STRIPBYTECOUNTS] = rows, tuple(lengths)
    # Pillow adds the place where the directory ends.
    directory[Tiff.STRIPOFFSETS] = tuple(itertools.accumulate(lengths[:-1], initial=0))
    if alpha is not None:
        directory[Tiff.EXTRASAMPLES] = _UNASSOCIATED
    return directory, strips
