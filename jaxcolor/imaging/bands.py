"""Bands of rows that are encoded side by side: zlib and NumPy let other threads run."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar('T')


def each(function: Callable[[int, int], T], height: int, rows: int) -> list[T]:
    """Return `function(top, bottom)` of each band of so many rows, from the top down."""
    tops = range(0, height, rows)
    bottoms = [min(top + rows, height) for top in tops]
    if len(tops) == 1:
        return [function(0, height)]
    with ThreadPoolExecutor(min(len(tops), os.cpu_count() or 1), 'band') as pool:
        return list(pool.map(function, tops, bottoms))
