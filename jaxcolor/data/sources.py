"""Where pictures come from: random access to encoded records."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from PIL import Image

from jaxcolor.data.bundled import open_bundled
from jaxcolor.data.fingerprint import Fingerprint
from jaxcolor.data.folder import open_folder
from jaxcolor.data.tfds import open_tfds
from jaxcolor.errors import UserError


@runtime_checkable
class Source(Protocol):
    """A list of encoded pictures. It can be pickled, and read by several threads."""

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


def open_source(source: str, split: str, labels: Sequence[str] | None = None, feature: str = 'image') -> Source:
    """Open a source: what is added to it later is not seen.

    Args:
      source: `tfds:NAME` (a TFDS data set with pictures, under $TFDS_DATA_DIR), `folder:PATH` (the
        pictures below it) or `bundled` (tiles of the photographs inside scikit-image).
      split: `train`, `test[:1000]`, `train[:80%]`, … as the source has them.
      labels: only the pictures of these classes, by TFDS' names for them; None for all.
      feature: which feature of a TFDS data set the pictures are.

    Raises:
      UserError: no such source, split, class or feature; nothing there that can be read.
    """
    labels = tuple(labels or ())
    kind, _, rest = source.partition(':')
    if kind == 'tfds' and rest:
        return open_tfds(rest, split, labels, feature)
    if labels and (kind == 'folder' or source == 'bundled'):
        raise UserError(f'data.labels={labels}: {source} has no labels; only a TFDS source has (data.source=tfds:NAME)')
    if feature != 'image' and (kind == 'folder' or source == 'bundled'):
        raise UserError(f"data.feature={feature!r}: {source} has no features; leave it at 'image'")
    if kind == 'folder' and rest:
        return open_folder(rest, split)
    if source == 'bundled':
        return open_bundled(split)
    raise UserError(f'unknown data.source {source!r}; write tfds:NAME (tfds:cifar10), folder:PATH or bundled')
