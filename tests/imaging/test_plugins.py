"""Formats beside JPEG, PNG and TIFF, as Pillow itself reads them; and what is refused before anything is decoded."""

import io
import itertools

import numpy as np
import pytest
import skimage.data
from PIL import Image, JpegImagePlugin

from jaxcolor.imaging import photos, plugins
from jaxcolor.imaging.errors import PhotoError, TooLargeError, UnsupportedFormatError

RGB = Image.fromarray(skimage.data.astronaut()[:90, :120])


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ('kind', 'mode'),
    [
        *itertools.product(['JPEG2000', 'AVIF', 'TGA', 'BMP'], ['L', 'RGB', 'RGBA']),
        *itertools.product(['PPM', 'MPO'], ['L', 'RGB']),  # which have no opacity
    ],
)
def test_formats_are_read_as_pillow_reads_them(kind, mode):
    content = saved(RGB.convert(mode), kind)
    with Image.open(io.BytesIO(content)) as image:
        expected = np.asarray(image.convert('RGBA'))
    photo = photos.read(content)
    np.testing.assert_array_equal(np.broadcast_to(photo.pixels, expected[..., :3].shape), expected[..., :3])
    if photo.alpha is not None:
        np.testing.assert_array_equal(photo.alpha, expected[..., 3])
    np.testing.assert_array_equal(np.asarray(photos.read_rgb(content)), expected[..., :3])


def test_grey_of_sixteen_bits():
    deep = np.linspace(0, 65535, 80 * 60).astype(np.uint16).reshape(60, 80)
    for kind in ('PPM', 'JPEG2000'):
        content = saved(Image.fromarray(deep), kind, **({'irreversible': False} if kind == 'JPEG2000' else {}))
        photo = photos.read(content)
        assert photo.pixels.dtype == np.uint16
        np.testing.assert_array_equal(photo.pixels[..., 0], deep)


def test_orientation_of_avif():
    exif = Image.Exif()
    exif[0x112] = 6
    assert photos.read(saved(RGB, 'AVIF', exif=exif)).pixels.shape == (120, 90, 3)


def test_pictures_of_one_scene_in_a_jpeg_are_counted(monkeypatch):
    """Of two cameras they are; previews and gain maps, as telephones write them, are not."""
    content = saved(RGB, 'MPO', save_all=True, append_images=[RGB.rotate(1), RGB.rotate(2)])
    kinds = ['Baseline MP Primary Image', 'Multi-Frame Image: (Disparity)', 'Large Thumbnail (VGA Equivalent)']

    def found(image):
        return {0xB002: [{'Attribute': {'MPType': kind}} for kind in kinds]}

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, '_getmp', found)
    assert photos.read(content).others == 1
    monkeypatch.undo()
    assert photos.read(saved(RGB, 'JPEG')).others == 0


@pytest.mark.parametrize(
    ('codestream', 'size'),
    [  # the standard's bits, put together by hand
        (b'\xff\x0a' + (1 | 4 << 1 | 1 << 6).to_bytes(4, 'little'), (40, 40)),
        (b'\xff\x0a' + (0 << 1 | 299 << 3 | 3 << 12).to_bytes(4, 'little'), (400, 300)),
        (
            b'\xff\x0a' + (3 << 1 | (2**30 - 1) << 3 | 0 << 33 | 3 << 36 | (2**30 - 1) << 38).to_bytes(14, 'little'),
            (2**30, 2**30),
        ),
    ],
)
def test_sizes_of_jpeg_xl(codestream, size):
    found = plugins.size_before(codestream, codestream)
    assert found == size
    box = b'\0\0\0\x0cJXL \r\n\x87\n' + b'\0\0\0\0jxlc' + codestream
    assert plugins.size_before(box[:64], box) == found


def test_jpeg_xl():
    with pytest.raises(PhotoError, match='without a picture at its beginning'):
        plugins.size_before(b'\0\0\0\x0cJXL \r\n\x87\n', b'\0\0\0\x0cJXL \r\n\x87\n' + bytes(99))
    pillow_jxl = pytest.importorskip('pillow_jxl')
    assert pillow_jxl
    for mode in ('L', 'RGB', 'RGBA'):
        for size in ((120, 90), (64, 64), (37, 300)):
            image = RGB.resize(size).convert(mode)
            content = saved(image, 'JXL', lossless=True)
            assert plugins.size_before(content[:64], content) == size
            photo = photos.read(content)
            np.testing.assert_array_equal(
                np.broadcast_to(photo.pixels, (*size[::-1], 3)), np.asarray(image.convert('RGB'))
            )
            with pytest.raises(TooLargeError, match=f'^{size[0]} x {size[1]} pixels are more'):
                photos.read(content, photos.Limits(pixels=1000))


def test_what_a_package_is_needed_for(monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'pillow_jxl.JpegXLImagePlugin', None)
    with pytest.raises(UnsupportedFormatError, match=r'pip install "jaxcolor\[formats\]"'):
        photos.read(b'\xff\x0a' + bytes(60))
