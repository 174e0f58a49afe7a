"""Inception-v3 as FID has it, without its classifier, its BatchNorms folded into the convolutions before them."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

EPSILON = 1e-3  # of its BatchNorms
CLASSES = 1008  # of the classifier that is left out, and that torchvision's own Inception-v3 has not
FEATURES = 2048
_SIZE = 299  # pixels


class _Layer(NamedTuple):
    """A convolution and a ReLU; with stride 1 the map keeps its size."""

    name: str
    features: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1


class _Fork(NamedTuple):
    """Layers side by side, their channels in a row."""

    layers: tuple[_Layer, ...]


Map = Float[Array, 'b h w c']
Maps = Float[Array, 'b _ _ _']  # of another size
_Step = _Layer | _Fork | Callable[[Map], Maps]
_Branch = tuple[_Step, ...]


class FidInception(nn.Module):
    """The Inception-v3 of Szegedy et al. 2015 that Heusel et al. 2017 measure with, up to its global average pool.

    It differs from torchvision's: averages leave the border out, the last block takes a maximum in place of one, and
    the weights are those of TensorFlow's model of 2015-12-05. Names are those of pytorch-fid's state dict.
    """

    @nn.compact
    def __call__(self, image: Float[Array, 'b h w 3']) -> Float[Array, 'b 2048']:
        """Return the features of pictures of any size, sRGB in [0, 1], which are scaled to 299 pixels square."""
        # As PyTorch does: bilinear, and with no filter before pixels are left out.
        x = jax.image.resize(image, (len(image), _SIZE, _SIZE, 3), 'linear', antialias=False)
        x = _convolve(_Layer('Conv2d_1a_3x3', 32, (3, 3), 2), 2 * x - 1)
        x = _convolve(_Layer('Conv2d_2a_3x3', 32, (3, 3)), x, 'VALID')
        x = _halve(_convolve(_Layer('Conv2d_2b_3x3', 64, (3, 3)), x))
        x = _convolve(_Layer('Conv2d_3b_1x1', 80), x)
        x = _halve(_convolve(_Layer('Conv2d_4a_3x3', 192, (3, 3)), x, 'VALID'))
        for name, branches in _BLOCKS.items():
            x = _Block(branches, name=name)(x)
        return jnp.mean(x, axis=(1, 2))


class _Block(nn.Module):
    """Branches side by side, their channels in a row."""

    branches: tuple[_Branch, ...]

    @nn.compact
    def __call__(self, x: Map) -> Maps:
        results = []
        for branch in self.branches:
            y = x
            for step in branch:
                y = _apply(step, y)
            results.append(y)
        return jnp.concatenate(results, axis=-1)


def _apply(step: _Step, x: Map) -> Maps:
    if isinstance(step, _Layer):
        return _convolve(step, x)
    if isinstance(step, _Fork):
        return jnp.concatenate([_convolve(layer, x) for layer in step.layers], axis=-1)
    return step(x)


def _convolve(layer: _Layer, x: Map, padding: str | None = None) -> Maps:
    name, features, kernel, stride = layer
    padding = padding or ('SAME' if stride == 1 else 'VALID')
    return nn.relu(nn.Conv(features, kernel, stride, padding, name=name)(x))


def _halve(x: Map) -> Maps:
    return nn.max_pool(x, (3, 3), (2, 2))


def _average(x: Map) -> Maps:
    return nn.avg_pool(x, (3, 3), padding='SAME', count_include_pad=False)


def _maximum(x: Map) -> Maps:
    return nn.max_pool(x, (3, 3), padding='SAME')


def _narrow(pooled: int) -> tuple[_Branch, ...]:
    """Figure 5 of the paper, with 5x5 convolutions."""
    return (
        (_Layer('branch1x1', 64),),
        (_Layer('branch5x5_1', 48), _Layer('branch5x5_2', 64, (5, 5))),
        (
            _Layer('branch3x3dbl_1', 64),
            _Layer('branch3x3dbl_2', 96, (3, 3)),
            _Layer('branch3x3dbl_3', 96, (3, 3)),
        ),
        (_average, _Layer('branch_pool', pooled)),
    )


def _factorized(inner: int) -> tuple[_Branch, ...]:
    """Figure 6: 7x7 convolutions as 1x7 and 7x1."""
    row, column = (1, 7), (7, 1)
    return (
        (_Layer('branch1x1', 192),),
        (_Layer('branch7x7_1', inner), _Layer('branch7x7_2', inner, row), _Layer('branch7x7_3', 192, column)),
        (
            _Layer('branch7x7dbl_1', inner),
            _Layer('branch7x7dbl_2', inner, column),
            _Layer('branch7x7dbl_3', inner, row),
            _Layer('branch7x7dbl_4', inner, column),
            _Layer('branch7x7dbl_5', 192, row),
        ),
        (_average, _Layer('branch_pool', 192)),
    )


def _wide(pool: Callable[[Map], Maps]) -> tuple[_Branch, ...]:
    """Figure 7: 3x3 convolutions as 1x3 beside 3x1."""
    row, column = (1, 3), (3, 1)
    return (
        (_Layer('branch1x1', 320),),
        (_Layer('branch3x3_1', 384), _Fork((_Layer('branch3x3_2a', 384, row), _Layer('branch3x3_2b', 384, column)))),
        (
            _Layer('branch3x3dbl_1', 448),
            _Layer('branch3x3dbl_2', 384, (3, 3)),
            _Fork((_Layer('branch3x3dbl_3a', 384, row), _Layer('branch3x3dbl_3b', 384, column))),
        ),
        (pool, _Layer('branch_pool', 192)),
    )


_BLOCKS: dict[str, tuple[_Branch, ...]] = {
    'Mixed_5b': _narrow(32),
    'Mixed_5c': _narrow(64),
    'Mixed_5d': _narrow(64),
    'Mixed_6a': (
        (_Layer('branch3x3', 384, (3, 3), 2),),
        (
            _Layer('branch3x3dbl_1', 64),
            _Layer('branch3x3dbl_2', 96, (3, 3)),
            _Layer('branch3x3dbl_3', 96, (3, 3), 2),
        ),
        (_halve,),
    ),
    'Mixed_6b': _factorized(128),
    'Mixed_6c': _factorized(160),
    'Mixed_6d': _factorized(160),
    'Mixed_6e': _factorized(192),
    'Mixed_7a': (
        (_Layer('branch3x3_1', 192), _Layer('branch3x3_2', 320, (3, 3), 2)),
        (
            _Layer('branch7x7x3_1', 192),
            _Layer('branch7x7x3_2', 192, (1, 7)),
            _Layer('branch7x7x3_3', 192, (7, 1)),
            _Layer('branch7x7x3_4', 192, (3, 3), 2),
        ),
        (_halve,),
    ),
    'Mixed_7b': _wide(_average),
    'Mixed_7c': _wide(_maximum),
}
