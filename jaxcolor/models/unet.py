"""The U-Net of pix2pix: strided convolutions down, transposed ones up, a skip at every level."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxcolor.errors import UserError
from jaxcolor.models.layers import (
    INITIALIZERS,
    STYLES,
    Conv,
    ConvTranspose,
    Dropout,
    activation,
    check_divisible,
    named,
    same_padding,
)


class UNet(nn.Module):
    """Generator of Kanojia23 section 5.2 (Isola et al. 2017), for any depth, and its relatives.

    Strided convolutions halve the picture, transposed ones double it again. The first convolution is not normalised.
    The last, to `out_channels`, has a bias and neither norm nor spectral norm; others have biases if `norm` is 'none'.

    Attributes:
      out_channels: set by the space.
      filters: channels of the outermost level; level i has `filters * min(2^i, 8)`.
      depth: how often the picture is halved.
      widths: channels of each level, outermost first, in place of `filters`.
      up_widths: channels of what comes up to a level, innermost first; None: those of the level.
      kernel_size: of all convolutions but the last.
      last_kernel_size: of the last; None: `kernel_size`.
      skips: whether levels are joined to their mirror images; an autoencoder has none.
      input_skip: whether there is one at full size too: the last block goes up to as many channels as the outermost
        level has, and a 3x3 convolution of these and the picture itself comes last.
      upsampling: `transposed`, one transposed convolution; or `nearest`, which repeats pixels and convolves.
      dropout: the rate, in `dropout_layers` blocks of the decoder.
      dropout_layers: how many, counted outwards from the innermost that `style` allows; None: `max(depth - 5, 0)`,
        which is Kanojia23's formula and means none for shallower networks.
      encoder_dropout: the rate in every block of the encoder.
      norm: of the encoder: `batch`, `instance` or `none`.
      up_norm: of the decoder; None: `norm`.
      spectral_norm: power iterations of spectral norm at each step; 0 has none.
      style: `pytorch` or `keras`, whose pix2pix differ, see `layers.Style`.
      initializer: of kernels: `normal`, N(0, 0.02), or `glorot`, uniform.
      activation: of the encoder, by name.
      up_activation: of the decoder.
      output_activation: `tanh`, `sigmoid`, `relu` or `identity`.
    """

    out_channels: int = 2
    filters: int = 64
    depth: int = 8
    widths: tuple[int, ...] | None = None
    up_widths: tuple[int, ...] | None = None
    kernel_size: int = 4
    last_kernel_size: int | None = None
    skips: bool = True
    input_skip: bool = False
    upsampling: str = 'transposed'
    dropout: float = 0.5
    dropout_layers: int | None = None
    encoder_dropout: float = 0.0
    norm: str = 'batch'
    up_norm: str | None = None
    spectral_norm: int = 0
    style: str = 'pytorch'
    initializer: str = 'normal'
    activation: str = 'leaky_relu'
    up_activation: str = 'relu'
    output_activation: str = 'tanh'
    dtype: DTypeLike = jnp.float32
    axis_name: str | None = None

    def level_widths(self) -> tuple[int, ...]:
        """Return the channels of each level on the way down, outermost first; UserError unless there are `depth`."""
        if self.widths is None:
            return tuple(self.filters * min(2**i, 8) for i in range(self.depth))
        if len(self.widths) != self.depth:
            raise UserError(f'widths {tuple(self.widths)} has {len(self.widths)} entries, depth is {self.depth}')
        return tuple(self.widths)

    def level_up_widths(self) -> tuple[int, ...]:
        """Return the channels of each block on the way up but the last, innermost first; UserError as above."""
        if self.up_widths is None:
            return self.level_widths()[-2::-1]
        if len(self.up_widths) != self.depth - 1:
            raise UserError(
                f'up_widths {tuple(self.up_widths)} has {len(self.up_widths)} entries, depth - 1 is {self.depth - 1}'
            )
        return tuple(self.up_widths)

    def dropped_levels(self) -> range:
        """Return the levels whose way up has dropout; UserError for more than there are."""
        first = self.depth - (1 if self.style == 'keras' else 2)
        layers = max(self.depth - 5, 0) if self.dropout_layers is None else self.dropout_layers
        if not 0 <= layers <= max(first, 0):
            raise UserError(f'dropout_layers {layers} with depth {self.depth}; use 0 to {max(first, 0)}')
        return range(first - layers + 1, first + 1)

    def has_dropout(self) -> bool:
        """Say whether an rng 'dropout' makes a difference."""
        return self.encoder_dropout > 0 or (self.dropout > 0 and len(self.dropped_levels()) > 0)

    def check_size(self, height: int, width: int) -> None:
        """Raise UserError unless pictures of height x width can be halved `depth` times."""
        step = 2**self.depth
        for size in (height, width):
            halvings = (size & -size).bit_length() - 1 if isinstance(size, int) else 0
            remedy = f', or depth {halvings}' if halvings > 0 else ''
            check_divisible(size, step, f'2^depth = {step}', remedy)

    @nn.compact
    def __call__(self, x: Float[Array, 'b h w 1'], train: bool) -> Float[Array, 'b h w c']:
        """Return the chroma of grey pictures; both in [-1, 1] with the default `output_activation`."""
        self.check_size(*x.shape[1:3])
        widths, up_widths, dropped = self.level_widths(), self.level_up_widths(), self.dropped_levels()
        innermost = self.depth - 1
        keras, style = self.style == 'keras', named('style', STYLES, self.style)
        encode, decode = (activation(name, style.slope) for name in (self.activation, self.up_activation))
        norm = partial(style.norm, dtype=self.dtype, axis_name=self.axis_name)
        up_norm = self.norm if self.up_norm is None else self.up_norm
        up = self._upsampling(style.spectral_axis)
        common: dict[str, Any] = {
            'kernel_init': named('initializer', INITIALIZERS, self.initializer),
            'dtype': self.dtype,
        }
        inner: dict[str, Any] = common | {
            'kernel_size': self.kernel_size,
            'padding': same_padding(self.kernel_size, 2),
            'use_bias': self.norm == 'none',
            'spectral_norm': self.spectral_norm,
        }

        picture, skips = x, []
        for level, width in enumerate(widths):
            x = Conv(width, **inner, name=f'down_{level}')(x, train)
            if level and (keras or level < innermost):
                x = norm(self.norm, name=f'down_norm_{level}')(x, train)
            x = Dropout(self.encoder_dropout)(x) if self.encoder_dropout else x
            activated = encode(x)
            skips.append(activated if keras else x)
            x = activated

        x = skips.pop() if keras else decode(skips.pop())
        for level, width in zip(range(innermost, 0, -1), up_widths, strict=True):
            x = up(width, **inner, name=f'up_{level}')(x, train)
            x = norm(up_norm, name=f'up_norm_{level}')(x, train)
            x = Dropout(self.dropout)(x) if level in dropped else x
            skip = skips.pop()
            if not self.skips:
                x = decode(x)
            elif keras:
                x = jnp.concatenate([decode(x), skip], axis=-1)
            else:
                x = decode(jnp.concatenate([skip, x], axis=-1))
        size = self.last_kernel_size or self.kernel_size
        features = widths[0] if self.input_skip else self.out_channels
        x = up(features, kernel_size=size, padding=same_padding(size, 2), **common, name='up_0')(x, train)
        if self.input_skip:
            x = decode(norm(up_norm, name='up_norm_0')(x, train))
            x = jnp.concatenate([x, picture.astype(self.dtype)], axis=-1)
            x = Conv(self.out_channels, kernel_size=3, stride=1, **common, name='last')(x, train)
        return activation(self.output_activation)(x.astype(jnp.float32))

    def _upsampling(self, spectral_axis: int) -> Callable[..., nn.Module]:
        kinds: dict[str, Callable[..., nn.Module]] = {
            'transposed': partial(ConvTranspose, spectral_axis=spectral_axis),
            'nearest': partial(Conv, stride=1, upsample=True),
        }
        for size in (self.kernel_size, self.last_kernel_size or self.kernel_size):
            if self.upsampling == 'nearest' and size % 2 == 0:
                raise UserError(f"kernel_size {size} is even, but upsampling 'nearest' takes odd ones; use {size - 1}")
        return named('upsampling', kinds, self.upsampling)
