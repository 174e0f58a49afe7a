"""Likely colours, and hints given to the model that comes with the package."""

import jax.numpy as jnp
import numpy as np
import pytest
from skimage import color

from jaxcolor import Colorizer
from jaxcolor.color.palette import Palette
from jaxcolor.data.bundled import photograph
from jaxcolor.errors import UserError
from jaxcolor.inference import likely, network

CENTERS = ((0.0, 0.0), (5.0, 0.0), (40.0, 20.0), (-30.0, 30.0))
LAB = np.array([(50.0, *center) for center in CENTERS], np.float32)
EVEN = LAB[:, 1:]  # far enough apart, or near enough, whatever the scale


def test_similar_colours_are_merged():
    probabilities = np.array([0.2, 0.2, 0.35, 0.25])
    colors, shares = likely.few(np.log(probabilities).astype(np.float32), LAB, EVEN, 8)
    np.testing.assert_allclose(shares, [0.4, 0.35, 0.25], atol=1e-6)
    np.testing.assert_allclose(colors, [(50, 2.5, 0), (50, 40, 20), (50, -30, 30)], atol=1e-4)
    colors, shares = likely.few(np.log(probabilities).astype(np.float32), LAB, EVEN, 2)
    np.testing.assert_allclose(shares, [0.4, 0.35], atol=1e-6)
    assert (
        len(likely.few(np.array([20, 0, 0, 0], np.float32), LAB, EVEN, 8)[0]) == 1
    )  # what is hardly possible is no colour


@pytest.mark.parametrize('basis', ['lab', 'luv', 'rgb'])
def test_classes_of_every_basis(basis):
    centers = ((100.0, 40.0, 30.0), (20.0, 90.0, 200.0)) if basis == 'rgb' else ((20.0, 10.0), (-10.0, 30.0))
    space = Palette(size=2, basis=basis, centers=centers)
    lab, even = map(np.asarray, likely.classes(np.float32(60), space=space))
    np.testing.assert_allclose(lab[:, 0], 60, atol=1e-3)
    if basis == 'lab':
        expected = np.array(centers)
    elif basis == 'luv':
        expected = color.rgb2lab(color.luv2rgb(np.array([[(60, *center) for center in centers]])))[0, :, 1:]
    else:
        expected = color.rgb2lab(np.array([centers]) / 255)[0, :, 1:]
    np.testing.assert_allclose(lab[:, 1:], expected, atol=0.5)
    chroma = np.hypot(*lab[:, 1:].T)
    np.testing.assert_allclose(np.hypot(*even.T), np.log1p(0.045 * chroma) / 0.045, rtol=1e-5)
    np.testing.assert_allclose(np.arctan2(*even.T), np.arctan2(*lab[:, 1:].T), atol=1e-5)


def test_colours_as_text():
    lab = color.rgb2lab(np.array([[(0x8A, 0x5A, 0x3C), (0, 0, 0xFF)]]) / 255)[0].astype(np.float32)
    assert likely.to_hex(lab) == ['#8a5a3c', '#0000ff']


def test_a_hint_reaches_so_far():
    """By hand: 1 at a hint, a Gaussian of the distance to the nearest, a fifth of the shorter side wide."""
    hints = np.zeros((1, 10, 20, 3), np.float32)
    hints[0, 3, 4, 2] = hints[0, 8, 15, 2] = 1
    near = np.asarray(network.near(jnp.asarray(hints), (10, 20)))[0, ..., 0]
    rows, columns = np.mgrid[:10, :20]
    square = np.minimum((rows - 3) ** 2 + (columns - 4) ** 2, (rows - 8) ** 2 + (columns - 15) ** 2)
    np.testing.assert_allclose(near, np.exp(-square / (2 * 2.0**2)), atol=1e-5)
    assert not np.asarray(network.near(jnp.zeros_like(hints), (40, 80))).any()


def test_the_model_that_comes_along_follows_a_hint_and_says_what_is_likely():
    """At the place, within what is just noticeable in a photograph; far from it little changes."""
    colorizer = Colorizer()
    assert colorizer.describe()['takes_hints']
    image = np.asarray(photograph('astronaut').convert('L').resize((240, 240)))
    x, y = 146, 152  # the suit, evenly grey
    colors = colorizer.likely_colors(image, x, y)
    shares = [share for _, share in colors]
    assert 2 <= len(colors) <= 8
    assert shares == sorted(shares, reverse=True)
    assert 0.7 < sum(shares) <= 1.0001
    own = color.rgb2lab(np.repeat(image[..., None], 3, axis=2) / 255)[y, x, 0]
    for text, _ in colors:
        lab = color.rgb2lab(np.array([[list(bytes.fromhex(text[1:]))]]) / 255)[0, 0]
        assert abs(lab[0] - own) < 12  # of the small copy, in which a pixel is the mean of several
    plain = color.rgb2lab(colorizer(image) / 255)
    # Each far from what it guesses there.
    for left, top, text in ((x, y, '#5060a0'), (x, y, '#40a050'), (30, 200, '#a05048')):
        wanted = color.rgb2lab(np.array([[list(bytes.fromhex(text[1:]))]]) / 255)[0, 0, 1:]
        found = color.rgb2lab(colorizer(image, hints=[(left, top, text)]) / 255)
        before = np.linalg.norm(plain[top, left, 1:] - wanted)
        assert np.linalg.norm(found[top, left, 1:] - wanted) < 0.2 * before
        assert np.abs(found - plain)[:60, :60].max() < 5
    likelier = dict(colorizer.likely_colors(image, x, y, hints=[(x, y, '#5060a0')]))
    assert max(likelier, key=likelier.get)[5:] > max(likelier, key=likelier.get)[1:3]  # blue
    with pytest.raises(UserError, match='outside the picture of 240 x 240'):
        colorizer.likely_colors(image, 240, 0)
