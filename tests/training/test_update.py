"""Runs on pictures of the host or the devices, in calls of one step or several: all the same run."""

import dataclasses
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxcolor import config as configs
from jaxcolor.data.dataset import Dataset
from jaxcolor.distributed import parallel
from jaxcolor.training import train_metrics
from jaxcolor.training.device_cache import DeviceCache
from jaxcolor.training.schedule import Schedule
from jaxcolor.training.state import build_system, create_state
from jaxcolor.training.throughput import Throughput
from jaxcolor.training.update import train_steps

# Calls of four steps fit from 5 to 9, 10 to 14 and 15 to 19; the warm-up ends inside a would-be call.
SCHEDULE = Schedule(warmup=3, total=20, log=5, evaluate=20, save=20)
STEPS = {1: [*range(1, 21)], 4: [1, 2, 3, 4, 5, 9, 10, 14, 15, 19, 20]}


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    """130 pictures, eight batches and a bit. One is unreadable."""
    folder = tmp_path_factory.mktemp('pictures')
    rng = np.random.default_rng(0)
    for index in range(130):
        coarse = Image.fromarray(rng.integers(0, 256, (3, 3, 3), np.uint8))
        coarse.resize((16, 16), Image.Resampling.BICUBIC).save(folder / f'{index:03}.png')
    (folder / '007.png').write_bytes((folder / '007.png').read_bytes()[:50])
    return folder


@pytest.fixture
def config(config, pictures):
    config.data.update(source=f'folder:{pictures}', crop='center', flip=True, batch_size=16)
    configs.choose(config, 'generator', 'unet', depth=1, filters=4, dropout_layers=0)
    for player in ('generator_optimizer', 'discriminator_optimizer'):
        config[player].learning_rate = 0.01  # so slow that rounding errors don't grow
    return config


def run(config, players, cache, steps_per_call, start=None):
    """Plays to the end; returns the states after each call and, of each fifth step, the losses."""
    config.data.cache = cache
    config.steps_per_call = steps_per_call
    if players == 'alone':
        config.discriminator = None
    system = build_system(config, parallel.AXIS)
    if start is None:
        start = create_state(system, config.data.image_size, jax.random.key(0))
    states, losses = {}, {}
    for step, state, throughput in train_steps(
        config, Dataset(config.data), system, parallel.replicate(start), SCHEDULE
    ):
        states[step] = jax.device_get(state)
        assert states[step].step == step
        if SCHEDULE.due(SCHEDULE.log, step):
            losses[step] = throughput.read()
    return states, losses


@pytest.fixture(scope='module')
def references():
    """Games that have been played with one step a call, read by the host; by name."""
    return {}


@pytest.fixture
def reference(config, references):
    def run_once(players):
        if players not in references:
            references[players] = run(config.copy_and_resolve_references(), players, 'host', 1)
        return references[players]

    return run_once


def assert_same(states, losses, reference):
    for step, state in states.items():
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), state, reference[0][step])
    for step, values in losses.items():
        for name in reference[1][step].keys() - {'images_per_second', 'input_wait', 'unreadable'}:
            assert values[name] == pytest.approx(reference[1][step][name], rel=1e-4), (step, name)


@pytest.mark.parametrize('players', ['alone', 'together'])
def test_the_reference_moves(reference, players):
    """Or else all that equals it would say little."""
    states, losses = reference(players)
    assert list(states) == STEPS[1]
    assert list(losses) == [5, 10, 15, 20]
    first, last = (jax.tree.leaves(states[step].generator.params) for step in (1, 20))
    assert all(np.abs(a - b).max() > 1e-3 for a, b in zip(first, last, strict=True))
    assert losses[20]['unreadable'] == 1


@pytest.mark.parametrize(
    ('players', 'cache', 'steps_per_call'), [('alone', 'host', 4), ('alone', 'device', 1), ('together', 'device', 4)]
)
def test_the_same_run(config, reference, players, cache, steps_per_call):
    states, losses = run(config, players, cache, steps_per_call)
    assert list(states) == STEPS[steps_per_call]
    assert list(losses) == [5, 10, 15, 20]
    assert_same(states, losses, reference(players))
    assert losses[20]['unreadable'] == 1
    assert all(('discriminator_loss' in line) == (players == 'together') for line in losses.values())


@pytest.mark.parametrize(('players', 'cache'), [('alone', 'host'), ('together', 'device')])
def test_resumption_in_the_middle_of_an_epoch_and_of_a_call(config, reference, players, cache):
    states, losses = run(config, players, cache, 4, start=reference(players)[0][11])
    assert list(states) == [15, 19, 20]
    del losses[15]  # a mean since step 11
    assert_same(states, losses, reference(players))


def test_throughput_leaves_out_what_is_done_in_a_pause(monkeypatch):
    clock = SimpleNamespace(now=100.0)

    class Slow(DeviceCache):
        def fetch(self, steps):
            clock.now += 0.5
            return self.images

    feed = Slow(jnp.zeros((1, 4, 4, 3), jnp.uint8), unreadable=2, batch_size=8, seed=0)
    monkeypatch.setattr('time.perf_counter', lambda: clock.now)
    throughput = Throughput(10, adversarial=False)
    throughput.metrics = train_metrics.add(
        throughput.metrics, dict.fromkeys(train_metrics.GENERATOR_TERMS, jnp.ones(())), jnp.ones((), jnp.int32)
    )
    throughput.fetch(feed, 8)
    clock.now += 1.5
    with throughput.paused():
        throughput.fetch(feed, 100)
        clock.now += 50
    throughput.fetch(dataclasses.replace(feed, unreadable=3), 1)
    clock.now += 0.5
    values = throughput.read()
    assert values['images_per_second'] == 9 * 10 / 3
    assert values['input_wait'] == pytest.approx(1 / 3)
    assert values['unreadable'] == 3
