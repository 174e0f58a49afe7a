"""EXIF as bytes, changed in place: what a camera noted in a form of its own points at itself by offsets."""

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from PIL import ExifTags, Image

_PREFIX = b'Exif\0\0'
_LARGEST = 1 << 20  # bytes; JPEG holds 64 KiB
_SHORT = 3  # the TIFF type of a 16-bit number
_DIRECTORIES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
# What a TIFF says of the photograph, rather than of how its own pixels are stored.
_OF_THE_PHOTOGRAPH = (
    ExifTags.Base.DocumentName,
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.HostComputer,
    ExifTags.Base.Copyright,
    *_DIRECTORIES,
)


def normalized(exif: bytes) -> bytes | None:
    """EXIF for a picture that was turned upright, coloured and converted to sRGB; the rest stays as it was.

    The orientation is set to normal and the colour space to sRGB; the thumbnail goes, for it shows the old picture.

    Args:
      exif: a TIFF header and its directories, after the letters 'Exif' or without them.

    Returns:
      The same without the letters; nothing where it cannot be made out.
    """
    while exif.startswith(_PREFIX):
        exif = exif.removeprefix(_PREFIX)
    endian = {b'II*\0': '<', b'MM\0*': '>'}.get(exif[:4])
    if endian is None or len(exif) > _LARGEST:
        return None
    data = bytearray(exif)
    try:
        start = _u32(data, endian, 4)
        end = start + 2
        for entry in _entries(data, endian, start):
            end = entry.at + 12
            if entry.tag == ExifTags.Base.Orientation:
                struct.pack_into(endian + 'HHLHH', data, entry.at, entry.tag, _SHORT, 1, 1, 0)
            elif entry.tag == ExifTags.IFD.Exif:
                for inner in _entries(data, endian, _u32(data, endian, entry.at + 8)):
                    if inner.tag == ExifTags.Base.ColorSpace:
                        struct.pack_into(endian + 'HHLHH', data, inner.at, inner.tag, _SHORT, 1, 1, 0)
        _drop_thumbnail(data, endian, end)
    except struct.error:
        return None
    return bytes(data)


def _drop_thumbnail(data: bytearray, endian: str, end: int) -> None:
    directory = _u32(data, endian, end)
    struct.pack_into(endian + 'L', data, end, 0)
    if directory:
        found = {e.tag: _u32(data, endian, e.at + 8) for e in _entries(data, endian, directory)}
        start, length = (found.get(tag, 0) for tag in (0x201, 0x202))  # JPEGInterchangeFormat, …Length
        # Usually the directory and its thumbnail are the last things in the file, and can be cut off.
        if length and directory < start and len(data) - 1 <= start + length <= len(data):
            del data[start:]


class _Entry(NamedTuple):
    tag: int
    at: int  # the position of the 12 bytes that hold tag, type, count and value


def _entries(data: bytearray, endian: str, start: int) -> Iterator[_Entry]:
    (count,) = struct.unpack_from(endian + 'H', data, start)
    for at in range(start + 2, start + 2 + 12 * count, 12):
        (tag,) = struct.unpack_from(endian + 'H', data, at)
        yield _Entry(tag, at)


def _u32(data: bytearray, endian: str, at: int) -> int:
    return struct.unpack_from(endian + 'L', data, at)[0]


def from_tiff(tags: Image.Exif) -> bytes | None:
    """EXIF out of a TIFF's tags; nothing where none of them says something of the photograph."""
    _keep_the_photograph(tags)
    return normalized(tags.tobytes()) if tags else None


def for_tiff(exif: bytes | None) -> dict[int, Any]:
    """Tags for a TIFF out of what `normalized` gives; none where Pillow cannot make them out."""
    tags = Image.Exif()
    try:
        tags.load(exif or b'')
        _keep_the_photograph(tags)
        tags.tobytes()
        kept = {tag: tags.get_ifd(tag) if tag in _DIRECTORIES else tags[tag] for tag in tags}
    except Exception:  # cameras write what they like
        return {}
    kept.get(ExifTags.IFD.Exif, {}).pop(ExifTags.IFD.Interop, None)  # an offset into the old file
    return kept


def _keep_the_photograph(tags: Image.Exif) -> None:
    for tag in list(tags):
        if tag not in _OF_THE_PHOTOGRAPH:
            del tags[tag]
