"""The plain convolutional generator of seed 000, architecture 1."""

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxcolor.models.layers import Conv, Norm, check_divisible

# The last layer is a BatchNorm, so its scale is the spread of the chroma that comes out. True chroma spreads by
# about 0.1; from Keras' 1 the network needs epochs to get there, and colours worse than grey meanwhile.
_CHROMA = 0.1


class DCGAN(nn.Module):
    """Encoder-decoder of seed 000 Figure 4, as Keras builds it.

    3x3 convolutions with Keras' 'same' padding, BatchNorm with Keras' defaults (epsilon 1e-3, momentum 0.99)
    after the activation, nearest-neighbour upsampling. The figure names no initialiser, so Keras' default,
    Glorot uniform, is part of it: its wide layers learn slowly from N(0, 0.02). Only the last scale starts
    elsewhere, at 0.1.
    """

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

        def conv(x: Array, features: int, stride: int = 1, upsample: bool = False) -> Array:
            return keras_conv(features, stride, self.dtype, upsample)(x, train)

        def norm(x: Array) -> Array:
            return keras_norm(self.dtype, self.axis_name)(x, train)

        f = self.filters
        x = nn.relu(conv(x, f))
        x = norm(nn.relu(conv(x, 2 * f, stride=2)))
        x = nn.relu(conv(x, 4 * f, stride=2))
        x = norm(nn.relu(conv(x, 4 * f)))
        x = norm(nn.relu(conv(x, 8 * f)))
        x = norm(nn.relu(conv(x, 4 * f, upsample=True)))
        x = norm(nn.relu(conv(x, 2 * f, upsample=True)))
        x = nn.relu(conv(x, f))
        x = keras_norm(self.dtype, self.axis_name, scale=_CHROMA)(conv(x, self.out_channels), train)
        return jnp.tanh(x.astype(jnp.float32))


def keras_conv(features: int, stride: int, dtype: DTypeLike, upsample: bool = False) -> Conv:
    """Build a 3x3 convolution as Keras does: 'same' padding (for even sizes), Glorot uniform, bias 0.

    `upsample` puts Keras' UpSampling2D, nearest neighbour by two, before it.
    """
    return Conv(
        features,
        kernel_size=3,
        stride=stride,
        padding=(1, 1) if stride == 1 else (0, 1),
        upsample=upsample,
        kernel_init=nn.initializers.glorot_uniform(),
        dtype=dtype,
    )


def keras_norm(dtype: DTypeLike, axis_name: str | None, scale: float = 1.0) -> Norm:
    """Build a BatchNorm with Keras' defaults, whose scales start at `scale`."""
    init = nn.initializers.constant(scale)
    return Norm(momentum=0.99, epsilon=1e-3, scale_init=init, dtype=dtype, axis_name=axis_name)
