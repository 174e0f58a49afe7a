"""Convolutions of a PyTorch state dict as what a Flax network of `nn.Conv` takes, BatchNorms folded into them."""

import re
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcolor.errors import UserError
from jaxcolor.models.torch_weights import listed

_NORM = ('weight', 'bias', 'running_mean', 'running_var')


def to_flax(
    entries: Mapping[str, np.ndarray], params: Any, network: str, *, unused: str, epsilon: float | None = None
) -> Any:
    """Return the weights in `entries`, float32, in the tree of a network all of whose layers are `nn.Conv`.

    Layers have the names of PyTorch's, levels joined by dots. A BatchNorm multiplies and adds what its statistics
    say, which the convolution before it takes over.

    Args:
      entries: a state dict, kernels [o, i, k, k].
      params: of the network, arrays or what tells their shapes; only names and shapes are read.
      network: its name, for errors.
      unused: a pattern of the names that are left out.
      epsilon: of the BatchNorms `NAME.bn` after convolutions `NAME.conv`; None where there are none.

    Raises:
      UserError: an entry is missing, unexpected or of another shape.
    """
    leaves = dict(jax.tree_util.tree_leaves_with_path(params))
    shapes = {
        '.'.join(key.key for key in layer): tuple(leaf.shape[axis] for axis in (3, 2, 0, 1))
        for (*layer, last), leaf in leaves.items()
        if last.key == 'kernel'
    }
    wanted = {
        entry: shape[:1] if i else shape
        for name, shape in shapes.items()
        for i, entry in enumerate(_entries_of(name, epsilon))
    }
    found = {name for name in entries if not re.fullmatch(unused, name)}
    if missing := wanted.keys() - found:
        raise UserError(f'not the weights of {network}: it lacks {listed(missing)}')
    if unexpected := found - wanted.keys():
        raise UserError(f'not the weights of {network}: it also has {listed(unexpected)}')
    for name, shape in wanted.items():
        if entries[name].shape != shape:
            raise UserError(f'not the weights of {network}: {name} has shape {entries[name].shape}, not {shape}')

    def convert(path: Any, _: Any) -> jax.Array:
        *layer, last = (key.key for key in path)
        weight, *rest = (np.asarray(entries[entry], np.float64) for entry in _entries_of('.'.join(layer), epsilon))
        if epsilon is None:
            (bias,) = rest
        else:
            scale, shift, mean, variance = rest
            factor = scale / np.sqrt(variance + epsilon)
            weight, bias = weight * factor[:, None, None, None], shift - mean * factor
        return jnp.asarray(weight.transpose(2, 3, 1, 0) if last == 'kernel' else bias, jnp.float32)

    return jax.tree_util.tree_map_with_path(convert, params)


def _entries_of(layer: str, epsilon: float | None) -> list[str]:
    """Return the names of a convolution's kernel and of all that belongs to it."""
    if epsilon is None:
        return [f'{layer}.weight', f'{layer}.bias']
    return [f'{layer}.conv.weight', *(f'{layer}.bn.{part}' for part in _NORM)]
