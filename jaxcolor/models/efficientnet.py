"""EfficientNet-Lite0 without its classifier, its BatchNorms folded into the convolutions before them."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.ad_checkpoint import checkpoint_name
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxcolor.models.depthwise import depthwise_conv
from jaxcolor.models.layers import KEPT, Conv, add_bias, same_padding

_he_normal = nn.initializers.variance_scaling(2.0, 'fan_in', 'normal')
_linear_normal = nn.initializers.variance_scaling(1.0, 'fan_in', 'normal')


class Block(NamedTuple):
    """An inverted bottleneck: how much it widens, its depthwise kernel and stride, its output's channels."""

    expand: int
    kernel_size: int
    stride: int
    features: int


# Tan and Le 2019, table 1, without the squeeze-and-excitation that Lite leaves out: (blocks, then one block's fields).
_STAGES = (
    (1, 1, 3, 1, 16),
    (2, 6, 3, 2, 24),
    (2, 6, 5, 2, 40),
    (3, 6, 3, 2, 80),
    (3, 6, 5, 1, 112),
    (4, 6, 5, 2, 192),
    (1, 6, 3, 1, 320),
)
BLOCKS = tuple(
    Block(expand, size, 1 if i else stride, features)
    for count, expand, size, stride, features in _STAGES
    for i in range(count)
)
_STEM = 32
_TAPS = (0, 2, 4, 10, 15)  # the last blocks at 1/2, 1/4, ... of the picture's size


class EfficientNetLite0(nn.Module):
    """The encoder of Tan and Le 2019 in its Lite form (ReLU6, no squeeze-and-excitation), TensorFlow's "SAME" padding.

    Where it is pretrained, BatchNorm's statistics stay what they are: then it is an affine map, which
    `torch_weights` folds into the convolution before it. So there is no state beside the parameters, and no
    difference between training and inference.

    Attributes:
      width: multiplies the channels; rounded to multiples of 8.
      frozen_blocks: the stem and so many blocks pass no gradient on.
    """

    width: float = 1.0
    frozen_blocks: int = 0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, 'b h w c']) -> list[Float[Array, 'b _ _ _']]:
        """Return the features at each of five resolutions, 1/2, 1/4, ..., 1/32 of the picture's."""
        conv = partial(Conv, kernel_size=3, stride=2, padding=same_padding(3, 2), kernel_init=_he_normal)
        x = _relu6(conv(rounded(_STEM * self.width), dtype=self.dtype, name='stem')(x, False))
        features = []
        for i, block in enumerate(BLOCKS):
            block = block._replace(features=rounded(block.features * self.width))
            x = _InvertedBottleneck(block, dtype=self.dtype, name=f'block{i}')(x)
            if i < self.frozen_blocks:  # each of them, for features of several leave the encoder
                x = jax.lax.stop_gradient(x)
            if i in _TAPS:
                features.append(x)
        return features


class _InvertedBottleneck(nn.Module):
    """1x1 up, depthwise, 1x1 down; added to the input where the shapes allow."""

    block: Block
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, 'b h w c']) -> Float[Array, 'b p q d']:
        pointwise = partial(Conv, kernel_size=1, stride=1, padding=(0, 0), dtype=self.dtype)
        expand, size, stride, features = self.block
        y = x
        if expand > 1:
            y = _relu6(pointwise(expand * x.shape[-1], kernel_init=_he_normal, name='expand')(y, False))
        y = _relu6(DepthwiseConv(size, stride, dtype=self.dtype, name='depthwise')(y))
        y = pointwise(features, kernel_init=_linear_normal, name='project')(y, False)
        return x + y if x.shape == y.shape else y


class DepthwiseConv(nn.Module):
    """A convolution of each channel by itself, with a bias and "SAME" padding."""

    kernel_size: int
    stride: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, 'b h w c']) -> Float[Array, 'b p q c']:
        """Convolve."""
        init = nn.initializers.normal((2 / self.kernel_size**2) ** 0.5)
        kernel = self.param('kernel', init, (self.kernel_size, self.kernel_size, x.shape[-1]))
        padding = same_padding(self.kernel_size, self.stride)
        y = depthwise_conv(x.astype(self.dtype), kernel.astype(self.dtype), self.stride, padding)
        return checkpoint_name(add_bias(self, y), KEPT)


def rounded(channels: float) -> int:
    """Round channels to a multiple of 8, losing no more than a tenth of them."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def _relu6(x: Float[Array, '*shape']) -> Float[Array, '*shape']:
    return jnp.clip(x, 0, 6)
