"""Discriminators: they see a grey picture and its colour, and answer with logits of 'this colour is real'."""

from functools import partial

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxcolor.errors import UserError
from jaxcolor.models.layers import (
    INITIALIZERS,
    STYLES,
    Conv,
    Dropout,
    activation,
    check_divisible,
    keras_conv,
    named,
    pool,
    same_padding,
)


class PatchGAN(nn.Module):
    """Judge overlapping patches (Kanojia23 section 5.3; Isola et al. 2017).

    4x4 convolutions, the first without norm, and one of stride 1 to a logit. With padding 1, `n_layers` of 1, 2 and 3
    see patches of 16, 34 and 70 pixels.

    Attributes:
      filters: channels of the first convolution; they double up to eight times that.
      n_layers: one less than there are convolutions before the one to the logit.
      strided_layers: how many of those, from the first on, have stride 2; None: `n_layers`.
      norm: `batch`, `instance` or `none`.
      spectral_norm: power iterations of spectral norm at each step; 0 has none.
      style: `pytorch`; or `keras`, the discriminator of Akshat23 Figure 3.11, which has spectral norm only where the
        stride is 2. See `layers.Style`.
      initializer: of kernels: `normal`, N(0, 0.02), or `glorot`, uniform.
    """

    filters: int = 64
    n_layers: int = 3
    strided_layers: int | None = None
    norm: str = 'batch'
    spectral_norm: int = 0
    style: str = 'pytorch'
    initializer: str = 'normal'
    dtype: DTypeLike = jnp.float32
    axis_name: str | None = None

    def halvings(self) -> int:
        """Return the number of convolutions with stride 2; UserError for more than there are."""
        if self.strided_layers is None:
            return self.n_layers
        if self.strided_layers > self.n_layers + 1:
            raise UserError(
                f'strided_layers {self.strided_layers} with n_layers {self.n_layers}; use 1 to {self.n_layers + 1}'
            )
        return self.strided_layers

    def check_size(self, height: int, width: int) -> None:
        """Raise UserError where pictures of height x width leave no patch to judge."""
        halvings = self.halvings()
        for size in (height, width):
            if self.style == 'keras':
                check_divisible(size, 2**halvings, f'2^{halvings} = {2**halvings}')
                continue
            lost = self.n_layers - halvings + 2  # a pixel by each convolution of stride 1
            if size >> halvings <= lost:
                known = [n for n in range(1, self.n_layers) if size >> n >= 3] if self.strided_layers is None else []
                remedy = f'use n_layers {known[-1]} or pictures' if known else 'use pictures'
                raise UserError(
                    f'image size {size} is too small for a PatchGAN with n_layers {self.n_layers}; '
                    f'{remedy} of at least {(lost + 1) << halvings}'
                )

    @nn.compact
    def __call__(self, x: Float[Array, 'b h w 1'], y: Float[Array, 'b h w c'], train: bool) -> Float[Array, 'b p q 1']:
        """Return a logit for each patch of pictures x coloured by y, both about [-1, 1]."""
        self.check_size(*x.shape[1:3])
        keras, style = self.style == 'keras', named('style', STYLES, self.style)
        kernel_init = named('initializer', INITIALIZERS, self.initializer)
        norm = partial(style.norm, self.norm, dtype=self.dtype, axis_name=self.axis_name)

        def conv(h: Array, width: int, stride: int, use_bias: bool, name: str) -> Array:
            padding = same_padding(4, stride) if keras else (1, 1)
            spectral_norm = 0 if keras and stride == 1 else self.spectral_norm
            layer = Conv(width, 4, stride, padding, False, use_bias, spectral_norm, kernel_init, self.dtype, name=name)
            return layer(h, train)

        h = jnp.concatenate([x, y], axis=-1)
        for i in range(self.n_layers + 1):
            stride = 2 if i < self.halvings() else 1
            use_bias = self.norm == 'none' or (i == 0 and not keras)
            h = conv(h, self.filters * min(2**i, 8), stride, use_bias, name=f'conv_{i}')
            h = norm(name=f'norm_{i}')(h, train) if i else h
            h = nn.leaky_relu(h, style.slope)
        return conv(h, 1, 1, True, name='logits').astype(jnp.float32)


class DenseDiscriminator(nn.Module):
    """Judge the whole picture: convolutions, then dense layers (Mehani23 Figure 6, but returning logits).

    'same' convolutions, each followed by `norm` and ReLU, then dense layers, then one to the logit. All has Keras'
    defaults. Mehani23 Figure 19 is colour alone, max pools and three hidden layers; Ramlal's six blocks are strided.

    Attributes:
      widths: channels of each convolution.
      kernel_sizes: of each convolution.
      convs_per_pool: after so many the picture is halved, and dropout follows.
      pool: what halves it: `average`, `max`, or `stride`, the convolution's own.
      norm: of the convolutions: `batch`, `instance` or `none`.
      dropout: the rate after each halving.
      hidden: widths of the dense layers.
      activation: of the dense layers, by name.
      hidden_norm: of the dense layers.
      hidden_dropout: the rate after each of them.
      conditional: whether it sees the grey picture beside the colour.
    """

    widths: tuple[int, ...] = (32, 32, 64, 64)
    kernel_sizes: tuple[int, ...] = (3, 3, 3, 3)
    convs_per_pool: int = 2
    pool: str = 'average'
    norm: str = 'none'
    dropout: float = 0.25
    hidden: tuple[int, ...] = (512,)
    activation: str = 'leaky_relu'
    hidden_norm: str = 'batch'
    hidden_dropout: float = 0.5
    conditional: bool = True
    dtype: DTypeLike = jnp.float32
    axis_name: str | None = None

    def check_size(self, height: int, width: int) -> None:
        """Raise UserError unless pictures of height x width can be pooled as often as is asked."""
        halvings = len(self.widths) // self.convs_per_pool
        for size in (height, width):
            if self.pool != 'stride':
                check_divisible(size, 2**halvings, f'{2**halvings}')
            elif size >> halvings == 0:
                raise UserError(
                    f'image size {size} is too small for {halvings} strided convolutions; use {2**halvings}'
                )

    @nn.compact
    def __call__(self, x: Float[Array, 'b h w 1'], y: Float[Array, 'b h w c'], train: bool) -> Float[Array, 'b 1']:
        """Return one logit for each picture x coloured by y, both about [-1, 1]."""
        self.check_size(*x.shape[1:3])
        if len(self.kernel_sizes) != len(self.widths):
            raise UserError(f'kernel_sizes {self.kernel_sizes} and widths {self.widths} differ in length')
        activate = activation(self.activation)
        norm = partial(STYLES['keras'].norm, dtype=self.dtype, axis_name=self.axis_name)
        dense = partial(nn.Dense, kernel_init=INITIALIZERS['glorot'], dtype=self.dtype)

        h = jnp.concatenate([x, y], axis=-1) if self.conditional else y
        h = h.astype(self.dtype)
        for i, (width, size) in enumerate(zip(self.widths, self.kernel_sizes, strict=True), 1):
            halves = i % self.convs_per_pool == 0
            stride = 2 if halves and self.pool == 'stride' else 1
            h = keras_conv(width, self.dtype, size, stride, use_bias=self.norm == 'none')(h, train)
            h = nn.relu(norm(self.norm, name=f'ConvNorm_{i - 1}')(h, train))
            if halves:
                h = pool(h, self.pool) if stride == 1 else h
                h = Dropout(self.dropout)(h)
        h = h.reshape(len(h), -1)
        for width in self.hidden:
            h = norm(self.hidden_norm)(activate(dense(width)(h)), train)
            h = Dropout(self.hidden_dropout)(h)
        return dense(1)(h).astype(jnp.float32)
