"""What `min_colorfulness` has measured, kept in the user's cache: pictures are decoded for it once, not at every start.

It is not kept in the work directory, for the next run on the same pictures needs it as well.
"""

import contextlib
import functools
import hashlib
import importlib.metadata
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from jaxcolor.data.fingerprint import Fingerprint, digest
from jaxcolor.errors import UserError
from jaxcolor.storage import user_cache, write_atomic

_MOST_FILES = 64  # of 8 bytes a picture
_PACKAGE = Path(__file__).parents[1]
# Code and libraries by which pixels are come by.
_CODE = ('imaging/*.py', 'data/*.py', 'color/colorfulness.py')
_LIBRARIES = ('numpy', 'pillow', 'pillow-heif', 'imagecodecs', 'tifffile', 'scikit-image')

Values = Float64[np.ndarray, ' n']


def path(pictures: Fingerprint, size: int, side: int) -> Path:
    """Return the file of the pictures cut to `size` pixels out of a shorter side of `side`, as this version does."""
    return _folder() / digest([pictures.pictures, pictures.dated, size, side, _version()])


def load(file: Path, count: int) -> Values:
    """Return what `save` wrote; nan where that is not known: everywhere, if there is no such file or it is damaged."""
    with contextlib.suppress(OSError):
        content = file.read_bytes()
        values = content[32:]
        if len(values) == 8 * count and hashlib.sha256(values).digest() == content[:32]:
            return np.frombuffer(values, '<f8').astype(np.float64)
    return np.full(count, np.nan)


def save(file: Path, values: Values) -> None:
    """Keep `values`, and the newest of what was kept before; does nothing where the cache can't be written."""
    content = values.astype('<f8').tobytes()
    with contextlib.suppress(OSError, UserError):
        write_atomic(file, hashlib.sha256(content).digest() + content)
        kept = sorted(_folder().iterdir(), key=lambda other: other.stat().st_mtime)
        for old in kept[:-_MOST_FILES]:
            old.unlink(missing_ok=True)


def _folder() -> Path:
    return user_cache() / 'colorfulness'


@functools.cache
def _version() -> str:
    sources = [path.read_bytes() for pattern in _CODE for path in sorted(_PACKAGE.glob(pattern))]
    versions = []
    for name in _LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions.append((name, importlib.metadata.version(name)))
    return digest([*sources, *versions])
