import numpy as np
import pytest
from PIL import Image

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
