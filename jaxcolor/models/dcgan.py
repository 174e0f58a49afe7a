"""The plain convolutional generator of Mehani23, architecture 1."""

from functools import partial
from typing import Any, ClassVar

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxcolor.models.layers import STYLES, WithoutDropout, check_divisible, keras_conv

# The last layer is a BatchNorm, so its scale is the spread of the chroma that comes out. True chroma spreads by
# about 0.1; from Keras' 1 the network needs epochs to get there, and colours worse than grey meanwhile.
_CHROMA = 0.1


class DCGAN(WithoutDropout, nn.Module):
    """Encoder-decoder of Mehani23 Figure 4, as Keras builds it.

    3x3 convolutions with Keras' 'same' padding, BatchNorm with Keras' defaults (epsilon 1e-3, momentum 0.99)
    after the activation, nearest-neighbour upsampling. The figure names no initialiser, so Keras' default,
    Glorot uniform, is part of it: its wide layers learn slowly from N(0, 0.02). Only the last scale starts
    elsewhere, at 0.1.

    Attributes:
      out_channels: set by the space.
      filters: channels of the first convolution; the widest has eight times as many.
    """

    output_activation: ClassVar[str] = 'tanh'

    out_channels: int = 2
    filters: int = 32
    dtype: DTypeLike = jnp.float32
    axis_name: str | None = None

    def check_size(self, height: int, width: int) -> None:
        """Raise UserError unless pictures of height x width can be halved twice."""
        for size in (height, width):
            check_divisible(size, 4, '4')

    @nn.compact
    def __call__(self, x: Float[Array, 'b h w 1'], train: bool) -> Float[Array, 'b h w c']:
        """Return the chroma of grey pictures; both in [-1, 1]."""
        self.check_size(*x.shape[1:3])
        keras_norm = partial(STYLES['keras'].norm, dtype=self.dtype, axis_name=self.axis_name)

        def conv(x: Array, features: int, **options: Any) -> Array:
            return keras_conv(features, self.dtype, **options)(x, train)

        def norm(x: Array) -> Array:
            return keras_norm()(x, train)

        f = self.filters
        x = nn.relu(conv(x, f))
        x = norm(nn.relu(conv(x, 2 * f, stride=2)))
        x = nn.relu(conv(x, 4 * f, stride=2))
        x = norm(nn.relu(conv(x, 4 * f)))
        x = norm(nn.relu(conv(x, 8 * f)))
        x = norm(nn.relu(conv(x, 4 * f, upsample=True)))
        x = norm(nn.relu(conv(x, 2 * f, upsample=True)))
        x = nn.relu(conv(x, f))
        x = keras_norm(scale_init=nn.initializers.constant(_CHROMA))(conv(x, self.out_channels), train)
        return jnp.tanh(x.astype(jnp.float32))
