import jax.numpy as jnp
import numpy as np
import pytest

from jaxcolor.color.colorfulness import colorfulness


@pytest.mark.parametrize('asarray', [np.asarray, jnp.asarray])
def test_colorfulness(asarray):
    # By hand: grey has none; one flat red has no spread and 0.3 |mean|; two opponents have no mean.
    grey = np.repeat(np.arange(48, dtype=np.float32).reshape(1, 4, 4, 3)[..., :1], 3, axis=-1)
    red = np.full((1, 4, 4, 3), (200, 0, 0), np.float32)
    opponents = np.zeros((1, 2, 2, 3), np.float32)
    opponents[0, 0, :, 0] = opponents[0, 1, :, 1] = 100  # rg is 100 and -100, yb is 50 throughout
    np.testing.assert_allclose(colorfulness(asarray(grey)), [0.0], atol=1e-5)
    np.testing.assert_allclose(colorfulness(asarray(red)), [0.3 * np.hypot(200, 100)], rtol=1e-5)
    np.testing.assert_allclose(colorfulness(asarray(opponents)), [100 + 0.3 * 50], rtol=1e-5)
    both = np.concatenate([red, np.zeros_like(red)])
    assert colorfulness(asarray(both)).shape == (2,)
