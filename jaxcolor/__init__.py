"""Colour grey pictures: training, evaluation and inference in JAX/Flax."""

import os
from typing import TYPE_CHECKING, Any

# etils goes through TensorFlow where that is installed; TensorFlow takes seconds to import, and knows no s3://.
# It asks once in a process, also for JAX's compilation cache: so this comes before any module that may compile.
os.environ.setdefault('EPATH_USE_TF', 'false')

if TYPE_CHECKING:
    from jaxcolor.inference.colorizer import Colorizer

__all__ = ['Colorizer']


def __getattr__(name: str) -> Any:
    """Imports `Colorizer` when it is asked for: training and `jaxcolor --help` don't need it."""
    if name != 'Colorizer':
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from jaxcolor.inference.colorizer import Colorizer

    return Colorizer
