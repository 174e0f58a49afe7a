"""Colour hints drawn from true pictures, as a person might give them: so a network learns to follow them."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, PRNGKeyArray

from jaxcolor.color.hints import SCALE, STRIDE
from jaxcolor.color.resampling import shrink

_SHARE = 0.5  # of the pictures that have any
_MOST = 100


def draw(key: PRNGKeyArray, chroma: Float[Array, 'b h w 2']) -> Float[Array, 'b h//4 w//4 3']:
    """Return hints for half of the pictures: 1 to 100 patches at random places (Zhang et al. 2017, section 3.2).

    Their number is drawn evenly on a logarithmic scale, for the first few change most.

    Args:
      key: of all that is drawn.
      chroma: CIELAB's (a*, b*).

    Returns:
      (a*/110, b*/110, 1) of the mean of 4 x 4 pixels where there is a hint, zeros elsewhere.
    """
    b, h, w, _ = chroma.shape
    size = h // STRIDE, w // STRIDE
    some_key, count_key, place_key = jax.random.split(key, 3)
    count = jnp.exp(jax.random.uniform(count_key, (b,), maxval=math.log(_MOST + 1))).astype(jnp.int32)
    count = jnp.where(jax.random.bernoulli(some_key, _SHARE, (b,)), count, 0)
    return at_random(place_key, shrink(chroma, size), count)


def at_random(key: PRNGKeyArray, chroma: Float[Array, 'b p q 2'], count: Int32[Array, ' b']) -> Float[Array, 'b p q 3']:
    """Return `count` hints for each picture, at random places of the mean colours `chroma`."""
    b, p, q, _ = chroma.shape
    order = jnp.argsort(jax.random.uniform(key, (b, p * q)), axis=1)
    rank = jnp.argsort(order, axis=1)
    given = (rank < count[:, None]).reshape(b, p, q, 1)
    colors = jnp.concatenate([chroma / SCALE, jnp.ones_like(chroma[..., :1])], axis=-1)
    return jnp.where(given, colors, 0)
