"""What colourings of many pictures are worth beside what costs nothing: grey, or one colour for a whole picture."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from jaxcolor.color import convert
from jaxcolor.evaluation import measures, metrics

Pictures = UInt8[np.ndarray, 'n h w 3']

_BATCH = 16  # pictures: one program for any number of them


def grey(true: Pictures) -> Pictures:
    """Return the neutral colour of each pixel's L*."""
    return in_batches(_grey, true)


def mean_color(true: Pictures) -> Pictures:
    """Each picture's own mean (a*, b*) on all of its pixels: an oracle, for nobody tells a model that mean."""
    return in_batches(_mean_color, true)


def measure(colored: Pictures, true: Pictures) -> dict[str, float]:
    """Return the mean of each score of `metrics.compare`."""
    scores = in_batches(_compare, colored, true)
    return {name: float(np.mean(values)) for name, values in scores.items()}


def frechet_lite0(true: Pictures) -> Callable[[Pictures], float]:
    """Return a function of colourings: their Fréchet distance from the true pictures, see `measures.frechet_lite0`.

    Raises:
      UserError: see there.
    """
    measure = measures.frechet_lite0()
    extract = jax.jit(lambda *pair: measure.extract(*map(convert.to_float, pair)))

    def distance(colored: Pictures) -> float:
        return measure.finish(measure.update(measure.init(), in_batches(extract, colored, true)))

    return distance


def in_batches(function: Callable[..., Any], *arrays: np.ndarray) -> Any:
    """Apply a function of batches to arrays of any length, and join its results, a tree of arrays.

    Each batch has the same size: the last row is repeated where rows are lacking, and what comes of it dropped.
    """
    results = []
    for start in range(0, len(arrays[0]), _BATCH):
        rows = np.minimum(np.arange(start, start + _BATCH), len(arrays[0]) - 1)
        results.append(jax.tree.map(np.asarray, function(*(array[rows] for array in arrays))))
    return jax.tree.map(lambda *parts: np.concatenate(parts)[: len(arrays[0])], *results)


@jax.jit
def _grey(true: UInt8[Array, 'b h w 3']) -> UInt8[Array, 'b h w 3']:
    return _bytes(convert.lightness_to_rgb(convert.rgb_to_lightness(convert.to_float(true))))


@jax.jit
def _mean_color(true: UInt8[Array, 'b h w 3']) -> UInt8[Array, 'b h w 3']:
    lab = convert.rgb_to_lab(convert.to_float(true))
    chroma = jnp.broadcast_to(lab[..., 1:].mean(axis=(1, 2), keepdims=True), (*lab.shape[:3], 2))
    return _bytes(convert.lab_to_rgb(jnp.concatenate([lab[..., :1], chroma], axis=-1)))


@jax.jit
def _compare(colored: UInt8[Array, 'b h w 3'], true: UInt8[Array, 'b h w 3']) -> dict[str, metrics.Scores]:
    return metrics.compare(convert.to_float(colored), convert.to_float(true))


def _bytes(rgb: Float[Array, 'b h w 3']) -> UInt8[Array, 'b h w 3']:
    return jnp.round(255 * jnp.clip(rgb, 0, 1)).astype(jnp.uint8)
