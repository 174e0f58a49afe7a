"""Hints on coarser grids, pooled by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxcolor.color.hints import pool_hints


@pytest.mark.parametrize('size', [(6, 8), (3, 4), (1, 1)])
def test_pooled_hints_are_the_mean_of_those_given(size):
    hints = np.zeros((1, 6, 8, 3), np.float32)
    hints[0, 0, 0] = 0.5, -0.25, 1
    hints[0, 1, 1] = 0.1, 0.05, 1
    pooled = np.asarray(pool_hints(jnp.asarray(hints), size))
    if size == (6, 8):
        np.testing.assert_allclose(pooled, hints)
    else:
        np.testing.assert_allclose(pooled[0, 0, 0], (0.3, -0.1, 1), atol=1e-6)
        assert not pooled.reshape(-1, 3)[1:].any()
