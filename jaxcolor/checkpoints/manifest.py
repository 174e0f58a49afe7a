"""What a checkpoint holds: the SHA-256 of every array and the scores, in a file beside the state.

Neither Orbax nor TensorStore checks the bytes of an array: most flipped bits would load as another model.
"""

import gc
import hashlib
import json
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath
from jaxtyping import Shaped

ITEM = 'manifest'
_FILE = 'metadata'  # Orbax' name for the JSON of an item


class Manifest(NamedTuple):
    """What is to be found in a checkpoint."""

    arrays: dict[str, str]  # SHA-256, by the array's place in the state
    scores: dict[str, int | float]  # of its evaluation; none if it had none
    train_metrics: dict[str, int | float]  # of the steps since the last log; none if it was logged


def encode(state: Any, scores: Mapping[str, int | float], train_metrics: Mapping[str, int | float]) -> dict[str, Any]:
    """Return the manifest of a state on the host, as JSON, with a SHA-256 of its own."""
    content = {
        'arrays': {name: _digest(array) for name, array in _named(state)},
        'scores': dict(scores),
        'train_metrics': dict(train_metrics),
    }
    return content | {'sha256': _own_digest(content)}


def read(checkpoint: epath.Path) -> Manifest | None:
    """Return the manifest of `checkpoints/<step>`; None for one of a version that wrote none.

    Raises:
      ValueError: it is damaged, or lost.
    """
    path = checkpoint / ITEM / _FILE
    if not path.exists():
        if f'"{ITEM}"' in (checkpoint / '_CHECKPOINT_METADATA').read_text():
            raise ValueError('its manifest is missing')
        return None
    try:
        content = json.loads(path.read_bytes())
        own = content.pop('sha256')
        found = Manifest(content['arrays'], content['scores'], content['train_metrics'])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError('its manifest is damaged') from error
    if own != _own_digest(content):
        raise ValueError('its manifest is damaged: SHA-256 of its content is another')
    return found


def read_scores(checkpoint: epath.Path) -> dict[str, int | float]:
    """Return the scores of `checkpoints/<step>`; none where they are lost or damaged."""
    try:
        if found := read(checkpoint):
            return found.scores
        scores = json.loads((checkpoint / 'metrics' / 'metrics').read_text())  # a version without manifests
        return scores if isinstance(scores, dict) else {}
    except (OSError, ValueError):
        return {}


def verify(manifest: Manifest | None, state: Any) -> None:
    """Check the arrays of a state, or of a part of one, that has been read; `None` lets all pass.

    Raises:
      ValueError: an array is not the one that was saved.
    """
    for name, array in _named(state) if manifest else ():
        assert manifest is not None
        if manifest.arrays.get(name) != _digest(array):
            raise ValueError(f'{name} is damaged: SHA-256 of its values is not what it was when saved')


def check_shapes(item: epath.Path, wanted: Any) -> None:
    """Check what the arrays of `checkpoints/<step>/state` say of themselves, before memory is taken for them.

    Args:
      item: its folder.
      wanted: what stands for arrays, and has their shapes; a state, or a part of one.

    Raises:
      ValueError: an array has another shape, or blocks larger than itself.
    """
    found = dict(_named(_metadata(item)))
    for name, array in _named(wanted):
        if name not in found:
            raise ValueError(f'{name} is missing')
        shape, storage = tuple(found[name].shape), found[name].storage
        if shape != array.shape:
            raise ValueError(f'{name} is {shape}, should be {array.shape}')
        blocks = tuple(storage.chunk_shape or ()) if storage else ()
        if any(block > max(size, 1) for block, size in zip(blocks, shape, strict=False)):
            raise ValueError(f'{name} is {shape} in blocks of {blocks}')


def _metadata(item: epath.Path) -> Any:
    reason = ''
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', RuntimeWarning)  # of coroutines that Orbax forgets where one fails
        try:
            return ocp.PyTreeCheckpointHandler().metadata(item).tree
        except Exception as error:
            reason = str(error) or repr(error)
        gc.collect()
    raise ValueError(reason)


def _named(tree: Any) -> list[tuple[str, Any]]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return [(jax.tree_util.keystr(path, simple=True, separator='/'), leaf) for path, leaf in leaves]


def _digest(array: Shaped[np.ndarray, '...']) -> str:
    array = np.asarray(array)
    digest = hashlib.sha256(f'{array.dtype} {array.shape}'.encode())
    digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _own_digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
