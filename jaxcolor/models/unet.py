"""The U-Net of pix2pix: strided 4x4 convolutions down, transposed ones up, a skip at every level."""

from functools import partial

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxcolor.errors import UserError
from jaxcolor.models.layers import Conv, ConvTranspose, Norm, activation, check_divisible


class UNet(nn.Module):
    """Generator of seed 001 section 5.2 (Isola et al. 2017), for any depth.

    `depth` convolutions halve the picture, as many transposed ones double it again. Level i has
    `filters * min(2^i, 8)` channels unless `widths` lists them. The first and the innermost convolution are
    not normalised; the last has a bias instead of a norm. `dropout_layers` blocks, counted outwards from the
    one around the innermost, are followed by dropout: `max(depth - 5, 0)` unless given, which is the seed's
    formula and for shallower nets means none.
    """

    out_channels: int = 2
    filters: int = 64
    depth: int = 8
    widths: tuple[int, ...] | None = None
    dropout: float = 0.5
    dropout_layers: int | None = None
    norm: str = 'batch'
    spectral_norm: int = 0
    activation: str = 'leaky_relu'
    output_activation: str = 'tanh'
    dtype: DTypeLike = jnp.float32
    axis_name: str | None = None

    def level_widths(self) -> tuple[int, ...]:
        """Return the channels of each level, outermost first; UserError unless there are `depth`."""
        if self.widths is None:
            return tuple(self.filters * min(2**i, 8) for i in range(self.depth))
        if len(self.widths) != self.depth:
            raise UserError(f'widths {tuple(self.widths)} has {len(self.widths)} entries, depth is {self.depth}')
        return tuple(self.widths)

    def check_size(self, height: int, width: int) -> None:
        """Raise UserError unless pictures of height x width can be halved `depth` times."""
        step = 2**self.depth
        for size in (height, width):
            halvings = (size & -size).bit_length() - 1
            remedy = f', or depth {halvings}' if halvings > 0 else ''
            check_divisible(size, step, f'2^depth = {step}', remedy)

    @nn.compact
    def __call__(self, x: Float[Array, 'b h w 1'], train: bool) -> Float[Array, 'b h w c']:
        """Return the chroma of grey pictures; both in [-1, 1] with the default `output_activation`."""
        self.check_size(*x.shape[1:3])
        widths = self.level_widths()
        dropout_layers = max(self.depth - 5, 0) if self.dropout_layers is None else self.dropout_layers
        if not 0 <= dropout_layers <= max(self.depth - 2, 0):
            raise UserError(f'dropout_layers {dropout_layers} with depth {self.depth}; use 0 to {self.depth - 2}')
        encode = activation(self.activation)
        conv = partial(Conv, spectral_norm=self.spectral_norm, dtype=self.dtype)
        conv_transpose = partial(ConvTranspose, spectral_norm=self.spectral_norm, dtype=self.dtype)
        norm = partial(Norm, self.norm, dtype=self.dtype, axis_name=self.axis_name)
        innermost = self.depth - 1

        skips = []
        for level, width in enumerate(widths):
            inner = 0 < level < innermost
            x = encode(x) if level else x
            x = conv(width, use_bias=inner and self.norm == 'none', name=f'down_{level}')(x, train)
            x = norm(name=f'down_norm_{level}')(x, train) if inner else x
            skips.append(x)

        x = skips.pop()
        for level in range(innermost, 0, -1):
            up = conv_transpose(widths[level - 1], use_bias=self.norm == 'none', name=f'up_{level}')
            x = up(nn.relu(x), train)
            x = norm(name=f'up_norm_{level}')(x, train)
            if innermost - dropout_layers <= level < innermost:
                x = nn.Dropout(self.dropout, deterministic=not train)(x)
            x = jnp.concatenate([skips.pop(), x], axis=-1)
        x = conv_transpose(self.out_channels, name='up_0')(nn.relu(x), train)
        return activation(self.output_activation)(x.astype(jnp.float32))
