"""Whether all devices of all hosts still hold the same numbers, bit for bit; one that does not has faulty hardware."""

import collections
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, UInt32

from jaxcolor.distributed import parallel


class ReplicaMismatchError(Exception):
    """Copies have come apart; the message names the processes that differ from most."""

    remedy = 'the memory or the links of that host may be faulty: leave it out, and run the same line again'

    def __init__(self, step: int, processes: list[int]):
        whose = ', '.join(map(str, processes))
        super().__init__(f'step {step}: the parameters of process {whose} are no longer those of the others')


def check(step: int, tree: Any) -> None:
    """Compare the copies of arrays that are replicated over all devices; a few numbers go over the network.

    Args:
      step: for the message.
      tree: `TrainState.learned`, or other arrays that should be the same everywhere.

    Raises:
      ReplicaMismatchError: they differ. Of equally large parties, the one of process 0 is right.
    """
    if jax.device_count() == 1:
        return
    here = np.full(jax.local_device_count(), jax.process_index(), np.uint32)
    if wrong := differing(np.asarray(jax.device_get(_gathered()(tree, here)))):
        raise ReplicaMismatchError(step, wrong)


def differing(found: UInt32[np.ndarray, 'devices 2']) -> list[int]:
    """Return the processes of the minority, given the process and the checksum of each device."""
    sizes = collections.Counter(found[:, 1].tolist())
    of_first = int(found[found[:, 0] == 0][0, 1])
    right = max(sizes, key=lambda checksum: (sizes[checksum], checksum == of_first))
    return sorted({int(process) for process, checksum in found if checksum != right})


def checksum(tree: Any) -> UInt32[Array, '']:
    """Return a number that changes with any bit of any array in `tree`, or with their places.

    Every element is hashed with its place (Wellons' lowbias32) and the hashes are summed: integers, so that the order
    in which a device adds is no matter.
    """
    total = jnp.zeros((), jnp.uint32)
    for leaf in jax.tree.leaves(tree):
        bits = jax.lax.bitcast_convert_type(leaf, jnp.dtype(f'uint{8 * leaf.dtype.itemsize}')).reshape(-1)
        mixed = bits.astype(jnp.uint32) + jnp.arange(bits.size, dtype=jnp.uint32) * jnp.uint32(0x9E3779B9)
        for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
            mixed = (mixed ^ mixed >> shift) * jnp.uint32(factor)
        total = total * jnp.uint32(31) + jnp.sum(mixed ^ mixed >> 16, dtype=jnp.uint32)
    return total


@functools.cache
def _gathered() -> Any:
    """(tree, number of the process of each local device) -> (process, checksum) of every device of all hosts."""

    def collect(tree: Any, process: UInt32[Array, '']) -> UInt32[Array, 'devices 2']:
        return jax.lax.all_gather(jnp.stack([process, checksum(tree)]), parallel.AXIS)

    return parallel.pmap(collect, in_axes=(None, 0))
