"""The U-Net of two convolutions a level and max pools of Mehani23, architecture 3."""

from functools import partial

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxcolor.models.layers import (
    INITIALIZERS,
    STYLES,
    Activation,
    ConvTranspose,
    WithoutDropout,
    activation,
    check_divisible,
    keras_conv,
    pool,
)


class ConvUNet(WithoutDropout, nn.Module):
    """Generator of Mehani23 Figures 28 and 29 (Ronneberger et al. 2015), as Keras builds it.

    Levels of two 3x3 convolutions with BatchNorm and LeakyReLU; max pools between them. In the decoder a 2x2 transposed
    convolution, the level's skip before it, and two 3x3 convolutions with BatchNorm and ReLU; last a 1x1 convolution.
    `UNet` has one, strided, convolution where this has two and a pool.

    Attributes:
      out_channels: set by the space.
      filters: channels of the outermost level; each further one has twice as many.
      depth: how many levels.
      output_activation: `identity`, `tanh`, `sigmoid` or `relu`.
    """

    out_channels: int = 3
    filters: int = 64
    depth: int = 5
    output_activation: str = 'identity'
    dtype: DTypeLike = jnp.float32
    axis_name: str | None = None

    def check_size(self, height: int, width: int) -> None:
        """Raise UserError unless pictures of height x width can be halved `depth` - 1 times."""
        step = 2 ** (self.depth - 1)
        for size in (height, width):
            check_divisible(size, step, f'2^(depth - 1) = {step}')

    @nn.compact
    def __call__(self, x: Float[Array, 'b h w 1'], train: bool) -> Float[Array, 'b h w c']:
        """Return the colour of grey pictures, of any range with the default `output_activation`."""
        self.check_size(*x.shape[1:3])
        norm = partial(STYLES['keras'].norm, dtype=self.dtype, axis_name=self.axis_name)

        def convs(x: Array, width: int, activate: Activation, name: str) -> Array:
            for i in range(2):
                x = keras_conv(width, self.dtype, name=f'{name}_{i}')(x, train)
                x = activate(norm(name=f'{name}_norm_{i}')(x, train))
            return x

        skips: list[Array] = []
        for level in range(self.depth):
            x = pool(x, 'max') if level else x
            x = convs(x, self.filters << level, activation('leaky_relu'), f'down_{level}')
            skips.append(x)
        x = skips.pop()
        for level in reversed(range(self.depth - 1)):
            width = self.filters << level
            up = ConvTranspose(
                width, 2, padding=(0, 0), kernel_init=INITIALIZERS['glorot'], dtype=self.dtype, name=f'up_{level}'
            )
            x = convs(jnp.concatenate([skips.pop(), up(x, train)], axis=-1), width, nn.relu, f'merge_{level}')
        x = keras_conv(self.out_channels, self.dtype, 1, name='last')(x, train)
        return activation(self.output_activation)(x.astype(jnp.float32))
