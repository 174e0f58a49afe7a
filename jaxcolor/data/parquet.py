"""`parquet:PATH`: pictures in a column of Parquet files, read a row group at a time.

Grain reads Parquet from its beginning to its end alone, and the order of training wants any row.
"""

import collections
import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from jaxcolor.data import columns, shards
from jaxcolor.data.protocol import require_a_readable_one
from jaxcolor.errors import UserError, missing_package
from jaxcolor.imaging.photos import PhotoError

_LOG = logging.getLogger(__name__)

_CACHE_BYTES = 2**28  # of row groups that are kept
_LARGE_GROUP = 2**25  # bytes, of which most are read in vain for one picture


class ParquetReader:
    """Reads pictures of Parquet files; keeps the row groups that were used last. See `shards.Reader`."""

    def __init__(self, files: Sequence[Path], feature: str, starts: Sequence[Int64[np.ndarray, ' groups']]):
        self._files, self._feature = tuple(files), feature
        self._starts = tuple(starts)  # the first row of each group, file by file
        self._forget()

    def _forget(self) -> None:
        self._columns: collections.OrderedDict[tuple[int, int], Any] = collections.OrderedDict()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {'_files': self._files, '_feature': self._feature, '_starts': self._starts}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def __call__(self, file: int, row: int) -> bytes:
        """Return the bytes of the picture."""
        group = int(np.searchsorted(self._starts[file], row, 'right')) - 1
        return columns.content(
            self._column(file, group)[row - int(self._starts[file][group])], self._files[file].parent
        )

    def name(self, file: int, row: int) -> str:
        """Return the file and the row."""
        return f'{self._files[file]} row {row}'

    def _column(self, file: int, group: int) -> Any:
        with self._lock:
            found = self._columns.get((file, group))
            if found is not None:
                self._columns.move_to_end((file, group))
                return found
        found = self._read(file, group)
        with self._lock:
            self._columns[file, group] = found
            while len(self._columns) > 1 and sum(each.nbytes for each in self._columns.values()) > _CACHE_BYTES:
                self._columns.popitem(last=False)
        return found

    def _read(self, file: int, group: int) -> Any:
        import pyarrow as pa
        from pyarrow import parquet

        try:
            with parquet.ParquetFile(self._files[file], memory_map=True) as opened:
                return opened.read_row_group(group, columns=[self._feature], use_threads=False).column(0)
        except (pa.ArrowException, OSError, IndexError) as error:
            raise PhotoError(f'its row group can not be read: {error}') from error


def open_parquet(path: str, split: str, feature: str = 'image') -> shards.Shards:
    """Open Parquet files: what they say of themselves at their ends is read here, and one row group.

    Args:
      path: see `shards.find`.
      split: see `shards.find`.
      feature: the column of the pictures; see `columns.check`.

    Raises:
      UserError: no such files, split or column; no pictures, or none that can be read; pyarrow is not installed.
    """
    source = f'parquet:{path}'
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise missing_package(error, source, 'parquet') from error
    files = shards.find(source, path, '.parquet', split)
    starts, counts, largest, total = [], [], 0, 0
    for file in files.paths:
        try:
            with parquet.ParquetFile(file, memory_map=True) as opened:
                columns.check(opened.schema_arrow, feature, source)
                metadata = opened.metadata
        except (pa.ArrowException, OSError) as error:
            raise UserError(f'{source}: {file} can not be read as Parquet: {error}') from error
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        sizes = [_bytes(group, feature) for group in groups]
        largest, total = max(largest, *sizes, 0), total + sum(sizes)
        starts.append(np.cumsum([0, *(group.num_rows for group in groups[:-1])], dtype=np.int64))
        counts.append(metadata.num_rows)
    if largest > _LARGE_GROUP and total > _CACHE_BYTES:
        _LOG.warning(
            '%s: up to %d MB are read for one picture, for its row groups are large; write it anew with '
            'pyarrow.parquet.write_table(table, file, row_group_size=16), or use Arrow files: data.source=arrow:PATH',
            source,
            largest // 2**20,
        )
    found = shards.cut(source, split, files, counts, feature, ParquetReader(files.paths, feature, starts))
    require_a_readable_one(found, source)
    return found


def _bytes(group: Any, feature: str) -> int:
    parts = (group.column(number) for number in range(group.num_columns))
    return sum(part.total_uncompressed_size for part in parts if f'{part.path_in_schema}.'.startswith(f'{feature}.'))
