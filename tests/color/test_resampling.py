"""Smaller and larger maps against scikit-image and JAX's own resize; hints pooled by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.measure import block_reduce

from jaxcolor.color import resampling

X = jax.random.normal(jax.random.key(0), (2, 6, 8, 3))


def test_shrink_takes_the_means_of_blocks():
    want = block_reduce(np.asarray(X), (1, 3, 2, 1), np.mean)
    np.testing.assert_allclose(resampling.shrink(X, (2, 4)), want, atol=1e-6)
    assert resampling.shrink(X, (6, 8)) is X


def test_double_is_linear_interpolation():
    want = jax.image.resize(X, (2, 12, 16, 3), 'linear')
    np.testing.assert_allclose(resampling.double(X), want, atol=1e-6)
    np.testing.assert_allclose(resampling.enlarge(X, (12, 16)), want, atol=1e-6)
    np.testing.assert_allclose(resampling.double(X[:, :1, :1]), jnp.broadcast_to(X[:, :1, :1], (2, 2, 2, 3)))


@pytest.mark.parametrize('size', [(6, 8), (3, 4), (1, 1)])
def test_pooled_hints_are_the_mean_of_those_given(size):
    hints = np.zeros((1, 6, 8, 3), np.float32)
    hints[0, 0, 0] = 0.5, -0.25, 1
    hints[0, 1, 1] = 0.1, 0.05, 1
    pooled = np.asarray(resampling.pool_hints(jnp.asarray(hints), size))
    if size == (6, 8):
        np.testing.assert_allclose(pooled, hints)
    else:
        np.testing.assert_allclose(pooled[0, 0, 0], (0.3, -0.1, 1), atol=1e-6)
        assert not pooled.reshape(-1, 3)[1:].any()
