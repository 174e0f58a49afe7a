"""The order on the device, against Grain's."""

import functools

import grain
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcolor.data import pipeline, shuffle

shuffled = jax.jit(shuffle.shuffled, static_argnames=('count', 'seed'))


def grains_order(count, seed, epoch, places):
    dataset = grain.MapDataset.range(count).shuffle(seed=seed).repeat()
    return [int(dataset[epoch * count + int(place)]) for place in places]


@pytest.mark.parametrize(
    ('count', 'seed'),
    [
        (1, 0),
        (2, 2**32 - 1),
        (3, 1),
        (1000, 0),
        (1000, 2**32 - 1),
        (50_000, 1),
        (65_536, 0),
        (65_537, 3),  # where Grain itself takes a picture twice
        (65_538, 3),
        (2**18, 5),
        (shuffle.MAX_PICTURES, 8),
    ],
)
def test_every_place_is_grains(count, seed):
    """In the first epochs, and where the seed and the epoch together pass 2^32; of large sets, a few thousand."""
    step = max(1, count // 1000)
    places = np.unique(np.r_[np.arange(0, count, step), count - 1])
    for epoch in (0, 1, 2**32 - 1):
        actual = shuffled(jnp.full(len(places), epoch, jnp.uint32), jnp.asarray(places, jnp.uint32), count, seed)
        assert actual.tolist() == grains_order(count, seed, epoch, places)


def test_whole_epochs():
    """Epochs of one call may differ from row to row; each shows every picture once."""
    count, seed = 4099, 11
    epoch, place = np.divmod(np.arange(3 * count, dtype=np.uint32), np.uint32(count))
    actual = np.asarray(shuffled(jnp.asarray(epoch), jnp.asarray(place), count, seed)).reshape(3, count)
    assert (np.sort(actual) == np.arange(count)).all()
    for epoch in range(3):
        assert actual[epoch].tolist() == grains_order(count, seed, epoch, range(count))


@pytest.mark.parametrize(
    ('batch_size', 'count'),
    [
        (64, 50_000),
        (50, 7),  # several epochs a batch
        (7, 7),
        (1, 1),
        (4096, 1_281_167),
        (2**31 - 1, shuffle.MAX_PICTURES),
        (shuffle.MAX_PICTURES - 1, shuffle.MAX_PICTURES),
    ],
)
def test_where_batches_start(batch_size, count):
    """Against integers without end, up to the last step that a state can count."""
    steps = np.r_[0:5, 2**15, 2**16 + 1, 10**6, 123_456_789, 2**31 - 2 : 2**31].astype(np.int32)
    epoch, place = jax.jit(shuffle.batch_starts, static_argnums=(1, 2))(jnp.asarray(steps), batch_size, count)
    expected = [divmod(int(step) * batch_size, count) for step in steps]
    assert place.tolist() == [place for _, place in expected]
    assert epoch.tolist() == [epoch % 2**32 for epoch, _ in expected]


def test_rows_of_batches():
    count, batch_size, seed = 20, 8, 3
    rows = jnp.arange(1, batch_size, 2, dtype=jnp.int32)
    steps = jnp.asarray([2, 3, 2**31 - 1], jnp.int32)
    actual = jax.jit(functools.partial(shuffle.batches, batch_size=batch_size, count=count, seed=seed))(steps, rows)
    dataset = grain.MapDataset.range(count).shuffle(seed=seed).repeat()
    expected = [[int(dataset[step * batch_size + row]) % count for row in (1, 3, 5, 7)] for step in steps.tolist()]
    assert actual.tolist() == expected


def test_the_order_stays_from_version_to_version():
    """A run that has begun goes on in the order that it began in."""
    seed = pipeline.order_seed(5)
    assert grains_order(50_000, seed, 0, range(3)) == [6714, 21272, 48799]
    assert grains_order(50_000, seed, 1, [10_000]) == [8971]
