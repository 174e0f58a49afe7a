"""Names of splits: `train`, `train[:80%]`, `test[100:200]`."""

import difflib
import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from typing import TypeVar

import numpy as np
from jaxtyping import Int64

from jaxcolor.errors import UserError

T = TypeVar('T')

_SPLIT = re.compile(r'(?P<name>\w+)(\[(?P<start>-?\d+%?)?:(?P<stop>-?\d+%?)?\])?')


def parse(split: str) -> tuple[str, str | None, str | None]:
    """`train[:80%]` -> ('train', None, '80%').

    Raises:
      UserError: if it is not of the form `name`, `name[from:to]`, with numbers of pictures or percentages.
    """
    match = _SPLIT.fullmatch(split.strip())
    if match is None:
        raise UserError(f'split {split!r} is not understood; write e.g. train, train[:80%] or test[100:200]')
    return match['name'], match['start'], match['stop']


def cut(items: Sequence[T], keys: Sequence[str], start: str | None, stop: str | None) -> list[T]:
    """Return the part of `items` between two bounds, of an order scrambled by `keys`; in the order of `items`.

    Each item's place is the hash of its key, so that the classes a folder is sorted by are spread over the
    parts, and the parts are the same on every machine. `[:80%]` and `[80%:]` are complements.

    Args:
      items: what is divided.
      keys: a distinct name for each item.
      start: first place: a count, or a percentage such as '80%'; negative from the end; None for the start.
      stop: one past the last place, likewise; None for the end.
    """
    if start is None and stop is None:
        return list(items)
    return [items[place] for place in places(keys, len(items), start, stop)]


def places(keys: Iterable[str], count: int, start: str | None, stop: str | None) -> Int64[np.ndarray, ' n']:
    """Return the places of what `cut` returns among `count` items, in order; 8 bytes each."""
    if start is None and stop is None:
        return np.arange(count, dtype=np.int64)
    # The first 8 bytes of the hashes order them as well: no two are alike by chance.
    hashes = np.fromiter((int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) for key in keys), np.uint64, count)
    order = np.argsort(hashes, kind='stable')
    return np.sort(order[slice(_bound(start, count), _bound(stop, count))])


def _bound(text: str | None, count: int) -> int | None:
    if text is None:
        return None
    if text.endswith('%'):
        return round(int(text[:-1]) * count / 100)
    return int(text)


def unknown(split: str, source: str, there: Collection[str], remedy: str = '') -> UserError:
    """Return the error for a split that a source does not have; names those it has and the closest one."""
    name = split.partition('[')[0]
    close = [s for s in there if name and s.startswith(name)] or difflib.get_close_matches(name, there, n=1)
    hint = f'; did you mean {close[0]}?' if close else f'. {remedy}' if remedy else ''
    return UserError(f'{source} has no split {split!r}; it has {", ".join(sorted(there))}{hint}')
