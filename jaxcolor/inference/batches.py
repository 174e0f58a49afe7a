"""Which pictures go through the network together: those of one shape, in few sizes of batch."""

import itertools
import math
from collections.abc import Iterable
from typing import Any

_WORK = 2**20  # pixels of a batch through the network
_BATCH = 64


def group(kinds: list[tuple[tuple[int, int], bool]]) -> Iterable[tuple[list[int], int]]:
    """Yield the numbers of pictures that go through the network together, and the most that may.

    Args:
      kinds: of each picture the shape of its small copy, and whether it has hints.
    """
    for (shape, _), group in itertools.groupby(
        sorted(range(len(kinds)), key=lambda i: kinds[i]), key=lambda i: kinds[i]
    ):
        most = max(1, min(_BATCH, _WORK // math.prod(shape)))
        numbers = list(group)
        yield from ((numbers[start : start + most], most) for start in range(0, len(numbers), most))


def cut(items: list[Any], most: int) -> Iterable[tuple[list[Any], int]]:
    """Yield items in batches of 1, 4, 16, …: few sizes, so few programs, and at most a quarter of a batch is empty."""
    while items:
        size = 1
        while 4 * size <= most and 3 * size <= len(items):
            size *= 4
        yield items[:size], size
        items = items[size:]
