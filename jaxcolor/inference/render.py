"""Small chroma onto a large picture: upsampled along the edges of its lightness, within the sRGB gamut.

He and Sun, "Fast guided filter", 2015: around each pixel of the small picture, chroma is a linear function of
lightness. The functions are found where pixels are few, interpolated, and applied where pixels are many. So an
edge of the photograph is an edge of its colour, and a photograph of any size is rendered in tiles that need
nothing from their neighbours.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, UInt8, UInt16

from jaxcolor.color import convert
from jaxcolor.color.palette import Palette
from jaxcolor.color.resampling import enlarge
from jaxcolor.color.spaces import Lab, Space

Pixels = UInt8[Array, 'n t u c'] | UInt16[Array, 'n t u c'] | Float[Array, 'n t u c']
Colors = UInt8[Array, 'n t u 3'] | UInt16[Array, 'n t u 3'] | Float[Array, 'n t u 3']

# Windows of 5 x 5 pixels, and the contrast in lightness (of 1) below which a window counts as flat.
_RADIUS = 2
CONTRAST = 0.03
_ROUNDING = 1e-5  # of linear light: the sides of the gamut are inside
_HALVINGS = 8  # of the interval in which the largest chroma inside the gamut lies: to 0.4 %


def chroma(space: Space, x: Float[Array, 'b h w 1'], y: Float[Array, 'b p q c']) -> Float[Array, 'b h w 2']:
    """CIELAB's a* and b* of what the generator said, whatever its space; float32.

    In Lab itself they may lie outside the gamut, and are brought back by `colorize`, not clipped.
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


def colorize(
    pixels: Pixels,
    functions: Float[Array, 'n h w 4'],
    corner: Float[Array, 'n 2'],
    scale: Float[Array, 'n 2'],
    size: Float[Array, 'n 2'],
    saturation: Float[Array, ''],
) -> Colors:
    """Give tiles of large pictures their colour.

    The lightness L* of each pixel is kept: a colour that sRGB can't show at that lightness loses chroma, not
    hue or lightness.

    Args:
      pixels: the tiles, grey (one channel) or sRGB; bytes, 16 bits, or floats in [0, 1].
      functions: see `guide`; those of the small picture that each tile's picture has.
      corner: (row, column) of each tile in its picture.
      scale: (rows, columns) of the small picture for one of the picture.
      size: (rows, columns) of the small picture that are not padding.
      saturation: chroma is multiplied by it.

    Returns:
      sRGB [n, t, u, 3] of the dtype of `pixels`.
    """
    whole = float(jnp.iinfo(pixels.dtype).max) if jnp.issubdtype(pixels.dtype, jnp.integer) else 1.0
    rgb = pixels.astype(jnp.float32) / whole
    lightness = convert.rgb_to_lightness(jnp.broadcast_to(rgb, (*rgb.shape[:-1], 3)))
    rows, columns = (
        _interpolation(corner[:, i], scale[:, i], size[:, i], pixels.shape[i + 1], functions.shape[i + 1])
        for i in (0, 1)
    )
    slope, offset = jnp.split(
        jnp.einsum('nth,nhwk,nuw->ntuk', rows, functions, columns, precision='highest'), 2, axis=-1
    )
    a, b = jnp.split(saturation * (slope * lightness / 100 + offset), 2, axis=-1)
    share = _share_in_gamut(lightness, a, b)
    colored = convert.lab_to_rgb(jnp.concatenate([lightness, share * a, share * b], axis=-1))
    return colored if whole == 1.0 else _round(colored, lightness, whole).astype(pixels.dtype)


def _round(rgb: Float[Array, '*b 3'], lightness: Float[Array, '*b 1'], whole: float) -> Float[Array, '*b 3']:
    """Round red and blue, and then green to what keeps the lightness: green alone decides 0.7 of it."""
    red, blue = (jnp.round(rgb[..., i] * whole) for i in (0, 2))
    green = jnp.round(convert.green_of_lightness(lightness[..., 0], red / whole, blue / whole) * whole)
    return jnp.stack([red, green, blue], axis=-1)


def _share_in_gamut(
    lightness: Float[Array, '*b 1'], a: Float[Array, '*b 1'], b: Float[Array, '*b 1']
) -> Float[Array, '*b 1']:
    """Return the largest share of (a*, b*) that sRGB can show at this lightness, in [0, 1]."""

    def shown(share: Float[Array, '*b 1']) -> Bool[Array, '*b 1']:
        linear = convert.lab_to_linear(jnp.concatenate([lightness, share * a, share * b], axis=-1))
        inside = (linear > -_ROUNDING) & (linear < 1 + _ROUNDING)
        return jnp.all(inside, axis=-1, keepdims=True)

    low = jnp.zeros_like(lightness)
    for halving in range(1, _HALVINGS + 1):
        higher = low + 0.5**halving
        low = jnp.where(shown(higher), higher, low)
    whole = jnp.ones_like(low)
    return jnp.where(shown(whole), whole, low)


def _window_means(length: int) -> Float[np.ndarray, 'length length']:
    """Return the matrix that takes means over a window around each pixel, cut off at the ends."""
    position = np.arange(length)
    near = np.abs(position[:, None] - position) <= _RADIUS
    return (near / near.sum(axis=1, keepdims=True)).astype(np.float32)


def _interpolation(
    corner: Float[Array, ' n'], scale: Float[Array, ' n'], size: Float[Array, ' n'], length: int, small: int
) -> Float[Array, 'n length small']:
    """Return matrices that interpolate `small` pixels linearly at the centres of `length` larger or smaller ones."""
    pixel = jnp.arange(length, dtype=jnp.float32)[None] + 0.5
    position = (corner[:, None] + pixel) * scale[:, None] - 0.5
    position = jnp.clip(position, 0.0, size[:, None] - 1)
    distance = jnp.abs(position[..., None] - jnp.arange(small, dtype=jnp.float32)[None, None])
    return jnp.maximum(0.0, 1 - distance)
