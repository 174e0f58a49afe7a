"""Statistics taken anew: those of the pictures shown, and nothing else changes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcolor import config as configs
from jaxcolor.checkpoints.model import Model, build
from jaxcolor.errors import UserError
from jaxcolor.training.batch_statistics import renew


def model(norm):
    config = configs.default()
    configs.choose(config, 'generator', 'unet', depth=2, filters=4, norm=norm)
    space, generator = build(config)
    variables = jax.jit(lambda key: generator.init(key, jnp.zeros((1, 16, 16, 1)), train=False))(jax.random.key(0))
    return Model(config, 1, space, generator, {'batch_stats': {}, **jax.tree.map(np.asarray, dict(variables))})


def test_statistics_are_those_of_the_pictures():
    before = model('batch')
    image = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), np.uint8)
    after = renew(before, [image] * 100)  # 0.9 ** 100 of the old ones is left

    @jax.jit
    def seen_once_more(variables):
        x, _ = before.space.split(jnp.asarray(image))
        return before.generator.apply(variables, x, train=True, mutable=['batch_stats'])[1]['batch_stats']

    def move(one, other):
        moved = jax.tree.map(lambda a, b: float(np.abs(a - b).max()), one, other)
        return max(jax.tree.leaves(moved))

    stats = after.variables['batch_stats']
    assert move(seen_once_more(after.variables), stats) < 1e-4 * move(stats, before.variables['batch_stats'])
    jax.tree.map(np.testing.assert_array_equal, after.variables['params'], before.variables['params'])


def test_a_generator_without_statistics():
    with pytest.raises(UserError, match="generator 'unet' has no BatchNorm"):
        renew(model('none'), [])
