"""A U-Net on EfficientNet-Lite0 that says what colours are likely, at a quarter of the size, and takes colour hints."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxcolor.color.hints import pool_hints
from jaxcolor.color.resampling import double
from jaxcolor.errors import UserError
from jaxcolor.models import efficientnet_weights
from jaxcolor.models.efficientnet import DepthwiseConv, EfficientNetLite0
from jaxcolor.models.layers import Conv, Norm, WithoutDropout, activation, check_divisible

_he_normal = nn.initializers.variance_scaling(2.0, 'fan_in', 'normal')
_linear_normal = nn.initializers.variance_scaling(1.0, 'fan_in', 'normal')
_HINT_FEATURES = 32


class EfficientNetUNet(WithoutDropout, nn.Module):
    """Generator of the model that comes with the package: light, and knowing what is in the picture.

    The encoder's parameters are under `backbone`. Its last features pass a 1x1 convolution, and their mean over the
    picture is added. Then, at each level up: bilinear upsampling, the skip, a 1x1 convolution, and residual blocks of a
    5x5 depthwise and a 1x1 convolution, which take a fifth of the time of 3x3 convolutions.

    Colour hints (Zhang et al. 2017, "Real-time user-guided image colorization") join every level of the decoder, pooled
    to its size, through convolutions without biases: where there are no hints they add exactly nothing.

    Attributes:
      out_channels: of the output, at a quarter of the size that the encoder sees.
      enlarge: how many times as large the encoder sees a picture, each way: 1, 2 or 4. ImageNet's weights know things
        of 200 pixels, of which a picture of 32 has none.
      width: of the encoder, see `EfficientNetLite0`; and so are `frozen_blocks`.
      widths: channels of the decoder, from 1/32 to 1/4 of the size.
      blocks: how many there are at each of these levels.
      hints: whether there are layers for them.
      output_activation: by name; `identity` for logits.
    """

    out_channels: int
    enlarge: int = 1
    width: float = 1.0
    frozen_blocks: int = 0
    widths: tuple[int, ...] = (256, 192, 128, 96)
    blocks: tuple[int, ...] = (1, 2, 2, 1)
    hints: bool = True
    output_activation: str = 'identity'
    dtype: DTypeLike = jnp.float32
    axis_name: str | None = None

    def check_size(self, height: int, width: int) -> None:
        """Raise UserError unless pictures of height x width, enlarged, can be halved five times."""
        if self.enlarge not in (1, 2, 4):
            raise UserError(f'generator.enlarge is {self.enlarge}: it must be 1, 2 or 4.')
        for size in (height, width):
            check_divisible(size, 32 // self.enlarge, '32 / enlarge')

    def load_backbone(self, entries: Mapping[str, np.ndarray], params: Any, batch_stats: Any) -> tuple[Any, Any]:
        """Return `params` and `batch_stats` with the encoder's of a state dict; see `efficientnet_weights.to_flax`."""
        return {**params, 'backbone': efficientnet_weights.to_flax(entries, params['backbone'])}, batch_stats

    @nn.compact
    def __call__(
        self, x: Float[Array, 'b h w 1'], train: bool, hints: Float[Array, 'b h//4 w//4 3'] | None = None
    ) -> Float[Array, 'b p q c']:
        """Return what `Space.join` takes, of h and w times `enlarge` / 4.

        Args:
          x: grey pictures, L*/50 - 1.
          train: whether norms take the batch's statistics.
          hints: (a*/110, b*/110, 1) where a colour is given, zeros elsewhere; None for none at all.
        """
        self.check_size(*x.shape[1:3])
        given = hints
        if self.hints and self.is_initializing():
            given = jnp.zeros((len(x), x.shape[1] // 4, x.shape[2] // 4, 3))
        for _ in range(self.enlarge.bit_length() - 1):
            x, given = double(x), None if given is None else given.repeat(2, 1).repeat(2, 2)

        def conv(y: Array, features: int, name: str, *, bias: bool = False) -> Array:
            init = _linear_normal if bias else _he_normal
            layer = Conv(features, 1, 1, (0, 0), use_bias=bias, kernel_init=init, dtype=self.dtype, name=name)
            return layer(y, train)

        def norm(y: Array, name: str) -> Array:
            ones = nn.initializers.ones
            return Norm(scale_init=ones, dtype=self.dtype, axis_name=self.axis_name, name=name)(y, train)

        def add_hints(y: Array, name: str) -> Array:
            if given is None:
                return y
            pooled = pool_hints(given, y.shape[1:3])
            return y + conv(nn.relu(conv(pooled, _HINT_FEATURES, f'{name}_0')), y.shape[-1], f'{name}_1')

        def level(y: Array, number: int, name: str) -> Array:
            y = nn.relu(add_hints(norm(conv(y, self.widths[number], f'{name}_in'), f'{name}_norm'), f'{name}_hints'))
            for i in range(self.blocks[number]):
                z = DepthwiseConv(5, 1, dtype=self.dtype, name=f'{name}_{i}_depthwise')(y)
                z = norm(conv(z, self.widths[number], f'{name}_{i}_project'), f'{name}_{i}_norm')
                y = nn.relu(y + z)
            return y

        encoder = EfficientNetLite0(self.width, self.frozen_blocks, self.dtype, name='backbone')
        _, *skips, deepest = encoder(jnp.asarray(x, self.dtype))
        y = level(deepest, 0, 'bottom')
        mean = conv(jnp.mean(deepest, axis=(1, 2), keepdims=True), self.widths[0], 'mean', bias=True)
        y = y + nn.relu(add_hints(mean, 'mean_hints'))
        for number, skip in enumerate(reversed(skips), 1):
            y = level(jnp.concatenate([double(y), skip], axis=-1), number, f'up_{x.shape[1] // skip.shape[1]}')
        y = conv(y, self.out_channels, 'output', bias=True)
        return activation(self.output_activation)(y.astype(jnp.float32))
