"""Forms with a picture, read into memory under bounds; nothing is spooled to a file.

Starlette's own form parser moves a part of more than a megabyte to a temporary file. Pictures of people are not
put on disk here, not even for a moment.
"""

import io
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from jaxcolor.errors import UserError
from jaxcolor.imaging.formats import TooLargeError, UnsupportedFormatError
from jaxcolor.server.errors import FormError, UnavailableError

PICTURE = 'image'  # the field that carries it
FORM_BYTES = 2**16  # what a form may hold beside the picture
_FIELD_BYTES = 1024
_PARTS = 16


@dataclass(frozen=True, eq=False)
class Upload:
    """A picture as it came, the name that its sender gave it, and the other fields of the form."""

    content: bytes
    name: str
    fields: Mapping[str, str]


class Memory:
    """Bytes that all uploads hold together, bounded."""

    def __init__(self, limit: int):
        self._limit = limit
        self.held = 0

    def take(self, count: int) -> None:
        """Counts bytes that arrived; raises an UnavailableError where they would be too many."""
        if self.held + count > self._limit:
            raise UnavailableError('the server holds as many uploads as it can; try again soon', retry_after=5)
        self.held += count

    def give_back(self, count: int) -> None:
        """Counts bytes that are no longer held."""
        self.held -= count


def check_headers(headers: Mapping[str, str], max_bytes: int) -> bytes:
    """Looks at the head of a request, before anything of its body is read.

    Args:
      headers: of the request, by their lower-case names.
      max_bytes: of the picture.

    Returns:
      The form's boundary.

    Raises:
      FormError, TooLargeError, UnsupportedFormatError: it can't be a form with a picture of at most `max_bytes`.
    """
    kind, parameters = parse_options_header(headers.get('content-type'))
    if kind != b'multipart/form-data':
        raise UnsupportedFormatError(f'send a form (multipart/form-data) whose field {PICTURE!r} is the picture')
    if headers.get('content-encoding', 'identity') != 'identity':
        raise UnsupportedFormatError('send the form as it is, without a Content-Encoding')
    boundary = parameters.get(b'boundary', b'')
    if not 1 <= len(boundary) <= 70:  # RFC 2046
        raise FormError('the Content-Type of the form has no usable boundary')
    length = headers.get('content-length', '')
    if length.isdecimal() and int(length) > max_bytes + FORM_BYTES:
        raise _too_large(max_bytes)
    return boundary


async def read(chunks: AsyncIterator[bytes], boundary: bytes, max_bytes: int, account: 'Account') -> Upload:
    """Reads a form to its end.

    Args:
      chunks: of the request's body.
      boundary: of `check_headers`.
      max_bytes: of the picture.
      account: is charged for every byte of the picture.

    Raises:
      FormError: a broken form.
      TooLargeError: a large one.
      UnavailableError: no memory.
      UserError: a form without a picture, or with fields that it can't have.
    """
    form = _Form(max_bytes, account)
    parser = MultipartParser(boundary, form.callbacks(), max_header_size=2048)
    received = 0
    async for chunk in chunks:
        received += len(chunk)
        if received > max_bytes + FORM_BYTES:
            raise _too_large(max_bytes)
        try:
            parser.write(chunk)
        except FormParserError as error:
            raise FormError('the form is not well-formed multipart/form-data') from error
    return form.upload()


@dataclass
class Account:
    """What one request holds of the `Memory` that all share; given back when it leaves the `with`."""

    memory: Memory
    held: int = 0

    def take(self, count: int) -> None:
        """See `Memory.take`."""
        self.memory.take(count)
        self.held += count

    def __enter__(self) -> 'Account':
        return self

    def __exit__(self, *_: object) -> None:
        self.memory.give_back(self.held)


@dataclass
class _Part:
    """A part of the form under way."""

    headers: dict[bytes, bytes] = field(default_factory=dict)
    header: bytes = b''
    value: bytes = b''
    name: str = ''
    content: io.BytesIO = field(default_factory=io.BytesIO)


class _Form:
    """Gathers what the parser finds."""

    def __init__(self, max_bytes: int, account: Account):
        self._max_bytes, self._account = max_bytes, account
        self._part = _Part()
        self._parts = 0
        self._content: bytes | None = None
        self._name = ''
        self._fields: dict[str, str] = {}
        self._ended = False

    def callbacks(self) -> Any:
        return {
            'on_part_begin': self._begin,
            'on_header_field': self._header_field,
            'on_header_value': self._header_value,
            'on_header_end': self._header_end,
            'on_headers_finished': self._headers_finished,
            'on_part_data': self._data,
            'on_part_end': self._end,
            'on_end': self._last,
        }

    def upload(self) -> Upload:
        if not self._ended:
            raise FormError('the form ends before its last boundary: the upload was cut short')
        if self._content is None:
            raise UserError(f'the form has no field {PICTURE!r} with a picture')
        return Upload(self._content, self._name, self._fields)

    def _begin(self) -> None:
        self._part = _Part()
        self._parts += 1
        if self._parts > _PARTS:
            raise FormError(f'the form has more than {_PARTS} fields')

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._part.header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._part.value += data[start:end]

    def _header_end(self) -> None:
        part = self._part
        part.headers[part.header.lower()] = part.value
        part.header = part.value = b''

    def _headers_finished(self) -> None:
        _, parameters = parse_options_header(self._part.headers.get(b'content-disposition'))
        self._part.name = parameters.get(b'name', b'').decode(errors='replace')
        if self._part.name in self._fields or (self._part.name == PICTURE and self._content is not None):
            raise UserError(f'the form has more than one field {_short(self._part.name)!r}')
        if self._part.name == PICTURE:
            self._name = _file_name(parameters.get(b'filename', b''))

    def _data(self, data: bytes, start: int, end: int) -> None:
        content = self._part.content
        if self._part.name == PICTURE:
            if content.tell() + end - start > self._max_bytes:
                raise _too_large(self._max_bytes)
            self._account.take(end - start)
        elif content.tell() + end - start > _FIELD_BYTES:
            raise UserError(f'the field {_short(self._part.name)!r} is longer than {_FIELD_BYTES} bytes')
        content.write(memoryview(data)[start:end])

    def _end(self) -> None:
        content = self._part.content.getvalue()  # not a copy: the buffer itself, as long as nobody writes to it
        if self._part.name == PICTURE:
            self._content = content
        else:
            self._fields[self._part.name] = content.decode(errors='replace').strip()

    def _last(self) -> None:
        self._ended = True


def _file_name(raw: bytes) -> str:
    """The last component of what a sender calls a file, without characters that don't show."""
    name = raw.decode(errors='replace').replace('%22', '"').replace('\\', '/')  # browsers write quotes like that
    return ''.join(letter for letter in PurePosixPath(name).name if letter.isprintable())[:200]


def _short(name: str) -> str:
    return name if len(name) <= 40 else f'{name[:40]}…'


def _too_large(max_bytes: int) -> TooLargeError:
    return TooLargeError(f'the picture is larger than {max_bytes / 2**20:.4g} MiB, the most that this server takes')
