"""EfficientNet-Lite0's ImageNet weights, a PyTorch state dict with BatchNorms, as what the Flax encoder takes."""

import re
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcolor.errors import UserError

_EPSILON = 1e-3  # of its BatchNorms
_UNUSED = re.compile(r'_fc\..*|_conv_head\..*|_bn1\..*|.*\.num_batches_tracked')
# The convolution and the BatchNorm after it, by the name of the layer that is both here.
_NAMES = {
    'expand': ('_expand_conv', '_bn0'),
    'depthwise': ('_depthwise_conv', '_bn1'),
    'project': ('_project_conv', '_bn2'),
}
_LISTED = 3  # names in a message


def to_flax(entries: Mapping[str, np.ndarray], params: Any) -> Any:
    """Return the weights in `entries`, float32, in the tree of an `EfficientNetLite0`.

    A BatchNorm multiplies and adds what its statistics say, which the convolution before it takes over. Where
    the encoder takes one channel, the kernel of the first one is summed over its three: grey pictures then give what
    RGB pictures of three equal channels would. The classifier is left out.

    Args:
      entries: a state dict with the names of `efficientnet_lite_pytorch`, kernels [o, i, k, k].
      params: of an `EfficientNetLite0`, arrays or what tells their shapes; only names and shapes are read.

    Raises:
      UserError: an entry is missing, unexpected or of another shape.
    """
    left = {name: value for name, value in entries.items() if not _UNUSED.fullmatch(name)}
    converted = {}
    for layer, leaves in _layers(params):
        conv, norm = _entry_names(layer)
        found = {part: left.pop(name, None) for part, name in ((conv, f'{conv}.weight'), *_norm_entries(norm))}
        missing = [part for part, value in found.items() if value is None]
        if missing:
            raise UserError(f'not the weights of EfficientNet-Lite0: {conv} lacks {", ".join(missing)}')
        weight, scale, bias, mean, var = (np.asarray(value, np.float64) for value in found.values())
        kernel = weight.transpose(2, 3, 1, 0)
        if layer[-1] == 'stem' and leaves['kernel'][2] == 1:
            kernel = kernel.sum(axis=2, keepdims=True)
        if layer[-1] == 'depthwise':
            kernel = kernel[:, :, 0]
        factor = scale / np.sqrt(var + _EPSILON)
        if kernel.shape != leaves['kernel'] or factor.shape != leaves['bias']:
            raise UserError(
                f'weights that do not fit: {conv} gives a kernel of {kernel.shape}, here it is {leaves["kernel"]}'
            )
        folded = {'kernel': kernel * factor, 'bias': bias - mean * factor}
        converted[layer] = {name: jnp.asarray(value, jnp.float32) for name, value in folded.items()}
    if left:
        raise UserError(f'not the weights of EfficientNet-Lite0: it also has {", ".join(sorted(left)[:_LISTED])}')
    return jax.tree_util.tree_map_with_path(
        lambda path, _: converted[tuple(key.key for key in path[:-1])][path[-1].key], params
    )


def _layers(params: Any) -> list[tuple[tuple[str, ...], dict[str, tuple[int, ...]]]]:
    """Return the layers of the encoder, by their path, with the shapes of their arrays."""
    layers: dict[tuple[str, ...], dict[str, tuple[int, ...]]] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        *layer, name = (key.key for key in path)
        layers.setdefault(tuple(layer), {})[name] = leaf.shape
    return list(layers.items())


def _entry_names(layer: tuple[str, ...]) -> tuple[str, str]:
    """Return the names of the convolution and of the BatchNorm that are the layer at a path."""
    if layer == ('stem',):
        return '_conv_stem', '_bn0'
    block = f'_blocks.{layer[0].removeprefix("block")}'
    conv, norm = _NAMES[layer[1]]
    return f'{block}.{conv}', f'{block}.{norm}'


def _norm_entries(norm: str) -> list[tuple[str, str]]:
    parts = ('weight', 'bias', 'running_mean', 'running_var')
    return [(f'{norm}.{part}', f'{norm}.{part}') for part in parts]
