import io

import numpy as np
import pytest
from PIL import Image

from jaxcolor.imaging import resize


def encode(image, kind='PNG', **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pixels(encoded, at_least=8):
    image = resize.load(encoded, at_least)
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


def test_sixteen_bit_tiff_and_pgm():
    middle = np.full((8, 8), 32896, np.uint16)
    np.testing.assert_array_equal(pixels(encode(Image.fromarray(middle), 'TIFF')), 128)
    header = b'P5 8 8 65535\n'
    np.testing.assert_array_equal(pixels(header + middle.astype('>u2').tobytes()), 128)


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
    assert resize.load(encoded, at_least=100).size == (100, 200)
    assert resize.load(encoded, at_least=101).size == (200, 400)
    assert resize.load(encoded, at_least=5000).size == (800, 1600)


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))


@pytest.mark.parametrize(
    ('encoded', 'reason'),
    [
        (b'', 'empty'),
        (b'a shopping list', 'not a picture'),
        (encode(NOISE, 'JPEG')[:1500], 'truncated'),
        (encode(NOISE, 'PNG')[:5000], 'truncated'),
        (encode(Image.fromarray(np.zeros((8, 8), np.float32)), 'TIFF'), 'white'),
    ],
)
def test_unreadable(encoded, reason):
    with pytest.raises(resize.UnreadableError, match=reason):
        resize.load(encoded, 8)


def test_decompression_bomb():
    header = b'P6 30000 30000 255\n'
    with pytest.raises(resize.UnreadableError, match='decompression bomb'):
        resize.load(header + bytes(100), 8)


@pytest.mark.parametrize('side', [32, 36, 50])
@pytest.mark.parametrize('shape', [(96, 160), (160, 96), (32, 32), (64, 64), (16, 20), (36, 37)])
@pytest.mark.parametrize(('u', 'v'), [(0.0, 0.0), (0.5, 0.5), (0.31, 0.77), (0.999, 0.999)])
def test_fit_equals_scaling_and_then_cropping(shape, u, v, side):
    """By Pillow's own hand, on noise, where a window off by the fraction of a pixel would show."""
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    scale = side / min(shape)
    size = (round(shape[1] * scale), round(shape[0] * scale))
    left, top = (int(place * (length - 32 + 1)) for place, length in zip((u, v), size, strict=True))
    whole = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
    expected = np.asarray(whole.crop((left, top, left + 32, top + 32))).astype(int)
    assert np.abs(resize.fit(Image.fromarray(noise), 32, u, v, side=side) - expected).max() <= 2  # rounded twice
    np.testing.assert_array_equal(resize.crop(np.asarray(whole), 32, u, v), expected)


def test_fit_leaves_the_right_size_alone_and_takes_any_shape():
    np.testing.assert_array_equal(resize.fit(NOISE, 64), np.asarray(NOISE))
    np.testing.assert_array_equal(resize.fit(NOISE.crop((0, 0, 64, 40)), 40), np.asarray(NOISE)[:40, 12:52])
    assert resize.fit(Image.new('RGB', (1, 1), 'red'), 16).tolist() == [[[255, 0, 0]] * 16] * 16
    assert resize.fit(Image.new('RGB', (1, 3000)), 16).shape == (16, 16, 3)
    assert resize.fit(Image.new('RGB', (3000, 2)), 16, 0.999, 0.999).shape == (16, 16, 3)


def test_colorfulness():
    # By hand: grey has none; one flat red has no spread and 0.3 |mean|; two opponents have no mean.
    grey = np.repeat(np.arange(48, dtype=np.uint8).reshape(1, 4, 4, 3)[..., :1], 3, axis=-1)
    red = np.full((1, 4, 4, 3), (200, 0, 0), np.uint8)
    opponents = np.zeros((1, 2, 2, 3), np.uint8)
    opponents[0, 0, :, 0] = opponents[0, 1, :, 1] = 100  # rg is 100 and -100, yb is 50 throughout
    np.testing.assert_allclose(resize.colorfulness(grey), [0.0], atol=1e-5)
    np.testing.assert_allclose(resize.colorfulness(red), [0.3 * np.hypot(200, 100)], rtol=1e-5)
    np.testing.assert_allclose(resize.colorfulness(opponents), [100 + 0.3 * 50], rtol=1e-5)
    both = np.concatenate([red, np.zeros_like(red)])
    assert resize.colorfulness(both).shape == (2,)
