"""What `min_colorfulness` has measured, kept in the user's cache: pictures are decoded for it once, not at every start.

It is not kept in the work directory, for the next run on the same pictures needs it as well.
"""

import contextlib
import functools
import importlib.metadata
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from jaxcolor.data import user_cache
from jaxcolor.data.fingerprint import Fingerprint, digest

_MOST_FILES = 64  # of 8 bytes a picture
_PACKAGE = Path(__file__).parents[1]
# Code and libraries by which pixels are come by.
_CODE = ('imaging/*.py', 'data/*.py', 'color/colorfulness.py')
_LIBRARIES = ('numpy', 'pillow', 'pillow-heif', 'imagecodecs', 'tifffile', 'scikit-image')

Values = Float64[np.ndarray, ' n']


def path(pictures: Fingerprint, size: int, side: int, squash: bool) -> Path:
    """Return the file of the pictures cut to `size` pixels out of a shorter side of `side`, as this version does.

    With `squash`, both sides are `side`.
    """
    return user_cache.folder('colorfulness') / digest(
        [pictures.pictures, pictures.dated, size, side, squash, _version()]
    )


def load(file: Path, count: int) -> Values:
    """Return what `save` wrote; nan where that is not known: everywhere, if there is no such file or it is damaged."""
    content = user_cache.load(file)
    if content is None or len(content) != 8 * count:
        return np.full(count, np.nan)
    return np.frombuffer(content, '<f8').astype(np.float64)


def save(file: Path, values: Values) -> None:
    """Keep `values`, and the newest of what was kept before; does nothing where the cache can't be written."""
    user_cache.save(file, values.astype('<f8').tobytes(), _MOST_FILES)


@functools.cache
def _version() -> str:
    sources = [path.read_bytes() for pattern in _CODE for path in sorted(_PACKAGE.glob(pattern))]
    versions = []
    for name in _LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions.append((name, importlib.metadata.version(name)))
    return digest([*sources, *versions])
