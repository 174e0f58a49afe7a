"""Statistics taken anew: those of training pictures, of the parameters that are used, and nothing else changes."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcolor import config as configs
from jaxcolor.data import pipeline
from jaxcolor.data.dataset import Dataset
from jaxcolor.distributed import parallel
from jaxcolor.errors import UserError
from jaxcolor.training import batch_statistics
from jaxcolor.training.schedule import Schedule
from jaxcolor.training.state import build_system, create_state
from jaxcolor.training.train_step import train_step


def renewed(config):
    """A state whose averaged parameters are others than those in training, before and after."""
    dataset, system = Dataset(config.data), build_system(config, parallel.AXIS)
    before = create_state(system, config.data.image_size, jax.random.key(0))
    if before.ema_params is not None:
        before = before.replace(ema_params=jax.tree.map(lambda leaf: 1.5 * leaf, before.ema_params))
    renew = batch_statistics.make_renew(config, dataset, system, Schedule(0, 9, 9, 9, 9))
    return dataset, before, renew(parallel.replicate(before))


@pytest.mark.parametrize(('generator', 'momentum'), [('unet', 0.9), ('dcgan', 0.99)])
def test_they_are_the_means_over_nine_batches(config, generator, momentum):
    """What one device makes of each whole batch, from running statistics of 0."""
    configs.choose(config, 'generator', generator, filters=4, **({'depth': 3} if generator == 'unet' else {}))
    config.ema_decay = 0.9
    dataset, before, after = renewed(config)
    alone = build_system(config, None)
    params, zeros = before.ema_params, jax.tree.map(np.zeros_like, before.generator.batch_stats)

    @jax.jit
    def follow(image):
        variables, x = {'params': params, 'batch_stats': zeros}, alone.space.split(image)[0]
        options = {'train': True, 'mutable': ['batch_stats'], 'rngs': {'dropout': jax.random.key(0)}}
        return alone.generator.apply(variables, x, **options)[1]['batch_stats']

    batches = itertools.islice(pipeline.train_batches(dataset, seed=config.seed), 9)
    each = [follow(batch['image']) for batch in batches]
    expected = jax.tree.map(lambda *values: np.mean(values, axis=0) / (1 - momentum), *each)
    assert jax.tree.leaves(expected)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-4, 1e-5), after.generator.batch_stats, expected)
    for name in ('params', 'opt_state'):
        jax.tree.map(np.testing.assert_array_equal, getattr(after.generator, name), getattr(before.generator, name))
    jax.tree.map(np.testing.assert_array_equal, after.ema_params, before.ema_params)


def test_they_do_not_depend_on_those_before(config):
    config.ema_decay = 0.9
    dataset, system = Dataset(config.data), build_system(config, parallel.AXIS)
    state = create_state(system, config.data.image_size, jax.random.key(0))
    other = jax.tree.map(lambda leaf: leaf + 3, state.generator.batch_stats)
    other = state.replace(generator=state.generator.replace(batch_stats=other))
    renew = batch_statistics.make_renew(config, dataset, system, Schedule(0, 9, 9, 9, 9))
    one, two = (renew(parallel.replicate(s)).generator.batch_stats for s in (state, other))
    jax.tree.map(np.testing.assert_array_equal, one, two)


def test_without_an_average_or_hints_they_are_those_of_training(config):
    _, before, after = renewed(config)
    assert before.generator.batch_stats
    jax.tree.map(np.testing.assert_array_equal, after, before)


def test_fixed_ones_are_those_of_the_model_that_a_run_starts_from(config):
    """In training as in inference: a step sees them, and leaves them; no batch of pictures renews them."""
    config.update(ema_decay=0.9, init_from='model.safetensors', norm_statistics='fixed')
    dataset, before, after = renewed(config)
    jax.tree.map(np.testing.assert_array_equal, after.generator.batch_stats, before.generator.batch_stats)
    system = build_system(config, parallel.AXIS)
    statistics = jax.tree.map(lambda leaf: leaf + 0.5, before.generator.batch_stats)
    state = before.replace(generator=before.generator.replace(batch_stats=statistics))
    image = jnp.asarray(next(pipeline.train_batches(dataset, seed=0))['image'])
    x, y = system.space.split(image)
    fake = build_system(config, None).generator.apply(state.generator.variables, x, train=False)
    update = parallel.pmap(
        lambda state, image: train_step(system, state, {'image': image}, jax.random.key(0)), in_axes=(None, 0)
    )
    stepped, terms = update(parallel.replicate(state), image.reshape(8, 1, *image.shape[1:]))
    assert jax.tree.leaves(statistics)
    jax.tree.map(np.testing.assert_array_equal, stepped.generator.batch_stats, statistics)
    np.testing.assert_allclose(terms['reconstruction'], np.abs(fake - y).mean(), 1e-5)
    assert jax.tree.leaves(stepped.discriminator.batch_stats)


def test_fixed_ones_need_a_model_and_no_dropout(config):
    config.norm_statistics = 'fixed'
    with pytest.raises(UserError, match=r"norm_statistics='fixed' keeps those of a model; name one in init_from"):
        build_system(config, None)
    config.init_from = 'jaxcolor'
    config.generator.dropout_layers = 1
    with pytest.raises(UserError, match=r"norm_statistics='fixed', but generator 'unet' drops out in training"):
        build_system(config, None)
