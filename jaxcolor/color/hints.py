"""Colour hints as a network takes them: on a grid, (a*/110, b*/110, 1) where a colour is given and zeros elsewhere."""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcolor.color.resampling import shrink

SCALE = 110  # of (a*, b*), as in `spaces.Lab`
STRIDE = 4  # pixels along each side of the patch whose colour a hint is


def pool_hints(hints: Float[Array, 'b h w 3'], size: Sequence[int]) -> Float[Array, 'b p q 3']:
    """Colour hints on a coarser grid: the mean of a block's hints, and 1 where it has any.

    Args:
      hints: (a, b, 1) where a colour is given, zeros elsewhere.
      size: whole fractions of (h, w).
    """
    means = shrink(hints, size)
    share = means[..., 2:]
    return jnp.where(share > 0, means / jnp.where(share > 0, share, 1), 0)
