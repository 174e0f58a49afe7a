"""Discriminators: they see a grey picture and its colour, and answer with logits of 'this colour is real'."""

from functools import partial

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxcolor.errors import UserError
from jaxcolor.models.dcgan import keras_conv, keras_norm
from jaxcolor.models.layers import Conv, Norm, check_divisible


class PatchGAN(nn.Module):
    """Judge overlapping patches (seed 001 section 5.3; Isola et al. 2017).

    4x4 convolutions with padding 1: one of stride 2 without norm, `n_layers` - 1 of stride 2, one of stride 1
    with norm, and one of stride 1 to a logit. `n_layers` 1, 2, 3 see patches of 16, 34, 70 pixels. Widths
    double from `filters` up to eight times it.
    """

    filters: int = 64
    n_layers: int = 3
    norm: str = 'batch'
    spectral_norm: int = 0
    dtype: DTypeLike = jnp.float32
    axis_name: str | None = None

    def check_size(self, height: int, width: int) -> None:
        """Raise UserError where pictures of height x width leave no patch to judge."""
        for size in (height, width):
            if size >> self.n_layers < 3:
                known = [n for n in range(1, self.n_layers) if size >> n >= 3]
                remedy = f'use n_layers {known[-1]} or pictures' if known else 'use pictures'
                raise UserError(
                    f'image size {size} is too small for a PatchGAN with n_layers {self.n_layers}; '
                    f'{remedy} of at least {3 << self.n_layers}'
                )

    @nn.compact
    def __call__(self, x: Float[Array, 'b h w 1'], y: Float[Array, 'b h w c'], train: bool) -> Float[Array, 'b p q 1']:
        """Return a logit for each patch of pictures x coloured by y, both about [-1, 1]."""
        self.check_size(*x.shape[1:3])
        conv = partial(Conv, spectral_norm=self.spectral_norm, dtype=self.dtype)
        norm = partial(Norm, self.norm, dtype=self.dtype, axis_name=self.axis_name)
        h = conv(self.filters, name='conv_0')(jnp.concatenate([x, y], axis=-1), train)
        h = nn.leaky_relu(h, 0.2)
        for i in range(1, self.n_layers + 1):
            stride = 1 if i == self.n_layers else 2
            width = self.filters * min(2**i, 8)
            h = conv(width, stride=stride, use_bias=self.norm == 'none', name=f'conv_{i}')(h, train)
            h = norm(name=f'norm_{i}')(h, train)
            h = nn.leaky_relu(h, 0.2)
        h = conv(1, stride=1, name='logits')(h, train)
        return h.astype(jnp.float32)


class DenseDiscriminator(nn.Module):
    """Judge the whole picture (seed 000 Figure 6, but returning logits)."""

    filters: int = 32
    hidden: int = 512
    dtype: DTypeLike = jnp.float32
    axis_name: str | None = None

    def check_size(self, height: int, width: int) -> None:
        """Raise UserError unless pictures of height x width can be halved twice."""
        for size in (height, width):
            check_divisible(size, 4, '4')

    @nn.compact
    def __call__(self, x: Float[Array, 'b h w 1'], y: Float[Array, 'b h w c'], train: bool) -> Float[Array, 'b 1']:
        """Return one logit for each picture x coloured by y, both about [-1, 1]."""
        self.check_size(*x.shape[1:3])
        h = jnp.concatenate([x, y], axis=-1).astype(self.dtype)
        for width in (self.filters, 2 * self.filters):
            h = nn.relu(keras_conv(width, 1, self.dtype)(h, train))
            h = nn.relu(keras_conv(width, 1, self.dtype)(h, train))
            h = h.reshape(len(h), h.shape[1] // 2, 2, h.shape[2] // 2, 2, width).mean((2, 4))  # pool 2x2
            h = nn.Dropout(0.25, deterministic=not train)(h)
        h = nn.Dense(self.hidden, kernel_init=nn.initializers.glorot_uniform(), dtype=self.dtype)(h.reshape(len(h), -1))
        h = keras_norm(self.dtype, self.axis_name)(nn.leaky_relu(h, 0.2), train)
        h = nn.Dropout(0.5, deterministic=not train)(h)
        h = nn.Dense(1, kernel_init=nn.initializers.glorot_uniform(), dtype=self.dtype)(h)
        return h.astype(jnp.float32)
