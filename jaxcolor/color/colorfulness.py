"""How colourful pictures are: the same arithmetic for the host's arrays and the device's."""

import numpy as np
from jaxtyping import Array, Float


def colorfulness(rgb: Float[Array | np.ndarray, '*b h w 3']) -> Float[Array | np.ndarray, '*b']:
    """Return the colourfulness of sRGB pictures on the 0-255 scale.

    0 is not, 15 slightly, 33 moderately, 59 quite, 109 extremely colourful.

    References:
      Hasler and Suesstrunk 2003, "Measuring colourfulness in natural images", equation for M3.
    """
    red, green, blue = (rgb[..., i] for i in range(3))
    opponents = red - green, (red + green) / 2 - blue
    spread = sum(opponent.var(axis=(-2, -1)) for opponent in opponents) ** 0.5
    offset = sum(opponent.mean(axis=(-2, -1)) ** 2 for opponent in opponents) ** 0.5
    return spread + 0.3 * offset
