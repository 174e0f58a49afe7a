"""Pictures of every kind as networks take them: 8 bits, RGB, upright, on white."""

import io

import numpy as np
import pytest
from PIL import Image

from jaxcolor.imaging import photos


def encode(image, kind='PNG', **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pixels(encoded, at_least=8):
    image = photos.read_rgb(encoded, at_least)
    assert image.mode == 'RGB'
    return np.asarray(image)


@pytest.mark.parametrize(
    ('image', 'expected'),
    [
        (Image.new('L', (8, 8), 77), (77, 77, 77)),
        (Image.new('1', (8, 8), 1), (255, 255, 255)),
        (Image.new('RGB', (8, 8), (1, 2, 3)), (1, 2, 3)),
        # Half a black on white is grey, and nothing on white is white, whatever colour is hidden in it.
        (Image.new('RGBA', (8, 8), (0, 0, 0, 128)), (127, 127, 127)),
        (Image.new('RGBA', (8, 8), (200, 0, 0, 0)), (255, 255, 255)),
        (Image.new('LA', (8, 8), (50, 0)), (255, 255, 255)),
        # 16 bits: 65535 is white and 32896 = 128 * 257 the middle; clipping would make both white.
        (Image.fromarray(np.full((8, 8), 65535, np.uint16)), (255, 255, 255)),
        (Image.fromarray(np.full((8, 8), 32896, np.uint16)), (128, 128, 128)),
        (Image.fromarray(np.full((8, 8), 257, np.uint16)), (1, 1, 1)),
    ],
)
def test_every_mode_becomes_rgb(image, expected):
    np.testing.assert_array_equal(pixels(encode(image)), np.full((8, 8, 3), expected))


def test_palette_with_and_without_transparency():
    image = Image.new('P', (8, 8), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    np.testing.assert_array_equal(pixels(encode(image))[0, 0], (10, 20, 30))
    np.testing.assert_array_equal(pixels(encode(image, transparency=1))[0, 0], (255, 255, 255))
    np.testing.assert_array_equal(pixels(encode(image, 'GIF'))[0, 0], (10, 20, 30))


def test_cmyk():
    # No cyan, all magenta and yellow, no black: red.
    red = pixels(encode(Image.new('CMYK', (16, 16), (0, 255, 255, 0)), 'JPEG', quality=100))
    assert np.abs(red.astype(int) - (255, 0, 0)).max() <= 3


def test_sixteen_bit_tiff():
    middle = np.full((8, 8), 32896, np.uint16)
    np.testing.assert_array_equal(pixels(encode(Image.fromarray(middle), 'TIFF')), 128)


@pytest.mark.parametrize('kind', ['JPEG', 'PNG'])
def test_exif_orientation(kind):
    # Stored lying on its side (orientation 6: turn clockwise to see it); its left half is red.
    stored = Image.new('RGB', (64, 32), 'blue')
    stored.paste('red', (0, 0, 32, 32))
    exif = Image.Exif()
    exif[0x0112] = 6
    seen = pixels(encode(stored, kind, exif=exif), at_least=32)
    assert seen.shape == (64, 32, 3)
    assert seen[8, 16, 0] > 250  # red is on top
    assert seen[56, 16, 2] > 250


def test_a_large_jpeg_is_decoded_small():
    encoded = encode(Image.new('RGB', (800, 1600), 'green'), 'JPEG')
    assert photos.read_rgb(encoded, at_least=100).size == (100, 200)
    assert photos.read_rgb(encoded, at_least=101).size == (200, 400)
    assert photos.read_rgb(encoded, at_least=5000).size == (800, 1600)


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))


@pytest.mark.parametrize(
    ('encoded', 'reason'),
    [
        (b'', 'empty'),
        (b'a shopping list', 'not a JPEG'),
        (encode(NOISE, 'JPEG')[:1500], 'truncated'),
        (encode(NOISE, 'PNG')[:5000], 'truncated'),
        (encode(Image.fromarray(np.zeros((8, 8), np.float32)), 'TIFF'), 'white'),
    ],
)
def test_unreadable(encoded, reason):
    with pytest.raises(photos.PhotoError, match=reason):
        photos.read_rgb(encoded, 8)


def test_too_many_pixels():
    with pytest.raises(photos.PhotoError, match='more than the limit of 4,000'):
        photos.read_rgb(encode(NOISE), 8, photos.Limits(pixels=4000))
