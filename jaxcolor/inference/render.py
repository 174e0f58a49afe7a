"""Small chroma onto a large picture: upsampled along the edges of its lightness, within the sRGB gamut.

He and Sun, "Fast guided filter", 2015: around each pixel of the small picture, chroma is a linear function of
lightness. The functions are found where pixels are few, interpolated, and applied where pixels are many. So an
edge of the photograph is an edge of its colour, and no pixel needs anything of its neighbours: a photograph of any
size and shape is rendered a stretch of pixels at a time.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt8, UInt16

from jaxcolor.color import convert
from jaxcolor.color.palette import Palette
from jaxcolor.color.resampling import enlarge
from jaxcolor.color.spaces import Lab, Space

Pixels = UInt8[Array, 'n c'] | UInt16[Array, 'n c'] | Float[Array, 'n c']
Colors = UInt8[Array, 'n 3'] | UInt16[Array, 'n 3'] | Float[Array, 'n 3']


class Place(NamedTuple):
    """Where pixels that follow each other, row by row, lie in their picture, and that in its small copy; int32.

    Attributes:
      first: (row, column) of the first.
      picture: (height, width).
      content: (height, width) of the small copy, without its padding.
      stride: width of the small copy, with its padding.
    """

    first: Int[Array, ' 2'] | Int[np.ndarray, ' 2']
    picture: Int[Array, ' 2'] | Int[np.ndarray, ' 2']
    content: Int[Array, ' 2'] | Int[np.ndarray, ' 2']
    stride: Int[Array, ''] | np.integer[Any]


# Windows of 5 x 5 pixels, and the contrast in lightness (of 1) below which a window counts as flat.
_RADIUS = 2
CONTRAST = 0.03
_ROUNDING = 1e-5  # of linear light: the sides of the gamut are inside
_HALVINGS = 8  # of the interval in which the largest chroma inside the gamut lies: to 0.4 %


def chroma(space: Space, x: Float[Array, 'b h w 1'], y: Float[Array, 'b p q c']) -> Float[Array, 'b h w 2']:
    """CIELAB's a* and b* of what the generator said, whatever its space; float32.

    In Lab itself they may lie outside the gamut, and are brought back by `to_rgb`, not clipped.
    """
    if isinstance(space, Lab):
        return y.astype(jnp.float32) * space.scale
    if isinstance(space, Palette) and space.basis == 'lab':
        return enlarge(space.color(y), x.shape[1:3])
    return convert.rgb_to_lab(space.join(x, y))[..., 1:]


def guide(lightness: Float[Array, 'b h w 1'], chroma: Float[Array, 'b h w 2']) -> Float[Array, 'b h w 4']:
    """Return the guided filter's linear functions, at every pixel: chroma is `[..., :2] * lightness + [..., 2:]`.

    Args:
      lightness: of the small picture, in [0, 1].
      chroma: (a*, b*) of it.
    """
    height, width = lightness.shape[1:3]
    rows, columns = _window_means(height), _window_means(width)

    def mean(image: Float[Array, 'b h w k']) -> Float[Array, 'b h w k']:
        return jnp.einsum('ih,bhwk,jw->bijk', rows, image, columns, precision='highest')

    # Around the middle of the range, variances keep their digits.
    centered = lightness - 0.5
    means = mean(jnp.concatenate([centered, centered**2, chroma, centered * chroma], axis=-1))
    light, variance = means[..., :1], means[..., 1:2] - means[..., :1] ** 2
    slope = (means[..., 4:6] - light * means[..., 2:4]) / (jnp.maximum(variance, 0) + CONTRAST**2)
    slope, offset = jnp.split(mean(jnp.concatenate([slope, means[..., 2:4] - slope * light], axis=-1)), 2, axis=-1)
    return jnp.concatenate([slope, offset - 0.5 * slope], axis=-1)


def constant(chroma: Float[Array, 'b h w 2']) -> Float[Array, 'b h w 4']:
    """Return the functions that say `chroma` whatever the lightness: for a picture as small as the network's."""
    return jnp.concatenate([jnp.zeros_like(chroma), chroma], axis=-1)


def to_lab(
    pixels: Pixels, functions: Float[Array, 'k 4'], place: Place, saturation: Float[Array, '']
) -> tuple[Float[Array, ' n'], Float[Array, ' n'], Float[Array, ' n']]:
    """Give pixels of a large picture their colour, which may lie outside the gamut.

    Args:
      pixels: a stretch of a picture, row by row, grey (one channel) or sRGB; bytes, 16 bits, or floats in [0, 1].
      functions: see `guide`; those of the small picture, row by row.
      place: of the pixels.
      saturation: chroma is multiplied by it.

    Returns:
      L*, a* and b* of CIELAB; L* is that of the pixels.
    """
    rgb = pixels.astype(jnp.float32) / _whole(pixels.dtype)
    lightness = convert.rgb_to_lightness(jnp.broadcast_to(rgb, (*rgb.shape[:-1], 3)))[..., 0]
    slope_a, slope_b, offset_a, offset_b = jnp.moveaxis(_interpolate(functions, place, len(pixels)), -1, 0)
    a, b = (slope * lightness / 100 + offset for slope, offset in ((slope_a, offset_a), (slope_b, offset_b)))
    return lightness, saturation * a, saturation * b


def to_rgb(lightness: Float[Array, ' n'], a: Float[Array, ' n'], b: Float[Array, ' n'], dtype: str) -> Colors:
    """Return sRGB of a dtype: bytes, 16 bits, or floats in [0, 1].

    L* is kept: a colour that sRGB can't show at that lightness loses chroma, not hue or lightness.
    """
    share, whole = _share_in_gamut(lightness, a, b), _whole(jnp.dtype(dtype))
    red, green, blue = map(convert.encode, convert.lab_channels_to_linear(lightness, share * a, share * b))
    if whole != 1.0:  # green alone decides 0.7 of the lightness, so it is rounded to what keeps that
        red, blue = jnp.round(red * whole), jnp.round(blue * whole)
        green = jnp.round(convert.green_of_lightness(lightness, red / whole, blue / whole) * whole)
    return jnp.stack([red, green, blue], axis=-1).astype(dtype)


def _whole(dtype: jnp.dtype) -> float:
    """Return what stands for 1."""
    return float(jnp.iinfo(dtype).max) if jnp.issubdtype(dtype, jnp.integer) else 1.0


def _interpolate(functions: Float[Array, 'k 4'], place: Place, count: int) -> Float[Array, 'n 4']:
    """Return the functions at the centres of pixels, linear between those of the small picture."""
    place = Place(*map(jnp.asarray, place))
    index = jnp.arange(count, dtype=jnp.int32) + place.first[1]
    width = place.picture[1]
    (top, bottom, down), (left, right, across) = (
        _neighbours(number, place.picture[i], place.content[i])
        for i, number in enumerate((place.first[0] + index // width, index % width))
    )

    def row(row: Int[Array, ' n']) -> Float[Array, 'n 4']:
        begin = row * place.stride
        return (1 - across) * functions[begin + left] + across * functions[begin + right]

    return (1 - down) * row(top) + down * row(bottom)


def _neighbours(
    number: Int[Array, ' n'], picture: Int[Array, ''], content: Int[Array, '']
) -> tuple[Int[Array, ' n'], Int[Array, ' n'], Float[Array, 'n 1']]:
    """Return the two numbers in the small picture between which each of the picture lies, and the second's share."""
    scale = content.astype(jnp.float32) / picture.astype(jnp.float32)
    position = (number.astype(jnp.float32) + 0.5) * scale - 0.5
    position = jnp.clip(position, 0.0, (content - 1).astype(jnp.float32))
    low = jnp.floor(position)
    before = low.astype(jnp.int32)
    return before, jnp.minimum(before + 1, content - 1), (position - low)[:, None]


def _share_in_gamut(lightness: Float[Array, ' n'], a: Float[Array, ' n'], b: Float[Array, ' n']) -> Float[Array, ' n']:
    """Return the largest share of (a*, b*) that sRGB can show at this lightness, in [0, 1]."""

    def shown(share: Float[Array, ' n']) -> Bool[Array, ' n']:
        linear = convert.lab_channels_to_linear(lightness, share * a, share * b)
        return jnp.all(jnp.stack([(c > -_ROUNDING) & (c < 1 + _ROUNDING) for c in linear]), axis=0)

    def halve(halving: Int[Array, ''], low: Float[Array, ' n']) -> Float[Array, ' n']:
        higher = low + jnp.exp2(-halving.astype(jnp.float32))
        return jnp.where(shown(higher), higher, low)

    # A loop: what XLA for CPUs fuses it may compute once for each use.
    low = jax.lax.fori_loop(1, _HALVINGS + 1, halve, jnp.zeros_like(lightness))
    whole = jnp.ones_like(low)
    return jnp.where(shown(whole), whole, low)


def _window_means(length: int) -> Float[np.ndarray, 'length length']:
    """Return the matrix that takes means over a window around each pixel, cut off at the ends."""
    position = np.arange(length)
    near = np.abs(position[:, None] - position) <= _RADIUS
    return (near / near.sum(axis=1, keepdims=True)).astype(np.float32)
