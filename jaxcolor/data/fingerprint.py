"""Whether pictures are the same as before: a digest that needs no picture to be read."""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple


class Fingerprint(NamedTuple):
    """What tells one list of pictures from another.

    Attributes:
      pictures: how many they are.
      sha256: of what is known of each without reading it, such as name and size; the same for every copy of them.
      dated: the same with the times of the last changes, where there are any: of this copy alone.
    """

    pictures: int
    sha256: str
    dated: str


def digest(parts: Iterable[object]) -> str:
    """Return the SHA-256 of the `repr` of each part."""
    found = hashlib.sha256()
    for part in parts:
        found.update(f'{part!r}\n'.encode(errors='surrogatepass'))
    return found.hexdigest()
