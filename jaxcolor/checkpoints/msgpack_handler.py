"""A state as one object, for buckets in which Orbax can keep everything but arrays.

Orbax writes arrays with TensorStore, and that on disks and to gs:// alone (google/orbax#2739). A state is replicated,
so that one host can write it all, and one put makes it appear all at once; the rest of a checkpoint stays Orbax's.
"""

import asyncio
import dataclasses
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath
from flax import serialization

_NAME = 'state.msgpack'


def is_needed(path: epath.PathLike) -> bool:
    """Whether states under `path` are whole objects."""
    return str(path).startswith('s3://')


def read(folder: epath.Path, target: Any) -> Any:
    """Return the state in `folder`, or that part of it which `target` names, as arrays on the host.

    Args:
      folder: what Orbax calls an item, `checkpoints/<step>/state`.
      target: what stands for arrays, and has their shapes.

    Raises:
      ValueError: what is there is broken, or of another model.
    """
    found = serialization.from_state_dict(target, serialization.msgpack_restore((folder / _NAME).read_bytes()))

    def check(path: Any, wanted: Any, array: Any) -> None:
        if np.shape(array) != wanted.shape:
            name = jax.tree_util.keystr(path, simple=True, separator='/')
            raise ValueError(f'{name} is {np.shape(array)}, should be {wanted.shape}')

    jax.tree_util.tree_map_with_path(check, target, found)
    return found


class _Handler(ocp.AsyncCheckpointHandler):
    """What Orbax asks to write and to read one item of a checkpoint."""

    async def async_save(self, directory: epath.Path, args: 'MsgpackSave') -> list[ocp.future.Future]:
        """Fetch the arrays, which may then be overwritten; writes while training goes on."""
        if jax.process_index() > 0:
            return []
        state = jax.device_get(serialization.to_state_dict(args.item))
        return [ocp.future.CommitFutureAwaitingContractedSignals(_write(directory, state), name='whole_state')]

    def save(self, directory: epath.Path, args: 'MsgpackSave') -> None:
        """Save, and wait."""
        for future in asyncio.run(self.async_save(directory, args)):
            future.result()

    def restore(self, directory: epath.Path, args: 'MsgpackRestore') -> Any:
        """Places what `read` returns as the target is placed."""

        def place(wanted: jax.ShapeDtypeStruct, array: np.ndarray) -> jax.Array:
            return jax.make_array_from_callback(wanted.shape, wanted.sharding, lambda index: array[index])

        return jax.tree.map(place, args.item, read(directory, args.item))


async def _write(folder: epath.Path, state: Any) -> None:
    (folder / _NAME).write_bytes(serialization.msgpack_serialize(state, in_place=True))


@ocp.args.register_with_handler(_Handler, for_save=True)
@dataclasses.dataclass
class MsgpackSave(ocp.args.CheckpointArgs):
    """Asks Orbax to save a state, of arrays that every host has."""

    item: Any


@ocp.args.register_with_handler(_Handler, for_restore=True)
@dataclasses.dataclass
class MsgpackRestore(ocp.args.CheckpointArgs):
    """Asks Orbax for a state like `item`, of `jax.ShapeDtypeStruct`s with a sharding."""

    item: Any
