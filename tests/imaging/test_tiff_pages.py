"""Which picture of a TIFF is read, and which kinds are refused by name, against tifffile."""

import io
import re
import struct

import numpy as np
import pytest
import tifffile
from PIL import GifImagePlugin, Image

from jaxcolor.imaging import photos, tiff_other
from jaxcolor.imaging.errors import PhotoError, UnsupportedFormatError

rng = np.random.default_rng(0)
GREY, SMALL = rng.integers(0, 256, (40, 30), np.uint8), rng.integers(0, 256, (10, 8), np.uint8)
DEEP = rng.integers(0, 65536, (3, 40, 30), np.uint16)
REDUCED = {'subfiletype': 1}


def written(*pages, big=False, byteorder='<'):
    """A TIFF of (pixels, options of tifffile)."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file, bigtiff=big, byteorder=byteorder) as tiff:
        for pixels, options in pages:
            tiff.write(pixels, **{'photometric': 'minisblack', 'metadata': None, **options})
    return file.getvalue()


def with_tag(content, tag, value):
    """A little-endian TIFF whose first directory has another number in one of its tags."""
    content = bytearray(content)
    (offset,) = struct.unpack_from('<L', content, 4)
    (entries,) = struct.unpack_from('<H', content, offset)
    (place,) = (
        p for p in range(offset + 2, offset + 2 + 12 * entries, 12) if struct.unpack_from('<H', content, p) == (tag,)
    )
    struct.pack_into('<HLL', content, place + 2, 3, 1, value)
    return bytes(content)


@pytest.mark.parametrize('byteorder', ['<', '>'])
def test_a_thumbnail_is_not_the_picture(byteorder):
    photo = photos.read(written((SMALL, REDUCED), (GREY, {}), byteorder=byteorder))
    np.testing.assert_array_equal(photo.pixels[..., 0], GREY)
    assert photo.others == 0


@pytest.mark.parametrize('big', [False, True])
def test_a_picture_below_its_thumbnail(big):
    """As cameras write raw photographs, and DNG; the largest is it."""
    content = written((SMALL, {**REDUCED, 'subifds': 2}), (SMALL, REDUCED), (GREY, {}), big=big)
    np.testing.assert_array_equal(photos.read(content).pixels[..., 0], GREY)


def test_nothing_but_a_thumbnail():
    np.testing.assert_array_equal(photos.read(written((SMALL, REDUCED))).pixels[..., 0], SMALL)


def test_pages_beside_the_first_are_counted():
    mask = GREY > 128
    photo = photos.read(written((GREY, {}), (SMALL, {}), (mask, {'subfiletype': 4}), (SMALL, REDUCED), (GREY, {})))
    np.testing.assert_array_equal(photo.pixels[..., 0], GREY)
    assert photo.others == 2
    assert photos.read(written((GREY, {}))).others == 0


@pytest.mark.parametrize('kind', ['GIF', 'WEBP', 'PNG'])
def test_frames_are_counted(kind):
    frames = [Image.fromarray(np.roll(GREY, shift, axis=0)).convert('RGB') for shift in range(0, 40, 10)]
    file = io.BytesIO()
    frames[0].save(file, kind, save_all=True, append_images=frames[1:])
    assert photos.read(file.getvalue()).others == 3


def test_a_broken_frame_spoils_none_before_it(monkeypatch):
    file = io.BytesIO()
    frames = [Image.fromarray(np.roll(GREY, shift, axis=0)) for shift in (0, 10)]
    frames[0].save(file, 'GIF', save_all=True, append_images=frames[1:])

    def broken(self):
        raise struct.error('unpack requires more bytes')

    monkeypatch.setattr(GifImagePlugin.GifImageFile, 'n_frames', property(broken))
    photo = photos.read(file.getvalue())
    assert photo.pixels.shape[:2] == GREY.shape
    assert photo.others == 0


def test_a_colour_map_of_eight_bits():
    """As libtiff's tools and libvips read it: where no number is above 255, they are bytes."""
    levels = rng.integers(0, 256, (3, 256))
    colored = written((GREY, {'photometric': 'palette', 'colormap': levels.astype(np.uint16)}))
    np.testing.assert_array_equal(photos.read(colored).pixels, levels.T[GREY])
    standard = written((GREY, {'photometric': 'palette', 'colormap': (257 * levels).astype(np.uint16)}))
    np.testing.assert_array_equal(photos.read(standard).pixels, levels.T[GREY])


def test_what_pillow_has_opened(tmp_path):
    """Is right as well, or refused."""
    levels = rng.integers(0, 256, (3, 256))
    path = tmp_path / 'palette.tif'
    path.write_bytes(written((GREY, {'photometric': 'palette', 'colormap': levels.astype(np.uint16)})))
    for loaded in (False, True):
        with Image.open(path) as image:
            if loaded:
                image.load()
            np.testing.assert_array_equal(photos.from_pillow(image).pixels, levels.T[GREY])
    with (
        Image.open(io.BytesIO(separate())) as image,
        pytest.raises(
            UnsupportedFormatError, match=r'16 bits, RGB, 3 channels, separate planes\) is not .* give its path'
        ),
    ):
        photos.from_pillow(image)
    with Image.open(io.BytesIO(written((GREY, {}), (SMALL, {})))) as image:
        image.seek(1)
        np.testing.assert_array_equal(photos.from_pillow(image).pixels[..., 0], SMALL)


def test_the_smaller_copy_that_pillow_opens_first(tmp_path):
    """Is refused, unless it is what somebody has turned to."""
    path = tmp_path / 'thumbnail.tif'
    for pages in ([(SMALL, REDUCED), (GREY, {})], [(SMALL, {**REDUCED, 'subifds': 1}), (GREY, {})]):
        path.write_bytes(written(*pages))
        with (
            Image.open(path) as image,
            pytest.raises(UnsupportedFormatError, match='smaller copy of the picture, 8 x 10 pixels; give the path'),
        ):
            photos.from_pillow(image)
        assert photos.read(path).pixels.shape == (40, 30, 1)
    path.write_bytes(written((GREY, {}), (SMALL, REDUCED)))
    with Image.open(path) as image:
        np.testing.assert_array_equal(photos.from_pillow(image).pixels[..., 0], GREY)
        image.seek(1)
        np.testing.assert_array_equal(photos.from_pillow(image).pixels[..., 0], SMALL)


def test_grey_with_associated_alpha():
    alpha = np.full_like(GREY, 255)
    alpha[:20] = 128
    grey = (GREY // 2).astype(np.uint8)
    photo = photos.read(written((np.stack([grey, alpha], -1), {'extrasamples': ['ASSOCALPHA']})))
    np.testing.assert_array_equal(photo.alpha, alpha)
    np.testing.assert_array_equal(photo.pixels[20:, :, 0], grey[20:])
    np.testing.assert_allclose(photo.pixels[:20, :, 0], (grey[:20] * 255.0 / 128).clip(0, 255), atol=1)


@pytest.mark.parametrize(
    ('content', 'kind'),
    [
        (
            written((DEEP.transpose(1, 2, 0).astype(np.float32), {'photometric': 'rgb'})),
            '32 bits, floating point, RGB, 3 channels',
        ),
        (written((GREY.astype(np.int8), {})), '8 bits, signed, grey, 1 channels'),
        (with_tag(written((GREY, {})), 259, 12345), '8 bits, grey, 1 channels, compression 12345'),
    ],
    ids=lambda value: value if isinstance(value, str) else '',
)
def test_kinds_that_are_not_read_are_named(content, kind):
    with pytest.raises(UnsupportedFormatError, match=rf'^this kind of TIFF \({kind}\) is not supported; save it as'):
        photos.read(content)


@pytest.mark.parametrize('compression', [None, 'adobe_deflate'])
def test_big_endian_bigtiff(compression, tmp_path):
    content = written((SMALL, {}), (GREY, {'compression': compression}), big=True, byteorder='>')
    np.testing.assert_array_equal(photos.read(content, page=1).pixels[..., 0], GREY)
    path = tmp_path / 'big.tif'
    path.write_bytes(content)
    np.testing.assert_array_equal(photos.read(path, page=1).pixels[..., 0], GREY)


@pytest.mark.parametrize('compression', [None, 'adobe_deflate'])
@pytest.mark.parametrize('big', [False, True])
def test_every_page_is_read(compression, big, tmp_path):
    """Of a file as of bytes: libtiff opens a file by itself."""
    pages = [np.roll(GREY, 7 * number, axis=0)[:, : 30 - number] for number in range(4)]
    path = tmp_path / 'pages.tif'
    path.write_bytes(written(*((page, {'compression': compression}) for page in pages), (SMALL, REDUCED), big=big))
    for source in (path, path.read_bytes()):
        for number, page in enumerate(pages):
            photo = photos.read(source, page=number)
            np.testing.assert_array_equal(photo.pixels[..., 0], page)
            assert photo.others == 3


def test_chroma_for_several_pixels_together():
    """Uncompressed: Pillow takes the numbers for one of each a pixel."""
    ycbcr = with_tag(written((np.zeros((40, 30, 3), np.uint8), {'photometric': 'ycbcr'})), 530, 2)
    kind = r'8 bits, YCbCr, 3 channels, subsampled'
    with pytest.raises(UnsupportedFormatError, match=rf'^this kind of TIFF \({kind}\) is not supported; save it as'):
        photos.read(ycbcr)


def tiles_as_strips():
    content = bytearray(written((GREY, {'tile': (16, 16)})))
    (first,) = struct.unpack_from('<L', content, 4)
    (entries,) = struct.unpack_from('<H', content, first)
    for place in range(first + 2, first + 2 + 12 * entries, 12):
        (tag,) = struct.unpack_from('<H', content, place)
        struct.pack_into('<H', content, place, {324: 273, 325: 279}.get(tag, tag))
    return bytes(content)


def test_tiles_where_strips_are_said_to_be():
    """As an old file of libtiff's own test pictures has them."""
    if tiff_other.is_installed():
        np.testing.assert_array_equal(photos.read(tiles_as_strips()).pixels[..., 0], GREY)
        return
    with pytest.raises(UnsupportedFormatError, match=r'tiles as strips\) is not supported; pip install'):
        photos.read(tiles_as_strips())


def separate(byteorder='<'):
    return written((DEEP, {'photometric': 'rgb', 'planarconfig': 'separate'}), byteorder=byteorder)


@pytest.mark.parametrize(
    ('content', 'kind'),
    [
        (separate(), '16 bits, RGB, 3 channels, separate planes'),
        (separate('>'), '16 bits, RGB, 3 channels, separate planes'),
        (with_tag(written((GREY, {})), 259, 34887), '8 bits, grey, 1 channels, compression LERC'),
        (with_tag(written((GREY, {})), 259, 50001), '8 bits, grey, 1 channels, compression WebP'),
    ],
    ids=lambda value: value if isinstance(value, str) else '',
)
def test_kinds_that_take_a_package_are_named(content, kind, monkeypatch):
    monkeypatch.setattr(tiff_other, 'is_installed', lambda: False)
    message = f'this kind of TIFF ({kind}) is not supported; pip install "jaxcolor[formats]" reads it'
    with pytest.raises(UnsupportedFormatError, match=f'^{re.escape(message)}$'):
        photos.read(content)


def test_separate_planes_of_bytes_are_read():
    pixels = (DEEP >> 8).astype(np.uint8)
    content = written((pixels, {'photometric': 'rgb', 'planarconfig': 'separate'}))
    np.testing.assert_array_equal(photos.read(content).pixels, pixels.transpose(1, 2, 0))


def test_a_raw_photograph():
    with pytest.raises(UnsupportedFormatError, match=r'^a raw photograph; develop it in a raw converter'):
        photos.read(with_tag(written((GREY, {})), 262, 32803))


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'II*\0' + struct.pack('<L', 0), 'it has no directory'),
        (b'II*\0' + struct.pack('<L', 999), 'its directory is cut short'),
        (b'II+\0' + struct.pack('<HHQ', 8, 0, 2**64 - 1), 'its directory is cut short'),
        (b'II*\0' + struct.pack('<LH', 8, 65535), 'more directories, or longer ones'),
    ],
)
def test_what_is_broken_is_said(content, message):
    with pytest.raises(PhotoError, match=message):
        photos.read(content)


def test_directories_in_a_circle_end():
    content = bytearray(written((GREY, {}), (GREY, {})))
    (first,) = struct.unpack_from('<L', content, 4)
    (entries,) = struct.unpack_from('<H', content, first)
    (second,) = struct.unpack_from('<L', content, first + 2 + 12 * entries)
    (entries,) = struct.unpack_from('<H', content, second)
    struct.pack_into('<L', content, second + 2 + 12 * entries, first)
    assert photos.read(bytes(content)).others == 1
