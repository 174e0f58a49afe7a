"""Colour grey pictures: training, evaluation and inference in JAX/Flax."""

import importlib
import os
from typing import TYPE_CHECKING, Any

# etils goes through TensorFlow where that is installed; TensorFlow takes seconds to import, and knows no s3://.
# It asks once in a process, also for JAX's compilation cache: so this comes before any module that may compile.
os.environ.setdefault('EPATH_USE_TF', 'false')

if TYPE_CHECKING:
    from jaxcolor.inference.colorizer import Colorizer
    from jaxcolor.training.train import evaluate_run as evaluate
    from jaxcolor.training.train import train

__all__ = ['Colorizer', '__version__', 'evaluate', 'train']

_HOMES = {
    'Colorizer': ('jaxcolor.inference.colorizer', 'Colorizer'),
    'train': ('jaxcolor.training.train', 'train'),
    'evaluate': ('jaxcolor.training.train', 'evaluate_run'),
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, when it is: `jaxcolor --help` needs none of it."""
    if name == '__version__':
        from importlib.metadata import version

        return version('jaxcolor')
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(module), attribute)
