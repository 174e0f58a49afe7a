"""Variants, and the white balance that makes two of them."""

import numpy as np
import pytest
from helpers.hinted import obedient
from skimage import color

from jaxcolor.errors import UserError
from jaxcolor.inference import variants, white_balance
from jaxcolor.inference.options import Options


@pytest.fixture(scope='module')
def colorizer():
    return obedient()


def test_each_variant_is_one_of_its_own(colorizer):
    image = np.random.default_rng(0).uniform(0.3, 0.7, (16, 16)).astype(np.float32)
    had = variants.of(colorizer)
    assert list(had) == ['default', 'vivid', 'warm', 'cool']  # a palette has more
    colorings = [colorizer(image, **options) for options in had.values()]
    for i, one in enumerate(colorings):
        for other in colorings[:i]:
            assert np.abs(one - other).max() > 0.02
    assert len(variants.VARIANTS) == 6
    for options in variants.VARIANTS.values():
        Options(**options)


def test_warmth_is_the_light_of_d50(colorizer):
    """scikit-image has both white points: what is grey in one light is what the other's white is to it."""
    image = np.full((16, 16), 0.6, np.float32)
    plain, warm = colorizer(image), colorizer(image, warmth=1.0)
    xyz = color.lab2xyz(color.rgb2lab(plain))
    d65, d50 = (np.array(color.xyz_tristimulus_values(illuminant=name, observer='2')) for name in ('D65', 'D50'))
    expected = color.xyz2lab(xyz * d50 / d65)
    np.testing.assert_allclose(color.rgb2lab(warm), expected, atol=0.3)
    assert (color.rgb2lab(warm)[..., 2] > color.rgb2lab(plain)[..., 2] + 5).all()
    assert (color.rgb2lab(colorizer(image, warmth=-1.0))[..., 2] < color.rgb2lab(plain)[..., 2] - 5).all()


def test_no_warmth_changes_nothing(colorizer):
    image = np.random.default_rng(0).integers(0, 256, (40, 30), np.uint8)
    np.testing.assert_array_equal(colorizer(image, warmth=0.0), colorizer(image))
    assert not colorizer(np.zeros((16, 16), np.uint8), warmth=1.0).any()  # black stays black, and so does white
    assert (colorizer(np.full((16, 16), 255, np.uint8), warmth=1.0) == 255).all()


def test_undo_is_the_inverse():
    rng = np.random.default_rng(0)
    functions = rng.normal(0, 20, (50, 4)).astype(np.float32)
    lightness = rng.uniform(0, 100, (50, 1)).astype(np.float32)

    def chroma(functions):
        return functions[:, :2] * lightness / 100 + functions[:, 2:]

    warmed = chroma(white_balance.warm(functions, 0.7))
    np.testing.assert_allclose(white_balance.undo(lightness, warmed, 0.7), chroma(functions), atol=1e-3)


def test_warmth_has_bounds(colorizer):
    for warmth in (-1.01, float('nan')):
        with pytest.raises(UserError, match=f'warmth={warmth} is out of range; use -1'):
            colorizer(np.zeros((4, 4), np.uint8), warmth=warmth)
