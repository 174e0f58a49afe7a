"""The U-Net on a ResNet-18 of Kanojia23: a classifier's encoder, and a decoder that pixel shuffles double."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray

from jaxcolor.models import torch_weights
from jaxcolor.models.layers import Conv, Norm, WithoutDropout, activation, check_divisible
from jaxcolor.models.resnet import ResNet18

_he_normal = nn.initializers.variance_scaling(2.0, 'fan_in', 'normal')
_torch_uniform = nn.initializers.variance_scaling(1 / 3, 'fan_in', 'uniform')  # PyTorch's default


class ResNetUNet(WithoutDropout, nn.Module):
    """Generator of Kanojia23 sections 4.4 and 6.3.

    The report tells the encoder alone. Its cited source (Shariatnia 2020, "Colorizing black & white images with
    U-Net and conditional GAN") takes the rest from fastai, `DynamicUnet(body, n_out=2, size=256)`, version 2.4
    with all its defaults, and so does this: not normalised but for the skips and the encoder's output, an
    input concatenated to the last features, a residual block, a 1x1 convolution and no output activation. The
    report's pictures are not normalised to ImageNet's mean and spread, pretrained encoder or not.

    The encoder's parameters are under `backbone`. fastai starts BatchNorm's biases at 0.001 and the output's
    bias from N(0, 0.01); here both start at 0.

    Attributes:
      out_channels: set by the space.
      filters: channels of the ResNet's first convolution; pretrained weights have 64.
      output_activation: `identity`, `tanh`, `sigmoid` or `relu`.
    """

    out_channels: int = 2
    filters: int = 64
    output_activation: str = 'identity'
    dtype: DTypeLike = jnp.float32
    axis_name: str | None = None

    def check_size(self, height: int, width: int) -> None:
        """Raise UserError unless pictures of height x width can be halved five times."""
        for size in (height, width):
            check_divisible(size, 32, '32')

    def load_backbone(self, entries: Mapping[str, np.ndarray], params: Any, batch_stats: Any) -> tuple[Any, Any]:
        """Return `params` and `batch_stats` with the encoder's of a state dict; see `torch_weights.to_flax`."""
        backbone = torch_weights.to_flax(entries, params['backbone'], batch_stats['backbone'])
        return {**params, 'backbone': backbone[0]}, {**batch_stats, 'backbone': backbone[1]}

    @nn.compact
    def __call__(self, x: Float[Array, 'b h w 1'], train: bool) -> Float[Array, 'b h w c']:
        """Return the chroma of grey pictures in [-1, 1]; unbounded with the default `output_activation`."""
        self.check_size(*x.shape[1:3])
        x = x.astype(self.dtype)

        def conv(
            y: Array, features: int, name: str, size: int = 3, init: nn.initializers.Initializer = _he_normal
        ) -> Array:
            half = size // 2
            layer = Conv(features, size, 1, (half, half), kernel_init=init, dtype=self.dtype, name=name)
            return layer(y, train)

        def convs(y: Array, *features: int, name: str) -> Array:
            for i, width in enumerate(features):
                y = nn.relu(conv(y, width, f'{name}_{i}'))
            return y

        def double(y: Array, features: int, name: str) -> Array:
            return _depth_to_space(nn.relu(conv(y, 4 * features, name, size=1, init=icnr_init)))

        def norm(y: Array, name: str) -> Array:
            ones = nn.initializers.ones
            return Norm(scale_init=ones, dtype=self.dtype, axis_name=self.axis_name, name=name)(y, train)

        *skips, y = ResNet18(self.filters, self.dtype, self.axis_name, name='backbone')(x, train)
        width = y.shape[-1]
        y = convs(nn.relu(norm(y, 'middle_norm')), 2 * width, width, name='middle')
        for level in reversed(range(len(skips))):
            y = double(y, y.shape[-1] // 2, f'double_{level}')
            y = nn.relu(jnp.concatenate([y, norm(skips[level], f'skip_norm_{level}')], axis=-1))
            width = y.shape[-1] if level else y.shape[-1] // 2
            y = convs(y, width, width, name=f'up_{level}')
        y = jnp.concatenate([double(y, width, 'double_picture'), x], axis=-1)
        residual = conv(convs(y, width + 1, name='residual'), width + 1, 'residual_1')
        y = conv(nn.relu(y + residual), self.out_channels, 'output', size=1, init=_torch_uniform)
        return activation(self.output_activation)(y.astype(jnp.float32))


def icnr_init(key: PRNGKeyArray, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Float[Array, 'k k i o']:
    """Draw a kernel that a pixel shuffle makes repeat each pixel in a block of 2 x 2 (Aitken et al. 2017)."""
    return jnp.tile(_he_normal(key, (*shape[:3], shape[3] // 4), dtype), 4)


def _depth_to_space(x: Float[Array, 'b h w c']) -> Float[Array, 'b 2*h 2*w c//4']:
    """Turn channels into blocks of 2 x 2 pixels, the block's pixel being the slower index."""
    b, h, w, c = x.shape
    return x.reshape(b, h, w, 2, 2, c // 4).swapaxes(2, 3).reshape(b, 2 * h, 2 * w, c // 4)
