"""XMP and IPTC: captions, keywords and names that people have given a photograph; from file to file."""

import contextlib
import re
import struct
import zlib
from typing import NamedTuple

import numpy as np
from PIL import Image, TiffImagePlugin

_LARGEST = 1 << 20  # bytes
_MOST_IN_JPEG = 65533  # bytes of a segment
_XMP_NAME = b'http://ns.adobe.com/xap/1.0/\0'
_PHOTOSHOP = b'Photoshop 3.0\0'
_IPTC_RESOURCE = 0x0404  # of Photoshop's image resources
_XMP_TAG, _IPTC_TAG, _PHOTOSHOP_TAG, _BYTE, _UNDEFINED = 700, 33723, 34377, 1, 7  # TIFF
_PNG_IPTC = 'Raw profile type iptc'  # ImageMagick's and ExifTool's convention; PNG has none
_IIM = b'\x1c'  # what each entry of IPTC's Information Interchange Model begins with
# What XMP says of the old pixels, by the names of its properties: these become 1, as in `exif.normalized` …
_NUMBERS = re.compile(rb'((?:tiff:Orientation|exif:ColorSpace)\s*(?:=\s*["\']|>)\s*)\d+')
# … and these go.
_ATTRIBUTES = re.compile(rb'\s(?:photoshop:ICCProfile|xmpNote:HasExtendedXMP)\s*=\s*(?:"[^"]*"|\'[^\']*\')')
_ELEMENTS = re.compile(rb'<(photoshop:ICCProfile|xmpNote:HasExtendedXMP|xmp:Thumbnails)>.*?</\1>', re.DOTALL)


class Captions(NamedTuple):
    """Both as bytes, each of them None where there is none."""

    xmp: bytes | None = None  # a packet in UTF-8
    iptc: bytes | None = None  # entries of the Information Interchange Model

    def jpeg_segments(self) -> bytes:
        """Return them as segments of a JPEG, those that fit."""
        segments = []
        if self.xmp:
            segments.append((b'\xff\xe1', _XMP_NAME + self.xmp))
        if self.iptc:
            segments.append((b'\xff\xed', _PHOTOSHOP + _resource(self.iptc)))
        return b''.join(
            marker + struct.pack('>H', 2 + len(content)) + content
            for marker, content in segments
            if len(content) <= _MOST_IN_JPEG
        )

    def png_chunks(self) -> list[tuple[bytes, bytes]]:
        """Return them as names and contents of a PNG's chunks."""
        chunks = []
        if self.xmp:
            chunks.append((b'iTXt', b'XML:com.adobe.xmp\0\0\0\0\0' + self.xmp))
        if self.iptc:
            content = _resource(self.iptc)
            lines = re.findall('.{1,72}', content.hex())
            text = '\n'.join(['', 'iptc', f'{len(content):8}', *lines, ''])
            chunks.append((b'zTXt', _PNG_IPTC.encode() + b'\0\0' + zlib.compress(text.encode())))
        return chunks

    def add_to_tiff(self, directory: TiffImagePlugin.ImageFileDirectory_v2) -> None:
        """Add them as tags."""
        for tag, kind, content in ((_XMP_TAG, _BYTE, self.xmp), (_IPTC_TAG, _UNDEFINED, self.iptc)):
            if content:
                directory.tagtype[tag] = kind
                directory[tag] = content


NONE = Captions()


def read(image: Image.Image) -> Captions:
    """Return what a decoded picture has, in words that are true of its colouring; none where it can't be made out."""
    xmp = iptc = None
    with contextlib.suppress(Exception):  # a picture is worth more than what somebody's program said of it
        xmp = _normalized(image.info.get('xmp'))
    with contextlib.suppress(Exception):
        iptc = _iptc(image)
    return Captions(xmp, iptc)


def _normalized(xmp: object) -> bytes | None:
    """XMP for a picture that was turned upright and converted to sRGB; the rest stays as it was."""
    packet = xmp.encode() if isinstance(xmp, str) else xmp
    if not isinstance(packet, bytes) or b'<' not in packet or len(packet) > _LARGEST:
        return None
    packet = packet.strip(b'\0')
    packet.decode()  # one in UTF-16 would not be understood here
    if b'\0' in packet:
        return None
    return _ELEMENTS.sub(b'', _ATTRIBUTES.sub(b'', _NUMBERS.sub(rb'\g<1>1', packet)))


def _iptc(image: Image.Image) -> bytes | None:
    found: bytes | None
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        found = image.tag_v2._tagdata.get(_IPTC_TAG)  # bytes, whatever type they are said to be
        if found and not found.startswith(_IIM):  # numbers of 4 bytes, from a machine of the other order
            found = np.frombuffer(found[: len(found) // 4 * 4], '<u4').byteswap().tobytes()
        if not found:
            found = _of_resources(image.tag_v2._tagdata.get(_PHOTOSHOP_TAG, b''))
    elif image.format == 'PNG':
        found = _of_profile(image.info.get(_PNG_IPTC))
    else:
        found = image.info.get('photoshop', {}).get(_IPTC_RESOURCE)
    return found if isinstance(found, bytes) and found.startswith(_IIM) and len(found) <= _LARGEST else None


def _of_profile(text: object) -> bytes | None:
    """IPTC out of a PNG's text, bare or among Photoshop's resources."""
    if not isinstance(text, str) or len(text) > 4 * _LARGEST:
        return None
    return _of_resources(bytes.fromhex(''.join(text.split()[2:])))


def _of_resources(content: bytes) -> bytes:
    place = 0
    while content.startswith(b'8BIM', place):
        number, name = struct.unpack_from('>HB', content, place + 4)
        start = place + 7 + name + (1 + name) % 2
        (length,) = struct.unpack_from('>L', content, start)
        if number == _IPTC_RESOURCE:
            return content[start + 4 : start + 4 + length]
        place = start + 4 + length + length % 2
    return content


def _resource(iptc: bytes) -> bytes:
    return b'8BIM' + struct.pack('>HHL', _IPTC_RESOURCE, 0, len(iptc)) + iptc + b'\0' * (len(iptc) % 2)
