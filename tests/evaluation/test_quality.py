import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.color

from jaxcolor.color.convert import to_float
from jaxcolor.evaluation import metrics, quality
from jaxcolor.evaluation.scores import worse_than_grey


@pytest.fixture(scope='module')
def true():
    """Soft pictures, none of whose colours sRGB's sides come near; more than a batch."""
    return np.random.default_rng(0).integers(90, 160, (19, 16, 16, 3), np.uint8)


def as_float(images):
    return to_float(jnp.asarray(images))


def test_grey_keeps_lightness(true):
    grey = quality.grey(true)
    assert (grey == grey[..., :1]).all()
    lightness = [skimage.color.rgb2lab(images)[..., 0] for images in (grey, true)]
    np.testing.assert_allclose(*lightness, atol=0.3)


def test_mean_color_is_each_pictures_own(true):
    lab, expected = (skimage.color.rgb2lab(images) for images in (quality.mean_color(true), true))
    np.testing.assert_allclose(lab[..., 0], expected[..., 0], atol=0.4)
    mean = expected[..., 1:].mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(lab[..., 1:], np.broadcast_to(mean, lab[..., 1:].shape), atol=1)


def test_means_are_over_the_pictures_that_there_are(true):
    grey = quality.grey(true)
    expected = jax.jit(metrics.compare)(as_float(grey), as_float(true))
    for name, value in quality.measure(grey, true).items():
        np.testing.assert_allclose(value, np.mean(expected[name]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('count', [1, 16, 17])
def test_batches_have_one_size(count):
    sizes = []

    def double(rows, others):
        sizes.append(len(rows))
        return {'doubled': 2 * rows, 'both': rows + others}

    rows = np.arange(count)
    result = quality.in_batches(double, rows, 10 * rows)
    np.testing.assert_array_equal(result['doubled'], 2 * rows)
    np.testing.assert_array_equal(result['both'], 11 * rows)
    assert len(set(sizes)) == 1


def test_what_is_worse_than_grey_is_named():
    grey = {'psnr': 24.0, 'ssim': 0.9, 'mae': 0.06, 'delta_e': 10.0, 'colorfulness': 0.0}
    assert worse_than_grey(grey, grey) == ''
    assert worse_than_grey(grey | {'psnr': 25.0, 'ssim': 0.91, 'mae': 0.05, 'delta_e': 9.0}, grey) == ''
    assert worse_than_grey(grey | {'psnr': 23.9, 'delta_e': 10.1}, grey) == 'PSNR, Delta E'
