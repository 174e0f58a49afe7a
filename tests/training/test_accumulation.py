"""Gradient accumulation: the parameters of the whole batch, in the memory of a part."""

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest

from jaxcolor import config as configs
from jaxcolor.distributed import parallel
from jaxcolor.training import accumulation
from jaxcolor.training.state import build_system, create_state
from jaxcolor.training.train_step import train_step

SIZE = 8


def small(config, *, batch_size=32, norm='instance', **generator):
    """Networks without anything that sees pictures together, unless told otherwise."""
    config.data.update(image_size=SIZE, batch_size=batch_size)
    configs.choose(config, 'generator', 'unet', **{'depth': 2, 'filters': 2, 'norm': norm, **generator})
    configs.choose(config, 'discriminator', 'patchgan', n_layers=1, filters=2, norm=norm)
    for player in ('generator_optimizer', 'discriminator_optimizer'):
        config[player] = ml_collections.ConfigDict({'name': 'sgd', 'learning_rate': 0.02})
    return config


def pictures(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)


def make_step(config, devices):
    """The step on that many devices: (state, image [devices, b, h, w, 3]) -> (state, terms)."""
    system = build_system(config, parallel.AXIS)

    def step(state, image):
        rng = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), state.step), jax.lax.axis_index(parallel.AXIS))
        return train_step(system, state, {'image': image}, rng)

    local = jax.local_devices()[:devices]
    return system, jax.pmap(step, parallel.AXIS, in_axes=(None, 0), out_axes=(None, None), devices=local)


def run(config, *, parts, steps=1, devices=1, state=None):
    config.accumulation_steps = parts
    configs.check(config, devices)
    system, step = make_step(config, devices)
    state = jax.device_get(state or create_state(system, SIZE, jax.random.key(0)))
    for k in range(steps):
        image = pictures(config.data.batch_size, seed=k).reshape(devices, -1, SIZE, SIZE, 3)
        state, terms = jax.block_until_ready(step(state, image))
    return jax.device_get((state, terms))


def assert_trees_close(actual, expected, **tolerance):
    jax.tree.map_with_path(
        lambda path, a, b: np.testing.assert_allclose(a, b, err_msg=jax.tree_util.keystr(path), **tolerance),
        actual,
        expected,
    )


@pytest.mark.parametrize(
    ('adversarial', 'parts', 'updates'),
    [(True, 4, 'alternating'), (True, 4, 'simultaneous'), (False, 2, 'alternating')],
)
def test_parts_equal_the_whole_batch(config, adversarial, parts, updates):
    """Flipped by chance, over 20 steps on 8 devices, by SGD, for Adam would hide a wrong scale."""
    config.updates = updates
    small(config, norm='instance' if adversarial else 'none')
    config.data.flip, config.ema_decay = True, 0.9
    if not adversarial:
        config.discriminator = None
    whole = run(config, parts=1, steps=20, devices=8)
    assert_trees_close(run(config, parts=parts, steps=20, devices=8), whole, rtol=1e-5, atol=1e-5)


def test_statistics_go_from_part_to_part(config):
    """Each part moves BatchNorm's running ones: the generator's once, the discriminator's by fakes, then by truth."""
    small(config, batch_size=4, norm='batch')
    after, _ = run(config, parts=2)
    system = build_system(config, None)  # one device: no axis to reduce over
    state = create_state(system, SIZE, jax.random.key(0))

    @jax.jit
    def expected():
        stats = {player: getattr(state, player).batch_stats for player in ('generator', 'discriminator')}

        def apply(player, *inputs):
            variables = {'params': getattr(state, player).params, 'batch_stats': stats[player]}
            output, updates = getattr(system, player).apply(variables, *inputs, train=True, mutable=['batch_stats'])
            stats[player] = updates['batch_stats']
            return output

        for part in np.split(pictures(4), 2):
            x, y = system.space.split(jnp.asarray(part))
            fake = apply('generator', x)
            apply('discriminator', x, fake)
            apply('discriminator', x, y)
        return stats

    for player, stats in expected().items():
        assert_trees_close(getattr(after, player).batch_stats, stats, rtol=1e-5, atol=1e-6)


def test_both_passes_make_the_same(config):
    """Dropout and singular vectors included.

    A discriminator that hardly learns says the same of the same picture before and after. Where the hinge is not
    reached, what it pays for a fake is 1 + its logit, and what the generator pays is the logit negated.
    """
    small(config, batch_size=4, norm='none', dropout_layers=1, depth=3, spectral_norm=1)
    config.loss.adversarial = 'hinge'
    config.discriminator_optimizer.learning_rate = 1e-30
    state = create_state(build_system(config, None), SIZE, jax.random.key(0))
    louder = jax.tree.map(lambda a: 5 * a, state.discriminator.params)
    state = state.replace(discriminator=state.discriminator.replace(params=louder))
    _, terms = run(config, parts=2, state=state)
    assert abs(terms['adversarial']) > 1e-3
    np.testing.assert_allclose(terms['discriminator_fake'] - 1, -terms['adversarial'], atol=1e-6)


def test_memory_is_that_of_a_part(config):
    small(config, batch_size=256, filters=8)
    config.discriminator = None
    image = jax.ShapeDtypeStruct((1, *pictures(256).shape), np.uint8)

    def temporary(parts):
        config.accumulation_steps = parts
        system, step = make_step(config, devices=1)
        state = jax.eval_shape(lambda: create_state(system, SIZE, jax.random.key(0)))
        return step.lower(state, image).compile().memory_analysis().temp_size_in_bytes

    assert temporary(8) < temporary(1) / 3


def test_split_keeps_the_order_of_pictures():
    rng = jax.random.key(0)
    x = jnp.arange(6.0).reshape(6, 1, 1, 1)
    parts = accumulation.split(accumulation.Microbatch(x, x, rng, rng, rng), 3)
    np.testing.assert_array_equal(parts.x.reshape(3, 2), [[0, 1], [2, 3], [4, 5]])
    assert len(set(np.asarray(jax.random.key_data(parts.generator_rng)[:, 1]).tolist())) == 3
