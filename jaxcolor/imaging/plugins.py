"""From the first bytes of a file to Pillow's plug-in for it, and to its size where that asks for memory first."""

import re
import struct

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    ImageFile,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TgaImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
    features,
)

from jaxcolor.imaging.errors import PhotoError, UnsupportedFormatError

_HEIC_BRANDS = (b'heic', b'heix', b'heim', b'heis', b'hevc', b'hevx', b'hevm', b'hevs', b'mif1', b'msf1')
_JPEG_2000 = (b'\0\0\0\x0cjP  \r\n\x87\n', b'\xff\x4f\xff\x51')
_JPEG_XL, _JPEG_XL_BOXES = b'\xff\x0a', b'\0\0\0\x0cJXL \r\n\x87\n'
_PNM = re.compile(rb'P[1-6]\s')
# TGA has no mark of its own: is there a palette, of which kind are the pixels, how many bits has a pixel.
_TGA = re.compile(rb'.[\0\1][\1-\3\x09-\x0b].{13}[\1\x08\x0f\x10\x18\x20]', re.DOTALL)
# ISO/IEC 18181-1, D.2: bits of a length; the width is the height times one of these.
_JXL_BITS = (9, 13, 18, 30)
_JXL_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


def find(head: bytes) -> type[ImageFile.ImageFile]:
    """Return the plug-in for a file whose first 64 bytes are `head`.

    Raises:
      UnsupportedFormatError: there is none, or it is in a package that is not installed.
    """
    for plugin, begins in {
        JpegImagePlugin.JpegImageFile: head.startswith(b'\xff\xd8\xff'),
        PngImagePlugin.PngImageFile: head.startswith(b'\x89PNG\r\n\x1a\n'),
        TiffImagePlugin.TiffImageFile: head.startswith((b'II*\0', b'MM\0*', b'II+\0', b'MM\0+')),
        WebPImagePlugin.WebPImageFile: head.startswith(b'RIFF') and head[8:12] == b'WEBP',
        BmpImagePlugin.BmpImageFile: head.startswith(b'BM'),
        GifImagePlugin.GifImageFile: head.startswith((b'GIF87a', b'GIF89a')),
        Jpeg2KImagePlugin.Jpeg2KImageFile: head.startswith(_JPEG_2000),
        PpmImagePlugin.PpmImageFile: bool(_PNM.match(head)),
    }.items():
        if begins:
            return plugin
    if head[4:8] == b'ftyp' and head[8:12] in (b'avif', b'avis'):
        if not features.check('avif'):
            raise UnsupportedFormatError('AVIF pictures take a Pillow that has it; its own wheels do')
        return AvifImagePlugin.AvifImageFile
    if head[4:8] == b'ftyp' and head[8:12] in _HEIC_BRANDS:
        return _heic()
    if head.startswith((_JPEG_XL, _JPEG_XL_BOXES)):
        return _jpeg_xl()
    if _TGA.match(head) and all(struct.unpack_from('<HH', head, 12)):
        return TgaImagePlugin.TgaImageFile
    raise UnsupportedFormatError(
        'not a JPEG, PNG, TIFF, WebP, BMP, GIF, HEIC, AVIF, JPEG 2000, JPEG XL, PPM or TGA picture'
    )


def _heic() -> type[ImageFile.ImageFile]:
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        raise UnsupportedFormatError('HEIC pictures take one more package: pip install pillow-heif') from None
    return HeifImageFile


def _jpeg_xl() -> type[ImageFile.ImageFile]:
    try:
        from pillow_jxl.JpegXLImagePlugin import JXLImageFile
    except ImportError:
        raise UnsupportedFormatError('JPEG XL pictures take more packages: pip install "jaxcolor[formats]"') from None
    return JXLImageFile


def size_before(head: bytes, content: bytes) -> tuple[int, int] | None:
    """Return the width and height of a picture whose plug-in begins with memory for all of it; None for others.

    Args:
      head: the first 64 bytes of the file.
      content: its beginning, 64 KiB if there are as many.

    Raises:
      PhotoError: there is no size where one has to be.
    """
    if head.startswith(b'RIFF'):
        return _webp_size(head)
    if head.startswith(_JPEG_XL):
        return _jxl_size(head)
    if head.startswith(_JPEG_XL_BOXES):
        place = content.find(_JPEG_XL, len(_JPEG_XL_BOXES))
        if place < 0 or (content[place - 4 : place] != b'jxlc' and content[place - 8 : place - 4] != b'jxlp'):
            raise PhotoError('damaged: a JPEG XL without a picture at its beginning')
        return _jxl_size(content[place:])
    return None


def _webp_size(head: bytes) -> tuple[int, int]:
    """Return the size of the canvas (RFC 9649, sections 2.5 to 2.7); (0, 0) for what isn't any of the three kinds."""
    kind, header = head[12:16], head[20:].ljust(10, b'\0')
    if kind == b'VP8X':
        return int.from_bytes(header[4:7], 'little') + 1, int.from_bytes(header[7:10], 'little') + 1
    if kind == b'VP8L':
        bits = int.from_bytes(header[1:5], 'little')
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b'VP8 ':
        width, height = struct.unpack_from('<HH', header, 6)
        return width & 0x3FFF, height & 0x3FFF
    return 0, 0


def _jxl_size(codestream: bytes) -> tuple[int, int]:
    """Return the size in the header of a JPEG XL (ISO/IEC 18181-1, D.2)."""
    bits, place = int.from_bytes(codestream[2:18], 'little'), 0

    def read(count: int) -> int:
        nonlocal place
        place += count
        return bits >> (place - count) & ((1 << count) - 1)

    small = read(1)

    def length() -> int:
        return 8 * (1 + read(5)) if small else 1 + read(_JXL_BITS[read(2)])

    height, ratio = length(), read(3)
    if not ratio:
        return length(), height
    above, below = _JXL_RATIOS[ratio - 1]
    return height * above // below, height
