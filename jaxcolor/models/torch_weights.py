"""torchvision's ResNet weights, a PyTorch state dict, as what the Flax encoder takes."""

import re
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxcolor.errors import UserError

_LEAVES = {
    'kernel': 'weight',
    'scale': 'weight',
    'bias': 'bias',
    'mean': 'running_mean',
    'var': 'running_var',
}
_UNUSED = re.compile(r'fc\.(weight|bias)|.*\.num_batches_tracked')
_LISTED = 3  # names in a message


def to_flax(entries: Mapping[str, np.ndarray], params: Any, batch_stats: Any) -> tuple[Any, Any]:
    """Return the weights in `entries`, float32, in the trees of a `ResNet18`.

    The classifier's entries are left out. A first convolution of three input channels is summed over them
    where `params` has one: grey pictures then give what RGB pictures of three equal channels would.

    Args:
      entries: a state dict, kernels [o, i, k, k].
      params: of a `ResNet18`, arrays or what tells their shapes; only names and shapes are read.
      batch_stats: the same.

    Raises:
      UserError: an entry is missing, unexpected or of another shape.
    """
    entries = {name: value for name, value in entries.items() if not _UNUSED.fullmatch(name)}
    wanted = {
        _entry_name(path): leaf.shape for path, leaf in jax.tree_util.tree_leaves_with_path([params, batch_stats])
    }
    missing, unexpected = wanted.keys() - entries.keys(), entries.keys() - wanted.keys()
    if missing or unexpected:
        problems = [
            f'{what} {listed(names)}' for what, names in (('lacks', missing), ('also has', unexpected)) if names
        ]
        raise UserError(f'not the weights of a ResNet-18 with the names of torchvision: {" and ".join(problems)}')

    def convert(path: Any, leaf: Any) -> Float[Array, '...']:
        name = _entry_name(path)
        value = entries[name].astype(np.float32)
        shape = tuple(leaf.shape[axis] for axis in (3, 2, 0, 1)) if leaf.ndim == 4 else leaf.shape
        if name == 'conv1.weight' and value.shape[1:2] == (3,) and shape[1] == 1:
            value = value.sum(1, keepdims=True)
        if value.shape != shape:
            raise UserError(f'weights that do not fit: {name} has shape {entries[name].shape}, here it is {shape}')
        return jnp.asarray(value.transpose(2, 3, 1, 0) if value.ndim == 4 else value)

    params, batch_stats = jax.tree_util.tree_map_with_path(convert, [params, batch_stats])
    return params, batch_stats


def _entry_name(path: tuple[Any, ...]) -> str:
    """Return torchvision's name of what is at a path in [params, batch_stats]."""
    *layers, leaf = (key.key for key in path[1:])
    return f'{".".join(layers).replace("_", ".")}.{_LEAVES[leaf]}'


def listed(names: set[str]) -> str:
    """Return the first of some names, and how many more there are."""
    more = f' and {len(names) - _LISTED} more' if len(names) > _LISTED else ''
    return ', '.join(sorted(names)[:_LISTED]) + more
