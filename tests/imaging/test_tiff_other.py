"""Kinds of TIFF that Pillow does not decode, against the arrays that were written and scikit-image's colours."""

import io

import numpy as np
import pytest
import skimage.color
import skimage.data
from PIL import Image

from jaxcolor.imaging import photos
from jaxcolor.imaging.errors import PhotoError, TooLargeError, UnsupportedFormatError

pytest.importorskip('imagecodecs')
tifffile = pytest.importorskip('tifffile')

RGB = skimage.data.astronaut()[:90, 100:220]
GREY = np.ascontiguousarray(RGB[..., 1])
DEEP = np.random.default_rng(0).integers(0, 65536, (90, 120), np.uint16)
DEEP_RGB = np.random.default_rng(1).integers(0, 65536, (90, 120, 3), np.uint16)


def written(pixels, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **{'photometric': 'minisblack', 'metadata': None, **options})
    return file.getvalue()


def eight(pixels):
    return np.round(pixels / 257).astype(np.uint8)


@pytest.mark.parametrize('byteorder', ['<', '>'])
@pytest.mark.parametrize('compression', [None, 'lzw', 'zstd', 'deflate'])
def test_sixteen_bits_in_separate_planes(byteorder, compression, tmp_path):
    content = written(
        np.moveaxis(DEEP_RGB, -1, 0),
        photometric='rgb',
        planarconfig='separate',
        byteorder=byteorder,
        compression=compression,
        predictor=compression is not None,
    )
    path = tmp_path / 'planes.tif'
    path.write_bytes(content)
    for source in (content, path):
        photo = photos.read(source)
        np.testing.assert_array_equal(photo.pixels, eight(DEEP_RGB))
        assert (photo.format, photo.alpha) == ('TIFF', None)


@pytest.mark.parametrize('compression', ['lerc', 'webp', 'jpegxl', 'jpeg2000'])
def test_compressions(compression):
    pixels = RGB if compression == 'webp' else GREY
    content = written(pixels, photometric='rgb' if pixels.ndim == 3 else 'minisblack', compression=compression)
    photo = photos.read(content)
    expected = tifffile.imread(io.BytesIO(content)).reshape(photo.pixels.shape)
    np.testing.assert_array_equal(photo.pixels, expected)
    assert np.abs(expected.astype(int) - pixels.reshape(expected.shape)).mean() < 3


@pytest.mark.parametrize('byteorder', ['<', '>'])
def test_white_is_zero_of_sixteen_bits(byteorder):
    """Whether it is Pillow that reads it or not."""
    photo = photos.read(written(DEEP, photometric='miniswhite', byteorder=byteorder))
    np.testing.assert_array_equal(photo.pixels[..., 0], 65535 - DEEP)


def test_grey_and_alpha_of_sixteen_bits():
    both = np.stack([DEEP, DEEP[::-1]], axis=-1)
    photo = photos.read(written(both, extrasamples=['unassalpha']))
    np.testing.assert_array_equal(photo.pixels[..., 0], eight(DEEP))
    np.testing.assert_array_equal(photo.alpha, eight(DEEP[::-1]))
    photo = photos.read(written(both, extrasamples=['unspecified']))
    assert photo.alpha is None
    np.testing.assert_array_equal(photo.pixels[..., 0], DEEP)


def test_associated_alpha_in_separate_planes():
    alpha = np.full(GREY.shape, 128, np.uint16) * 257
    planes = np.stack([*np.moveaxis(RGB // 2, -1, 0).astype(np.uint16) * 257, alpha])
    content = written(planes, photometric='rgb', planarconfig='separate', extrasamples=['assocalpha'])
    photo = photos.read(content)
    assert (photo.alpha == 128).all()
    np.testing.assert_allclose(photo.pixels, (RGB // 2 * 255.0 / 128).clip(0, 255), atol=1)


@pytest.mark.parametrize('bits', [10, 12, 14])
def test_numbers_of_other_lengths(bits):
    numbers = (DEEP >> (16 - bits)).astype(np.uint16)
    packed = np.packbits(((numbers[..., None] >> np.arange(bits)[::-1]) & 1).astype(np.uint8).reshape(90, -1), axis=1)
    content = written(packed, rowsperstrip=90, extratags=[])
    with tifffile.TiffFile(io.BytesIO(content)) as tiff:
        tags = {name: tiff.pages[0].tags[name].valueoffset for name in ('ImageWidth', 'BitsPerSample')}
    changed = bytearray(content)
    changed[tags['ImageWidth'] : tags['ImageWidth'] + 2] = (120).to_bytes(2, 'little')
    changed[tags['BitsPerSample'] : tags['BitsPerSample'] + 2] = bits.to_bytes(2, 'little')
    photo = photos.read(bytes(changed))
    np.testing.assert_allclose(photo.pixels[..., 0], numbers * (65535 / (2**bits - 1)), atol=1)


@pytest.mark.parametrize('deep', [False, True])
def test_lab(deep):
    lab = skimage.color.rgb2lab(RGB)
    if deep:
        stored = np.stack([lab[..., 0] * 655.35, lab[..., 1] * 256, lab[..., 2] * 256], -1).round().astype(np.int64)
        stored = (stored & 0xFFFF).astype(np.uint16)
    else:
        stored = (np.stack([lab[..., 0] * 2.55, lab[..., 1], lab[..., 2]], -1).round().astype(int) & 0xFF).astype(
            np.uint8
        )
    options = {} if deep else {'compression': 'zstd'}
    photo = photos.read(written(stored, photometric='cielab', **options))
    # Eight bits of a* and b*, and D50 in Pillow's profile of Lab.
    assert np.abs(photo.pixels.astype(int) - RGB).mean() < 6


def test_cmyk_with_alpha():
    cmyk = np.asarray(Image.fromarray(RGB).convert('CMYK'))
    opaque = np.dstack([cmyk, np.full(GREY.shape, 255, np.uint8)])
    photo = photos.read(written(opaque, photometric='separated', extrasamples=['unassalpha']))
    plain = photos.read(written(cmyk, photometric='separated'))
    np.testing.assert_array_equal(photo.pixels, plain.pixels)
    clear = np.dstack([cmyk, GREY])
    with pytest.raises(PhotoError, match='CMYK with transparency'):
        photos.read(written(clear, photometric='separated', extrasamples=['unassalpha']))


def test_what_the_file_says_beside_its_pixels():
    content = written(
        DEEP,
        photometric='miniswhite',
        byteorder='>',
        resolution=(100, 200),
        resolutionunit='INCH',
        software='a scanner',
        extratags=[(274, 3, 1, 6, True)],
    )
    photo = photos.read(content)
    np.testing.assert_array_equal(photo.pixels[..., 0], np.rot90(65535 - DEEP, -1))
    assert b'a scanner' in photo.exif


def test_what_is_beyond_them_is_refused():
    for pixels in (RGB.astype(np.float32), DEEP_RGB.astype(np.uint32), DEEP_RGB.astype(np.int16)):
        with pytest.raises(
            UnsupportedFormatError, match=r'^this kind of TIFF \(.*RGB.*\) is not supported; save it as'
        ):
            photos.read(written(pixels, photometric='rgb'))
    planes = written(np.moveaxis(DEEP_RGB, -1, 0), photometric='rgb', planarconfig='separate')
    with pytest.raises(TooLargeError):
        photos.read(planes, photos.Limits(pixels=9))
    for length in range(8, len(planes), 7001):
        with pytest.raises(PhotoError):
            photos.read(planes[:length])
