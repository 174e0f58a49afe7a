"""A warmer or a cooler light on a picture in colour: von Kries's rule as CIELAB itself has it."""

import numpy as np
from jaxtyping import Float

from jaxcolor.color import convert

# X / X_n and Z / Z_n of daylight D50 to those of D65, by their cube roots, which is how a* and b* take them.
_D65, _D50 = convert.WHITE[[0, 2]], np.array([0.96422, 0.82521])


def warm(functions: Float[np.ndarray, 'k 4'], warmth: float) -> Float[np.ndarray, 'k 4']:
    """Return `render.guide`'s functions of a picture in a warmer light, its L* kept.

    X and Z are multiplied by what a change of the white point multiplies them by. In CIELAB that adds to a* and b* what
    is linear in L*, as the functions are.

    Args:
      functions: chroma is `[..., :2] * L* / 100 + [..., 2:]`.
      warmth: 1 makes of daylight D65 (6500 K) D50 (5000 K), -1 about 9300 K; 0 changes nothing.
    """
    scale, light = balance(warmth)
    slope, offset = np.split(np.asarray(functions), 2, axis=1)
    return np.concatenate([scale * slope + light * (100 / 116), scale * offset + light * (16 / 116)], axis=1)


def undo(
    lightness: Float[np.ndarray, 'n 1'], chroma: Float[np.ndarray, 'n 2'], warmth: float
) -> Float[np.ndarray, 'n 2']:
    """Return the (a*, b*) that `warm` makes `chroma` of, where L* is `lightness`."""
    scale, light = balance(warmth)
    return (chroma - light * (lightness + 16) / 116) / scale


def balance(warmth: float) -> tuple[Float[np.ndarray, ' 2'], Float[np.ndarray, ' 2']]:
    """Return what (a*, b*) are multiplied by, and what is added to them, in units of (L* + 16) / 116."""
    scale = ((_D50 / _D65) ** (warmth / 3)).astype(np.float32)
    return scale, np.array([500, -200], np.float32) * (scale - 1)
