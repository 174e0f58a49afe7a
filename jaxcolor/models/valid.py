"""The generator of unpadded convolutions of Mehani23, architecture 2."""

from functools import partial

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxcolor.errors import UserError
from jaxcolor.models.layers import INITIALIZERS, STYLES, ConvTranspose, WithoutDropout, activation, keras_conv

_KERNELS = (5, 3, 3)  # of the three convolutions of a level
_LEVELS = 3
_LOST = _LEVELS * sum(size - 1 for size in _KERNELS)  # pixels that no padding gives back


class ValidGenerator(WithoutDropout, nn.Module):
    """Encoder-decoder of Mehani23 Figure 18, as Keras builds it.

    No part of it is padded, strided or pooled, which is why it is no `UNet`: nine 'valid' convolutions take
    24 pixels from the picture, nine transposed ones give them back, and a level joins its mirror image where
    the sizes agree. Convolutions have LeakyReLU of slope 0.3, transposed ones ReLU, the bottleneck, which alone is
    padded, tanh.

    Attributes:
      out_channels: set by the space.
      filters: channels of the first convolution; the widest has eight times as many.
      output_activation: the figure's last layer has ReLU as well: for targets that are never negative, such as RGB.
    """

    out_channels: int = 3
    filters: int = 16
    output_activation: str = 'relu'
    dtype: DTypeLike = jnp.float32
    axis_name: str | None = None

    def check_size(self, height: int, width: int) -> None:
        """Raise UserError where pictures of height x width leave nothing for the bottleneck."""
        for size in (height, width):
            if size <= _LOST:
                raise UserError(f'image size {size} is too small for unpadded convolutions; use {_LOST + 1} or more')

    @nn.compact
    def __call__(self, x: Float[Array, 'b h w 1'], train: bool) -> Float[Array, 'b h w c']:
        """Return the colour of grey pictures, not negative with the default `output_activation`."""
        self.check_size(*x.shape[1:3])
        slope = STYLES['keras'].slope
        conv_transpose = partial(
            ConvTranspose, stride=1, padding=(0, 0), kernel_init=INITIALIZERS['glorot'], dtype=self.dtype
        )

        skips = []
        for level in range(_LEVELS):
            width = self.filters << level
            for i, (size, features) in enumerate(zip(_KERNELS, (width, 2 * width, 2 * width), strict=True)):
                conv = keras_conv(features, self.dtype, size, padding=(0, 0), name=f'down_{level}_{i}')
                x = nn.leaky_relu(conv(x, train), slope)
            skips.append(x)
        x = jnp.tanh(keras_conv(x.shape[-1], self.dtype, name='bottleneck')(x, train))
        for level in reversed(range(_LEVELS)):
            x = jnp.concatenate([x, skips.pop()], axis=-1)
            width = self.filters << level
            last = width if level else self.out_channels
            for i, (size, features) in enumerate(zip(_KERNELS[::-1], (2 * width, 2 * width, last), strict=True)):
                x = conv_transpose(features, size, name=f'up_{level}_{i}')(x, train)
                x = nn.relu(x) if level or i < 2 else x
        return activation(self.output_activation)(x.astype(jnp.float32))
