"""JPEG files that end too early, as an interrupted copy leaves them: what is there of the picture."""

import io
import re

import numpy as np
from PIL import Image, JpegImagePlugin

from jaxcolor.imaging.errors import PhotoError

_END = b'\xff\xd9'
# What libjpeg makes another picture of than of the end, which it takes for so many zeros.
_NOISE = b'\xfe' + np.random.default_rng(0).integers(1, 255, 4096, np.uint8).tobytes() + _END
_MOST = 20  # a twentieth of the rows may lack
_BAND = 256  # rows
_SCAN = re.compile(rb'\xff\xda\0[\x08\x0a\x0c\x0e]([\1-\4])(.{11})', re.DOTALL)  # its header, and what follows it


class _Ended(JpegImagePlugin.JpegImageFile):
    """One that goes on with `ending` where the file ends."""

    ending = b''

    def load_read(self, read_bytes: int) -> bytes:
        assert self.fp is not None
        content = self.fp.read(read_bytes)
        if not content:
            content, self.ending = self.ending, b''
        return content


def read(file: io.BufferedReader, *, most: int = _MOST) -> tuple[Image.Image, float]:
    """Decode a JPEG that ends too early.

    The rows that are there are those that do not depend on what follows the end: it is decoded with two endings.
    Of the others libjpeg makes grey.

    Args:
      file: one that `PIL` finds truncated.
      most: no more than the last 1 / `most` of its rows may lack, or the last row of its blocks in the lower half. Of a
        progressive file nothing may lack but the end of the last scan; if that only refines, any part of it.

    Returns:
      The decoded picture, and the share of its rows that lack something: 0 if it is nothing but the mark of the end.

    Raises:
      PhotoError: more is missing.
    """
    file.seek(-1, io.SEEK_END)
    noise = b'\0' + _NOISE if file.read(1) == b'\xff' else _NOISE  # which would be a marker otherwise
    image, other = (_decode(file, ending) for ending in (_END, noise))
    refines = False
    if image.info.get('progressive'):
        complete, refines = _scans(file, {layer[0] for layer in image.layer})
        if not complete:
            raise PhotoError('damaged: a progressive JPEG that ends too early; whole scans are missing')
    height = image.height
    lacking = height - _first_difference(image, other)
    blocks = 8 * max(layer[2] for layer in image.layer) + 1  # a row of pixels above may be mixed with them
    if not refines and lacking > max(height // most, min(blocks, height // 2)):
        raise PhotoError(f'damaged: the file ends too early; {lacking} of {height} rows are missing')
    return image, lacking / height


def _scans(file: io.BufferedReader, components: set[int]) -> tuple[bool, bool]:
    """Return whether all scans that a progressive JPEG needs are there or begun, and whether the last one refines.

    ITU-T T.81, B.2.3 and G.1.1: of each component, each coefficient has to come down to its last bit.
    """
    file.seek(0)
    content = file.read()
    place = 2
    while content[place + 1] != 0xDA:  # past the segments before, which may hold a smaller JPEG
        place += 2 + int.from_bytes(content[place + 2 : place + 4])
    left = {(component, coefficient) for component in components for coefficient in range(64)}
    refines = False
    for scan in _SCAN.finditer(content, place):
        count = scan[1][0]
        chosen, (first, last, bits) = scan[2][: 2 * count : 2], scan[2][2 * count : 2 * count + 3]
        refines = bits >> 4 > 0
        if not bits & 15:
            left -= {(component, coefficient) for component in chosen for coefficient in range(first, last + 1)}
    return not left, refines


def _decode(file: io.BufferedReader, ending: bytes) -> _Ended:
    file.seek(0)
    image = _Ended(file)
    image.ending = ending
    image.load()
    return image


def _first_difference(one: Image.Image, other: Image.Image) -> int:
    for top in range(0, one.height, _BAND):
        box = (0, top, one.width, min(top + _BAND, one.height))
        ours, theirs = (np.asarray(image.crop(box)) for image in (one, other))
        rows = np.flatnonzero((ours != theirs).reshape(len(ours), -1).any(axis=1))
        if len(rows):
            return top + int(rows[0])
    return one.height
