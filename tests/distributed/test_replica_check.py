"""A copy of the state that has come apart is found, and named."""

import jax
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxcolor.distributed import replica_check


def copies(value, broken=()):
    """`value` on every device, but with one bit flipped on the devices `broken`."""
    everywhere = NamedSharding(Mesh(np.array(jax.devices()), ('x',)), PartitionSpec())
    flipped = value.copy()
    flipped.reshape(-1).view(np.uint32)[5] ^= 1
    buffers = [jax.device_put(flipped if i in broken else value, d) for i, d in enumerate(jax.devices())]
    return jax.make_array_from_single_device_arrays(value.shape, everywhere, buffers)


@pytest.fixture
def value():
    return np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)


def test_equal_copies_pass(value):
    replica_check.check(1, {'w': copies(value), 'n': copies(np.zeros((6,), np.int32)), 'none': None})


@pytest.mark.parametrize('device', [0, 3, 7])
def test_one_bit_on_one_device_is_found(value, device):
    with pytest.raises(replica_check.ReplicaMismatchError, match='step 9: the parameters of process 0 are no longer'):
        replica_check.check(9, {'v': copies(value), 'w': copies(value, broken=[device])})


def found(checksums, processes):
    return np.stack([np.asarray(processes, np.uint32), np.asarray(checksums, np.uint32)], axis=1)


@pytest.mark.parametrize(
    ('checksums', 'processes', 'wrong'),
    [
        ([5, 5, 5, 5], [0, 0, 1, 1], []),
        ([5, 5, 7, 7, 5, 5], [0, 0, 1, 1, 2, 2], [1]),
        ([7, 7, 5, 5, 5, 5], [0, 0, 1, 1, 2, 2], [0]),
        ([7, 7, 5, 5], [1, 1, 0, 0], [1]),  # a draw: process 0 is right
        ([5, 5, 5, 7, 6, 5], [0, 0, 1, 1, 2, 2], [1, 2]),  # one device of each
    ],
)
def test_the_minority_is_wrong(checksums, processes, wrong):
    assert replica_check.differing(found(checksums, processes)) == wrong


def test_checksum_sees_every_bit_and_place(value):
    checksum = jax.jit(replica_check.checksum)
    zeros = np.zeros((2,), np.float32)
    states = [{'a': value, 'b': zeros}, {'a': zeros, 'b': value}, {'a': value[::-1], 'b': zeros}]
    states.append({'a': value, 'b': -zeros})  # two signs, which would cancel in a sum
    for place in range(value.size):
        for bit in (0, 13, 31):
            other = value.copy()
            other.reshape(-1).view(np.uint32)[place] ^= np.uint32(1 << bit)
            states.append({'a': other, 'b': zeros})
    assert len({int(checksum(state)) for state in states}) == len(states)
    assert int(checksum(states[0])) == int(checksum({'a': value.copy(), 'b': zeros}))
