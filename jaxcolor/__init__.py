"""Colour grey pictures: training, evaluation and inference in JAX/Flax."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxcolor.inference.colorizer import Colorizer

__all__ = ['Colorizer']


def __getattr__(name: str) -> Any:
    """Imports `Colorizer` when it is asked for: training and `jaxcolor --help` don't need it."""
    if name != 'Colorizer':
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from jaxcolor.inference.colorizer import Colorizer

    return Colorizer
