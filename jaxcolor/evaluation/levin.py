"""Colour spread from given points by lightness alone: the classical method, to compare networks with."""

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from jaxtyping import Bool, Float

# As the authors' own program has them, sharper than the 2 of their formula: what the variance is multiplied by, the
# least that comes of it, and the least weight of the most similar neighbour.
_VARIANCE, _LEAST, _NEAREST = 0.6, 2e-6, 0.01


def colorize(
    lightness: Float[np.ndarray, 'h w'], chroma: Float[np.ndarray, 'h w 2'], given: Bool[np.ndarray, 'h w']
) -> Float[np.ndarray, 'h w 2']:
    """Return chroma for every pixel, that of `given` pixels kept; zeros if there are none.

    Each other pixel's chroma is the mean of its eight neighbours', weighed by exp(-(difference in lightness)^2 / (0.6
    variance)), the variance being that of the window of 3 x 3 pixels: a sparse linear system.

    Args:
      lightness: in [0, 1].
      chroma: of the given pixels; others are not looked at.
      given: which these are.

    References:
      Levin, Lischinski and Weiss, "Colorization using optimization", SIGGRAPH 2004.
    """
    if not given.any():
        return np.zeros_like(chroma)
    height, width = lightness.shape
    offsets = [(down, across) for down in (-1, 0, 1) for across in (-1, 0, 1) if (down, across) != (0, 0)]
    padded = np.pad(lightness.astype(np.float64), 1, constant_values=np.nan)
    number = np.pad(np.arange(height * width).reshape(height, width), 1, constant_values=-1)

    def shifted(array: np.ndarray, offset: tuple[int, int]) -> np.ndarray:
        down, across = offset
        return array[1 + down : 1 + down + height, 1 + across : 1 + across + width]

    neighbours = np.stack([shifted(padded, offset) for offset in offsets])
    square = np.square(neighbours - lightness)
    variance = _VARIANCE * np.nanvar(np.concatenate([neighbours, lightness[None]]), axis=0)
    variance = np.maximum(variance, np.nanmin(square, axis=0) / -np.log(_NEAREST))
    weights = np.exp(-square / np.maximum(variance, _LEAST))
    weights = np.where(np.isnan(weights), 0, weights)
    weights /= weights.sum(axis=0)
    weights[:, given] = 0
    rows = np.broadcast_to(np.arange(height * width).reshape(height, width), weights.shape)
    columns = np.stack([shifted(number, offset) for offset in offsets])
    there = weights > 0
    means = scipy.sparse.coo_array(
        (weights[there], (rows[there], columns[there])), shape=(height * width, height * width)
    )
    system = (scipy.sparse.eye_array(height * width) - means).tocsc()
    wanted = np.where(given[..., None], chroma, 0).reshape(-1, 2).astype(np.float64)
    solved = scipy.sparse.linalg.splu(system).solve(wanted)
    return solved.reshape(height, width, 2).astype(chroma.dtype)
