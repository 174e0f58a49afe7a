"""Smaller and larger maps against scikit-image and JAX's own resize."""

import jax
import jax.numpy as jnp
import numpy as np
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
