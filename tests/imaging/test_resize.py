import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from jaxcolor.imaging import resize

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))


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


@pytest.mark.parametrize('shape', [(96, 160), (40, 40), (33, 20)])
def test_squash_is_pillows_scaling_of_both_sides(shape):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8))
    whole = noise.resize((32, 32), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(resize.fit(noise, 32, squash=True), np.asarray(whole))
    window = resize.fit(noise, 24, 0.999, 0.0, side=32, squash=True).astype(int)
    assert np.abs(window - np.asarray(whole)[:24, 8:]).max() <= 2  # rounded twice


@pytest.mark.parametrize(('degrees', 'turns'), [(90.0, 1), (180.0, 2), (-90.0, 3)])
def test_quarter_turns_are_exact(degrees, turns):
    """Counter-clockwise, about the middle of the square that is cut out."""
    pixels = np.asarray(NOISE)
    turned = resize.fit(NOISE, 64, degrees=degrees)
    np.testing.assert_array_equal(turned, np.rot90(pixels, turns))
    inner = resize.fit(NOISE, 32, 0.5, 0.5, side=64, degrees=degrees)
    np.testing.assert_array_equal(inner, np.rot90(pixels[16:48, 16:48], turns))


@pytest.mark.parametrize('degrees', [7.0, -30.0, 45.0, 135.0])
def test_a_turn_equals_scipys_of_the_mirrored_picture(degrees):
    """What is beyond the edges is mirrored; what the picture has beside the square is shown."""
    x, y = np.meshgrid(np.arange(96), np.arange(64))
    smooth = np.stack([2 * x + 20, 3 * y + 20, 127 + 100 * np.sin((x + 2 * y) / 15)], -1).astype(np.uint8)
    top, left = 0, int(0.8 * (96 - 48 + 1))
    inner = resize.fit(Image.fromarray(smooth), 48, 0.8, 0.0, side=64, degrees=degrees).astype(float)
    wide = np.pad(smooth, ((64, 64), (64, 64), (0, 0)), 'symmetric')[top + 32 : top + 144, left + 32 : left + 144]
    expected = ndimage.rotate(wide.astype(float), degrees, reshape=False, order=3)[32:80, 32:80]
    assert np.abs(inner - expected).mean() < 0.7  # Pillow cuts fractions off
    assert np.abs(inner - expected).max() < 12  # at the mirrored edges, where kernels differ
    assert inner.min() > 5


def test_a_turned_strip_costs_no_more_than_the_square():
    assert resize.fit(Image.new('RGB', (2, 60_000), 'red'), 16, degrees=45.0).tolist() == [[[255, 0, 0]] * 16] * 16
    assert resize.fit(Image.new('RGB', (1, 1), 'red'), 16, degrees=30.0).tolist() == [[[255, 0, 0]] * 16] * 16
