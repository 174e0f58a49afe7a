"""The column of a table that holds pictures: their bytes, alone or as Hugging Face has them beside a path."""

from pathlib import Path
from typing import Any

from jaxcolor.errors import UserError
from jaxcolor.imaging.photos import Limits, PhotoError


def check(schema: Any, feature: str, source: str) -> None:
    """Check that a table has pictures in a column: bytes, or structs that have some as `bytes`.

    Args:
      schema: pyarrow's, of the table.
      feature: the column's name.
      source: for messages.

    Raises:
      UserError: it has not.
    """
    there = [field.name for field in schema if _holds_bytes(field.type)]
    if feature not in there:
        remedy = f'use {" or ".join(there)}' if there else f'none of {", ".join(schema.names)} is; use another data set'
        raise UserError(f'data.feature={feature!r} is no picture column of {source}; {remedy}')


def _holds_bytes(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return any(field.name == 'bytes' and _holds_bytes(field.type) for field in kind)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)


def content(cell: Any, folder: Path) -> bytes:
    """Return the bytes of a picture: those of the table, or of the file whose path it has instead.

    Args:
      cell: pyarrow's scalar.
      folder: to which a path is relative, that of the table's file.

    Raises:
      PhotoError: it has none, or the file can't be read.
    """
    value = cell.as_py()
    path = value.get('path') if isinstance(value, dict) else None
    found = value['bytes'] if isinstance(value, dict) else value
    if found is not None:
        return found
    if not path:
        raise PhotoError('the row has no picture')
    file = folder / path
    try:
        if not file.is_file():
            raise PhotoError(f'its bytes are not in the table, and its path, {path}, is no file')
        if file.stat().st_size > Limits().bytes:
            raise PhotoError(f'{path} has more bytes than the limit of {Limits().bytes:,}')
        return file.read_bytes()
    except (OSError, ValueError) as error:
        raise PhotoError(f'{path}: {error}') from error
