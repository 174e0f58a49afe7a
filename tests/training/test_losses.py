"""Losses against values worked out by hand and against optax."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import log_softmax, softmax

from jaxcolor.color.palette import Palette
from jaxcolor.color.spaces import Lab
from jaxcolor.training import losses

REAL = jnp.asarray([[2.0, -1.0], [0.5, 0.0]])
SHARES = (0.4, 0.3, 0.15, 0.1, 0.05)
FAKE = jnp.asarray([[-3.0, 1.5], [0.25, -0.75]])


@pytest.mark.parametrize('smoothing', [0.0, 0.1])
def test_vanilla_is_sigmoid_cross_entropy(smoothing):
    real, fake = losses.discriminator_loss('vanilla', REAL, FAKE, smoothing)
    expected_real = optax.sigmoid_binary_cross_entropy(REAL, jnp.full_like(REAL, 1 - smoothing / 2)).mean()
    expected_fake = optax.sigmoid_binary_cross_entropy(FAKE, jnp.full_like(FAKE, smoothing / 2)).mean()
    np.testing.assert_allclose(real, expected_real, rtol=1e-6)
    np.testing.assert_allclose(fake, expected_fake, rtol=1e-6)


def test_vanilla_survives_certainty():
    real, fake = losses.discriminator_loss('vanilla', jnp.asarray([-200.0]), jnp.asarray([200.0]))
    np.testing.assert_allclose([real, fake], [200.0, 200.0], rtol=1e-6)


def test_lsgan_by_hand():
    real, fake = losses.discriminator_loss('lsgan', REAL, FAKE)
    np.testing.assert_allclose(real, (1 + 4 + 0.25 + 1) / 4)
    np.testing.assert_allclose(fake, (9 + 2.25 + 0.0625 + 0.5625) / 4)
    np.testing.assert_allclose(losses.generator_loss('lsgan', FAKE), (16 + 0.25 + 0.5625 + 3.0625) / 4)


def test_hinge_by_hand():
    real, fake = losses.discriminator_loss('hinge', REAL, FAKE)
    np.testing.assert_allclose(real, (0 + 2 + 0.5 + 1) / 4)
    np.testing.assert_allclose(fake, (0 + 2.5 + 1.25 + 0.25) / 4)
    np.testing.assert_allclose(losses.generator_loss('hinge', FAKE), 0.5)


@pytest.mark.parametrize('kind', losses.ADVERSARIAL)
def test_players_want_opposite_things(kind):
    """A verdict closer to *real* pleases the generator and displeases the discriminator."""
    doubted, believed = jnp.asarray([0.1]), jnp.asarray([0.7])
    assert losses.generator_loss(kind, believed) < losses.generator_loss(kind, doubted)
    real = jnp.asarray([1.0])
    assert losses.discriminator_loss(kind, real, believed)[1] > losses.discriminator_loss(kind, real, doubted)[1]


def test_reconstruction_by_hand():
    prediction, target = (jnp.asarray(row).reshape(1, 2, 2, 1) for row in ([1.0, -1.0, 0.0, 0.5], [0.0, 1.0, 0.0, 1.0]))
    np.testing.assert_allclose(losses.l1(prediction, target), 3.5 / 4)
    np.testing.assert_allclose(losses.l2(prediction, target), 5.25 / 4)


def test_cross_entropy_by_hand():
    """Two pixels of three classes, by logarithms of odds."""
    logits = jnp.log(jnp.asarray([[[[1.0, 2.0, 1.0], [5.0, 1.0, 4.0]]]]))
    labels = jnp.asarray([[[[1], [1]]]])
    np.testing.assert_allclose(losses.cross_entropy(logits, labels), np.log([4 / 2, 10 / 1]).mean(), rtol=1e-6)
    labels = jnp.asarray([[[[0], [2]]]])
    weights = jnp.asarray([3.0, 1.0, 0.5])
    expected = (3 * np.log(4) + 0.5 * np.log(10 / 4)) / 2
    np.testing.assert_allclose(losses.cross_entropy(logits, labels, weights), expected, rtol=1e-6)


def test_cross_entropy_agrees_with_scipy():
    rng = np.random.default_rng(0)
    logits, labels = 5 * rng.standard_normal((2, 8, 8, 24)), rng.integers(0, 24, (2, 8, 8, 1))
    weights = rng.uniform(0.1, 5, 24)
    terms = -np.take_along_axis(log_softmax(logits, axis=-1), labels, axis=-1)
    jaxed = jnp.float32(logits), jnp.int32(labels)
    np.testing.assert_allclose(losses.cross_entropy(*jaxed), terms.mean(), rtol=1e-5)
    weighted = losses.cross_entropy(*jaxed, jnp.float32(weights))
    np.testing.assert_allclose(weighted, (weights[labels] * terms).mean(), rtol=1e-5)


def test_soft_cross_entropy_agrees_with_scipy():
    rng = np.random.default_rng(0)
    centers = rng.uniform(-60, 60, (5, 2))
    palette = Palette(5, 'lab', sigma=20.0, rebalance=0.5, centers=tuple(map(tuple, centers)), frequencies=SHARES)
    logits, target = 5 * rng.standard_normal((2, 4, 4, 5)), rng.uniform(-60, 60, (2, 8, 8, 2))
    means = target.reshape(2, 4, 2, 4, 2, 2).mean((2, 4))
    distances = ((means[..., None, :] - centers) ** 2).sum(-1)
    q = softmax(-distances / (2 * 20**2), axis=-1)
    terms = -(q * log_softmax(logits, axis=-1)).sum(-1)
    weights = q @ np.asarray(palette.class_weights())
    jaxed = jnp.float32(logits), jnp.float32(target)
    got = losses.reconstruction('cross_entropy', palette)(*jaxed)
    np.testing.assert_allclose(got, (weights * terms).mean(), rtol=1e-5)
    plain = losses.reconstruction('cross_entropy', dataclasses.replace(palette, rebalance=0.0))(*jaxed)
    np.testing.assert_allclose(plain, terms.mean(), rtol=1e-5)


def test_cross_entropy_survives_certainty():
    logits, labels = jnp.asarray([[[[1000.0, 0.0], [0.0, 1000.0]]]]), jnp.zeros((1, 1, 2, 1), jnp.int32)
    np.testing.assert_allclose(losses.cross_entropy(logits, labels), 500.0)
    gradient = jax.grad(losses.cross_entropy)(logits, labels, jnp.asarray([2.0, 1.0]))
    np.testing.assert_allclose(gradient, [[[[0.0, 0.0], [-1.0, 1.0]]]], atol=1e-6)


def test_reconstruction_by_name():
    assert losses.reconstruction('l1', Lab()) is losses.l1
    assert losses.reconstruction('l2', Lab()) is losses.l2
