"""Where pictures come from: random access to encoded records."""

from collections.abc import Sequence

from jaxcolor.data.arrow import open_arrow
from jaxcolor.data.bundled import open_bundled
from jaxcolor.data.folder import open_folder
from jaxcolor.data.parquet import open_parquet
from jaxcolor.data.protocol import Source as Source  # which others look for here
from jaxcolor.data.tfds import open_tfds
from jaxcolor.data.webdataset import open_webdataset
from jaxcolor.errors import UserError
from jaxcolor.storage import is_bucket

LABELED = ('tfds',)
"""Kinds of sources of which `data.labels` chooses pictures."""

WITH_FEATURES = ('tfds', 'parquet', 'arrow', 'webdataset')
"""Kinds of sources of which `data.feature` says which feature, column or extension the pictures are."""

KINDS = ('folder', *WITH_FEATURES)


def open_source(source: str, split: str, labels: Sequence[str] | None = None, feature: str = 'image') -> Source:
    """Open a source: what is added to it later is not seen.

    Args:
      source: `tfds:NAME` (a TFDS data set with pictures, under $TFDS_DATA_DIR), `folder:PATH` (the pictures below it),
        `parquet:PATH`, `arrow:PATH`, `webdataset:PATH` (files of many pictures) or `bundled` (tiles of the photographs
        inside scikit-image).
      split: `train`, `test[:1000]`, `train[:80%]`, … as the source has them.
      labels: only the pictures of these classes, by TFDS' names for them; None for all.
      feature: which feature of a TFDS data set, which column of a table, which extension in a .tar the pictures are.

    Raises:
      UserError: no such source, split, class or feature; nothing there that can be read.
    """
    labels = tuple(labels or ())
    kind, _, rest = source.partition(':')
    if not (source == 'bundled' or (kind in KINDS and rest)):
        raise UserError(
            f'unknown data.source {source!r}; write tfds:NAME (tfds:cifar10), '
            'folder:PATH, parquet:PATH, arrow:PATH, webdataset:PATH or bundled'
        )
    if labels and kind not in LABELED:
        raise UserError(f'data.labels={labels}: {source} has no labels; only a TFDS source has (data.source=tfds:NAME)')
    if feature != 'image' and kind not in WITH_FEATURES:
        raise UserError(f"data.feature={feature!r}: {source} has no features; leave it at 'image'")
    if is_bucket(rest):
        raise UserError(f'data.source={source} is in a bucket; use a copy on a disk, or a bucket that is mounted')
    if kind == 'tfds':
        return open_tfds(rest, split, labels, feature)
    if kind == 'folder':
        return open_folder(rest, split)
    if source == 'bundled':
        return open_bundled(split)
    return {'parquet': open_parquet, 'arrow': open_arrow, 'webdataset': open_webdataset}[kind](rest, split, feature)
