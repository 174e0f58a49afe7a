"""Pictures and feature maps made smaller and larger on the device: means of blocks, and linear interpolation."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def shrink(x: Float[Array, 'b h w c'], size: Sequence[int]) -> Float[Array, 'b p q c']:
    """Return the means of blocks, `size` (p, q) being whole fractions of (h, w)."""
    b, h, w, c = x.shape
    p, q = size
    if (p, q) == (h, w):
        return x
    return x.reshape(b, p, h // p, q, w // q, c).mean(axis=(2, 4))


def enlarge(x: Float[Array, 'b p q c'], size: Sequence[int]) -> Float[Array, 'b h w c']:
    """Linear interpolation between pixels' centres to `size` (h, w), constant beyond the outermost."""
    if x.shape[1:3] == tuple(size):
        return x
    return jax.image.resize(x, (x.shape[0], *size, x.shape[3]), 'linear', precision='highest')


def double(x: Float[Array, 'b h w c']) -> Float[Array, 'b 2*h 2*w c']:
    """`enlarge` to twice the size: every new pixel is 3/4 of the nearest and 1/4 of the next, along either axis."""
    for axis in (1, 2):
        before = jnp.concatenate([_first(x, axis), x], axis)
        after = jnp.concatenate([x, _first(x, axis, last=True)], axis)
        count = x.shape[axis]
        left = 0.75 * x + 0.25 * jax.lax.slice_in_dim(before, 0, count, axis=axis)
        right = 0.75 * x + 0.25 * jax.lax.slice_in_dim(after, 1, count + 1, axis=axis)
        shape = (*x.shape[:axis], 2 * count, *x.shape[axis + 1 :])
        x = jnp.stack([left, right], axis + 1).reshape(shape)
    return x


def _first(x: Float[Array, 'b h w c'], axis: int, *, last: bool = False) -> Float[Array, 'b _ _ c']:
    start = x.shape[axis] - 1 if last else 0
    return jax.lax.slice_in_dim(x, start, start + 1, axis=axis)
