"""Names of splits: `train`, `train[:80%]`, `test[100:200]`."""

import difflib
import hashlib
import re
from collections.abc import Collection, Sequence
from typing import TypeVar

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
    places = sorted(range(len(items)), key=lambda i: hashlib.sha256(keys[i].encode()).digest())
    part = places[slice(_bound(start, len(items)), _bound(stop, len(items)))]
    return [items[i] for i in sorted(part)]


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
