"""What a source of pictures is, and whether any of its pictures can be read."""

from typing import Any, Protocol, runtime_checkable

from PIL import Image

from jaxcolor.data.fingerprint import Fingerprint
from jaxcolor.errors import UserError
from jaxcolor.imaging.photos import PhotoError


@runtime_checkable
class Source(Protocol):
    """A list of encoded pictures. It can be pickled, and read by several threads.

    One that has `__getitems__(indices)`, which returns their records, is asked for those of a batch at once.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Any:
        """Return the encoded record; PhotoError where it cannot be had."""

    def decode(self, record: Any, at_least: int) -> Image.Image:
        """Decode a record into mode 'RGB', at a size whose shorter side is not below `at_least` pixels
        unless the picture is smaller; PhotoError where it is broken."""

    def name(self, index: int) -> str:
        """Return what to call the picture in a message."""

    def fingerprint(self) -> Fingerprint:
        """Return what tells these pictures from others; none is read."""


def require_a_readable_one(pictures: Source, source: str) -> None:
    """Decode pictures until one can be, usually the first: a wrong column is found before training.

    Raises:
      UserError: none can, and why the first can not.
    """
    reason = ''
    for index in range(len(pictures)):
        try:
            pictures.decode(pictures[index], at_least=64)
            return
        except PhotoError as error:
            reason = reason or f'{pictures.name(index)}: {error}'
    raise UserError(f'{source}: none of the {len(pictures)} pictures can be read ({reason})')
