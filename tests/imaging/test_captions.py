"""XMP and IPTC from file to file, against Pillow's and tifffile's readers."""

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image, IptcImagePlugin

from jaxcolor.imaging import captions, photos

RGB = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
XMP = """<?xpacket begin='' id='W5M0MpCehiHzreSzNTczkc9d'?><x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF
xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description rdf:about='' tiff:Orientation="6"
photoshop:ICCProfile="Adobe RGB (1998)" xmpMM:DocumentID='uuid:6'><exif:ColorSpace>65535</exif:ColorSpace>
<xmp:Thumbnails><rdf:Alt>grey</rdf:Alt></xmp:Thumbnails>
<dc:description>Oma am Hafen, Größe 6</dc:description></rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end='w'?>""".encode()
KEPT = (
    XMP.replace(b'tiff:Orientation="6"', b'tiff:Orientation="1"')
    .replace(b'\nphotoshop:ICCProfile="Adobe RGB (1998)"', b'')
    .replace(b'65535', b'1')
    .replace(b'<xmp:Thumbnails><rdf:Alt>grey</rdf:Alt></xmp:Thumbnails>', b'')
)


def entry(number, text):
    return struct.pack('>BBBH', 0x1C, 2, number, len(text)) + text


IPTC = entry(120, b'Oma am Hafen') + entry(25, b'1928')  # caption, keyword


def with_captions(kind):
    """A file of other programs' making: Pillow's, tifffile's, and for PNG what ImageMagick writes."""
    file = io.BytesIO()
    resource = b'8BIM\x04\x04\0\0' + struct.pack('>L', len(IPTC)) + IPTC + b'\0' * (len(IPTC) % 2)
    if kind == 'TIFF':
        padded = IPTC + b'\0' * (-len(IPTC) % 4)
        numbers = np.frombuffer(padded, '<u4').tolist()
        tags = [(700, 1, len(XMP), XMP, True), (33723, 4, len(numbers), numbers, True)]
        tifffile.imwrite(file, RGB, photometric='rgb', extratags=tags, metadata=None, byteorder='<')
        return file.getvalue()
    options = {'xmp': XMP}
    if kind == 'JPEG':
        # The resolution stands before the caption, as Photoshop writes it.
        body = b'Photoshop 3.0\x008BIM\x03\xed\0\0' + struct.pack('>L', 16) + b'\0\x48\0\0\0\1\0\1' * 2 + resource
        options['extra'] = b'\xff\xed' + struct.pack('>H', 2 + len(body)) + body
    if kind == 'PNG':
        from PIL import PngImagePlugin

        info = PngImagePlugin.PngInfo()
        info.add_itxt('XML:com.adobe.xmp', XMP.decode())
        info.add_text('Raw profile type iptc', f'\niptc\n{len(resource):8}\n{resource.hex()}\n', zip=True)
        options = {'pnginfo': info}
    Image.fromarray(RGB).save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize('source', ['JPEG', 'PNG', 'TIFF'])
def test_both_are_kept(source):
    photo = photos.read(with_captions(source))
    kept = KEPT
    if source == 'TIFF':  # which Pillow turns upright, and takes the tag out
        kept = KEPT.replace(b'tiff:Orientation="1"', b'')
    assert photo.captions.xmp == kept
    assert photo.captions.iptc.rstrip(b'\0') == IPTC
    for target in ('JPEG', 'PNG', 'TIFF', 'WEBP'):
        encoded = photos.encode(photo, RGB, target)
        assert photos.read(encoded).captions.xmp == photo.captions.xmp
        with Image.open(io.BytesIO(encoded)) as image:
            image.load()
            assert image.info['xmp'].rstrip(b'\0') == photo.captions.xmp
            if target in ('JPEG', 'TIFF'):
                found = IptcImagePlugin.getiptcinfo(image)
                assert (found[2, 120], found[2, 25]) == (b'Oma am Hafen', b'1928')
            if target == 'PNG':
                assert photos.read(encoded).captions.iptc == photo.captions.iptc


def test_webp():
    assert photos.read(with_captions('WEBP')).captions == (KEPT, None)


def test_what_says_nothing_stays_nothing():
    file = io.BytesIO()
    Image.fromarray(RGB).save(file, 'PNG')
    photo = photos.read(file.getvalue())
    assert photo.captions == captions.NONE
    assert b'iTXt' not in photos.encode(photo, RGB, 'PNG')
    assert b'Photoshop' not in photos.encode(photo, RGB, 'JPEG')


@pytest.mark.parametrize('xmp', [b'\xff\xfe<\0x\0', b'no packet', b'<x' * 2**20], ids=['UTF-16', 'text', 'large'])
def test_what_is_no_packet_is_left_out(xmp):
    image = Image.fromarray(RGB)
    image.info['xmp'] = xmp
    assert photos.from_pillow(image).captions.xmp is None


def test_what_a_jpeg_can_not_hold_is_left_out():
    image = Image.fromarray(RGB)
    image.info['xmp'] = b'<' + b'x' * 65600
    photo = photos.from_pillow(image)
    assert b'ns.adobe.com' not in photos.encode(photo, RGB, 'JPEG')
    assert image.info['xmp'] in photos.encode(photo, RGB, 'PNG')


@pytest.mark.parametrize('text', ['', '\niptc\n 5\nzz', '\niptc\n 9\n3842494d0404', '\niptc\n 4\n00000000'])
def test_broken_profiles_of_a_png(text):
    image = Image.fromarray(RGB)
    image.format, image.info['Raw profile type iptc'] = 'PNG', text
    assert photos.from_pillow(image).captions.iptc is None
