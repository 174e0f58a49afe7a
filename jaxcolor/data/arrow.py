"""`arrow:PATH`: pictures in a column of memory-mapped Arrow files, as Hugging Face's `save_to_disk` writes them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxcolor.data import columns, shards
from jaxcolor.data.protocol import require_a_readable_one
from jaxcolor.errors import UserError, missing_package


class ArrowReader:
    """Reads pictures of Arrow files; only what is asked for comes into memory. See `shards.Reader`."""

    def __init__(self, files: Sequence[Path], feature: str):
        self._files, self._feature = tuple(files), feature
        self._columns: dict[int, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {'_files': self._files, '_feature': self._feature, '_columns': {}}

    def __call__(self, file: int, row: int) -> bytes:
        """Return the bytes of the picture."""
        if file not in self._columns:
            self._columns[file] = _table(self._files[file]).column(self._feature)
        return columns.content(self._columns[file][row], self._files[file].parent)

    def name(self, file: int, row: int) -> str:
        """Return the file and the row."""
        return f'{self._files[file]} row {row}'


def open_arrow(path: str, split: str, feature: str = 'image') -> shards.Shards:
    """Open Arrow files, of either form, stream or file: no more of them than the place of each row is read here.

    Args:
      path: see `shards.find`; in a folder with a `state.json` it is the files that this names.
      split: see `shards.find`.
      feature: the column of the pictures; see `columns.check`.

    Raises:
      UserError: no such files, split or column; no pictures, or none that can be read; pyarrow is not installed.
    """
    source = f'arrow:{path}'
    try:
        import pyarrow as pa
    except ModuleNotFoundError as error:
        raise missing_package(error, source, 'parquet') from error
    files = _without_leftovers(source, shards.find(source, path, '.arrow', split))
    counts = []
    for file in files.paths:
        try:
            table = _table(file)
            columns.check(table.schema, feature, source)
            table.column(feature).validate(full=True)  # or hostile offsets would lead anywhere; no picture is read
        except (pa.ArrowException, OSError) as error:
            raise UserError(f'{source}: {file} can not be read as Arrow: {error}') from error
        counts.append(len(table))
    found = shards.cut(source, split, files, counts, feature, ArrowReader(files.paths, feature))
    require_a_readable_one(found, source)
    return found


def _table(path: Path) -> Any:
    import pyarrow as pa

    mapped = pa.memory_map(str(path))
    is_file = mapped.read(6) == b'ARROW1'
    mapped.seek(0)
    return (pa.ipc.open_file if is_file else pa.ipc.open_stream)(mapped).read_all()


def _without_leftovers(source: str, files: shards.Files) -> shards.Files:
    """Leave out what `datasets` has cached beside a data set."""
    states = {folder: _state(source, folder / 'state.json') for folder in {path.parent for path in files.paths}}
    kept = []
    for path, name in zip(files.paths, files.names, strict=True):
        listed = states[path.parent]
        if path.name in listed if listed is not None else not path.name.startswith(('cache-', 'tmp')):
            kept.append((path, name))
    if not kept:
        raise UserError(f'{source}: none of its .arrow files belongs to the data set of its state.json; save it again')
    return shards.Files(*map(tuple, zip(*kept, strict=True)))


def _state(source: str, path: Path) -> set[str] | None:
    """Return the names that a `state.json` lists; None where there is none."""
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text())
        names = {str(file['filename']) for file in content['_data_files']}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f'{source}: {path} is no state of a data set ({error!r}); save the data set again') from error
    if content.get('_indices_data_files'):
        raise UserError(f'{source}: {path} has indices beside the rows; save it again after flatten_indices()')
    return names
