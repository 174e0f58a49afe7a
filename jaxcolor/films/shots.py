"""Where a film cuts from one shot to the next."""

import numpy as np
from jaxtyping import UInt8

# Both have to be exceeded: a pan changes pixels and keeps the histogram, a flicker shifts the histogram a little.
_PIXELS = 0.10  # mean change of lightness, of 1, beside that of the mean
_HISTOGRAM = 0.30  # share of pixels that would have to change their bin
_BINS = 16


def is_cut(before: UInt8[np.ndarray, 'h w'], after: UInt8[np.ndarray, 'h w']) -> bool:
    """Return whether a frame begins another shot than the one before, by their small copies in grey.

    The mean of both is made the same first, for brightness that flickers is no cut.
    """
    one, other = before.astype(np.float32), after.astype(np.float32)
    other += one.mean() - other.mean()
    if np.abs(one - other).mean() < _PIXELS * 255:
        return False
    counts = [np.histogram(each, _BINS, (0, 256))[0] / each.size for each in (one, np.clip(other, 0, 255))]
    return bool(np.abs(counts[0] - counts[1]).sum() / 2 > _HISTOGRAM)
