"""How a step runs on all devices: the only file that knows of `pmap`.

The state is replicated and never stacked. Device s of all S takes rows s, s + S, s + 2S, … of each global
batch, and its random numbers follow s: the result does not depend on how devices are spread over hosts.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXIS = 'data'


def pmap(function: Callable[..., Any], in_axes: tuple[int | None, ...], donate: tuple[int, ...] = ()) -> Any:
    """Map `function` over the local devices of every host; what it returns must be the same on all of them.

    Args:
      function: may reduce over `AXIS`.
      in_axes: 0 for what `shard` has split, None for what is the same everywhere.
      donate: arguments whose memory is reused, but on CPUs, where XLA copies each of them first; they must have been
        placed by `replicate`.
    """
    donate = () if jax.default_backend() == 'cpu' else donate
    mapped = jax.pmap(function, axis_name=AXIS, in_axes=in_axes, out_axes=None, donate_argnums=donate)
    if jax.default_backend() == 'cpu' and jax.local_device_count() > 1:
        # Virtual CPU devices share one pool of threads: two calls in flight can each hold the threads
        # that the other one's all-reduce waits for.
        return lambda *args: jax.block_until_ready(mapped(*args))
    return mapped


def replicate(tree: Any) -> Any:
    """Places a copy of every array on each local device."""
    mesh = Mesh(np.array(jax.local_devices()), (AXIS,))
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def _everywhere() -> NamedSharding:
    return NamedSharding(Mesh(np.array(jax.devices()), (AXIS,)), PartitionSpec())


def abstract_global(tree: Any) -> Any:
    """Return shapes, dtypes and placement of `tree` as one array over all hosts: how a checkpoint is read."""
    everywhere = _everywhere()
    return jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=everywhere), tree)


def join_copies(tree: Any) -> Any:
    """Return what `replicate` has placed on each host as arrays over all hosts, as a checkpoint is written."""
    everywhere = _everywhere()

    def joined(array: jax.Array) -> jax.Array:
        copies = [shard.data for shard in array.addressable_shards]
        return jax.make_array_from_single_device_arrays(array.shape, everywhere, copies)

    return jax.tree.map(joined, tree)


def replicate_local(tree: Any) -> Any:
    """Return arrays over all hosts, as `abstract_global` asks for, as this host's own copies."""
    return replicate(jax.tree.map(lambda a: a.addressable_data(0), tree))


def shard(batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Split this host's rows among its L devices: [l * b, …] to [L, b, …], device l taking rows l::L."""
    devices = jax.local_device_count()

    def split(rows: np.ndarray) -> np.ndarray:
        return rows.reshape(-1, devices, *rows.shape[1:]).swapaxes(0, 1)

    return {name: split(rows) for name, rows in batch.items()}


def all_agree(flag: bool) -> bool:
    """Whether `flag` is true on every host."""
    return bool(np.all(multihost_utils.process_allgather(np.asarray(flag))))


def wait_for_all(what: str) -> None:
    """Return when every host has come here; `what` names the place."""
    multihost_utils.sync_global_devices(what)


def broadcast_str(words: str | None) -> str | None:
    """Return, on every host, the words of process 0: so all go by the same, whatever their file systems show them."""
    if jax.process_count() == 1:
        return words
    data = np.frombuffer((words or '').encode(), np.uint8)
    size = int(multihost_utils.broadcast_one_to_all(np.int32(-1 if words is None else len(data))))
    if size <= 0:
        return None if size else ''
    mine = data if jax.process_index() == 0 else np.zeros(size, np.uint8)
    return bytes(np.asarray(multihost_utils.broadcast_one_to_all(mine))).decode()


def shard_numbers() -> np.ndarray:
    """Return the number s of each local device, int32 [L]: which rows of the global batch it takes."""
    local = np.arange(jax.local_device_count(), dtype=np.int32)
    return jax.process_index() + jax.process_count() * local
