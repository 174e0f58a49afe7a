"""The colours that a network thinks likely at a place of a picture, few and well apart."""

import dataclasses
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxcolor.color.palette import Palette, scale_chroma
from jaxcolor.inference import render, rendering
from jaxcolor.inference.network import SmallCopy

_CHROMA = 0.045  # of S_C in CIEDE2000: where chroma C is ln(1 + 0.045 C) / 0.045, equal steps look alike
_APART = 9.0  # of colours there
_MOST = 64
_LEAST = 0.005  # probability of what is worth showing


class Spot(NamedTuple):
    """A place of a picture: where it is in what the network sees, with the hints that are given."""

    copy: SmallCopy
    row: int
    column: int


@partial(jax.jit, static_argnames='space')
def classes(lightness: Float[Array, ''], *, space: Palette) -> tuple[Float[Array, 'k 3'], Float[Array, 'k 2']]:
    """Return CIELAB of a palette's classes at a lightness L*, and a* and b* where equal steps look alike."""
    x = jnp.full((1, 1, space.size, 1), lightness / 50 - 1)
    one_hot = 100 * jnp.eye(space.size)[None, None]
    chroma = render.chroma(dataclasses.replace(space, temperature=0.0, vividness=0.0), x, one_hot)[0, 0]
    lab = jnp.concatenate([jnp.full((space.size, 1), lightness), chroma], axis=-1)
    return lab, scale_chroma(jnp.log1p, chroma, _CHROMA)


def logits_at(output: Float[np.ndarray, 'p q k'], down: float, across: float) -> Float[np.ndarray, ' k']:
    """Return the logits of a place, `down` and `across` being shares of the height and the width."""
    return output[int(down * output.shape[0]), int(across * output.shape[1])]


def few(
    logits: Float[np.ndarray, ' k'], lab: Float[np.ndarray, 'k 3'], even: Float[np.ndarray, 'k 2'], count: int
) -> tuple[Float[np.ndarray, 'n 3'], Float[np.ndarray, ' n']]:
    """Return `count` colours at most, the likeliest first: each the mean of those around a peak, with their sum.

    Args:
      logits: of colours.
      lab: their CIELAB, of one lightness.
      even: places of them where equal steps look alike.
      count: of what is returned, 64 at most.

    Returns:
      CIELAB, and probabilities.
    """
    left = np.exp(logits.astype(np.float64) - logits.max())
    left /= left.sum()
    apart = np.linalg.norm(even[:, None] - even, axis=2)
    colors: list[np.ndarray] = []
    shares: list[float] = []
    while len(colors) < min(count, _MOST):
        around = (apart < _APART) @ left
        peak = int(np.argmax(around))
        if around[peak] < _LEAST:
            break
        weights = np.where(apart[peak] < _APART, left, 0)
        colors.append(weights @ lab / weights.sum())
        shares.append(float(weights.sum()))
        left = left - weights
    order = np.argsort(shares)[::-1]
    return np.array(colors, np.float32).reshape(-1, 3)[order], np.array(shares, np.float32)[order]


def to_hex(lab: Float[np.ndarray, 'n 3']) -> list[str]:
    """Return colours as `#rrggbb`; what sRGB can't show loses chroma."""
    padded = np.zeros((_MOST, 3), np.float32)
    padded[: len(lab)] = lab
    rgb = np.asarray(rendering.to_rgb(*padded.T, dtype='uint8'))[: len(lab)]
    return [f'#{bytes(color.tolist()).hex()}' for color in rgb]
