"""Forms with a picture, read into memory under bounds, or with a film, read into a file that its caller deletes.

Pictures of people are not put on disk here, not even for a moment.
"""

import io
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO, NamedTuple

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from jaxcolor.errors import UserError
from jaxcolor.imaging.errors import TooLargeError, UnsupportedFormatError
from jaxcolor.server.errors import FormError, UnavailableError

PICTURE, FILM = 'image', 'film'  # the fields that carry them
_FORM_BYTES = 2**17  # what a form may hold beside the file
_FIELD_BYTES = 1024
_LONG_FIELDS = {'hints': 2**16}  # bytes: room for as many as are taken
_MAX_FIELDS = 16
_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")  # RFC 2046, section 5.1.1


@dataclass(frozen=True, eq=False)
class Upload:
    """A picture as it came, the name that its sender gave it, and the other fields of the form."""

    content: bytes
    name: str
    fields: Mapping[str, str]


class _Wanted(NamedTuple):
    """What a form is to carry, and where that goes."""

    field: str
    noun: str
    most: int  # bytes
    write: Callable[[memoryview], object]

    @property
    def too_large(self) -> TooLargeError:
        return TooLargeError(
            f'the {self.noun} is larger than {self.most / 2**20:.4g} MiB, the most that this server takes'
        )

    def missing(self, other: str) -> UserError:
        """Return what is said of a form that lacks it, and has a file in the field `other`, if any."""
        if other:
            return UserError(f'the file is in the field {_short(other)!r} of the form; name the field {self.field!r}')
        return UserError(f'the form has no field {self.field!r} with a {self.noun}')


@dataclass
class Memory:
    """Bytes that all uploads and answers hold together, and the most that they may."""

    limit: int
    held: int = 0


@dataclass
class Reservation:
    """What one request holds of the `Memory` that all share."""

    memory: Memory
    held: int = 0

    def add(self, count: int) -> None:
        """Count bytes; raise an UnavailableError where all requests would hold too many."""
        if self.memory.held + count > self.memory.limit:
            raise UnavailableError('the server holds as many pictures as it can; try again soon', retry_after=5)
        self.memory.held += count
        self.held += count

    def release(self) -> None:
        """Give all of it back."""
        self.memory.held -= self.held
        self.held = 0


async def read(request: Request, max_bytes: int, reservation: Reservation) -> Upload:
    """Read a form to its end.

    Args:
      request: of which nothing but the head has been read.
      max_bytes: of the picture.
      reservation: is charged for every byte of the picture.

    Raises:
      FormError: a broken form.
      TooLargeError: a large one, if its head tells so before anything of the body is read.
      UnsupportedFormatError: no form, or a compressed one.
      UnavailableError: no memory.
      UserError: a form without a picture, or with fields that it can't have.
    """
    picture = io.BytesIO()

    def write(data: memoryview) -> None:
        reservation.add(len(data))
        picture.write(data)

    name, fields = await _read(request, _Wanted(PICTURE, 'picture', max_bytes, write))
    return Upload(picture.getvalue(), name, fields)  # no copy, as long as nobody writes to it


async def read_film(request: Request, max_bytes: int, file: BinaryIO) -> tuple[str, Mapping[str, str]]:
    """Read a form with a film into a file; return what its sender calls it, and the other fields.

    Raises:
      OSError: the disk refuses.
      UserError: as `read` does.
    """
    return await _read(request, _Wanted(FILM, 'film', max_bytes, file.write))


async def _read(request: Request, wanted: _Wanted) -> tuple[str, Mapping[str, str]]:
    kind, parameters = parse_options_header(request.headers.get('content-type'))
    if kind != b'multipart/form-data':
        raise UnsupportedFormatError(
            f'send a form (multipart/form-data) whose field {wanted.field!r} is the {wanted.noun}'
        )
    if request.headers.get('content-encoding', 'identity') != 'identity':
        raise UnsupportedFormatError('send the form as it is, without a Content-Encoding')
    boundary = parameters.get(b'boundary', b'')
    if not _BOUNDARY.fullmatch(boundary):
        raise FormError('the Content-Type of the form has no usable boundary')
    length = request.headers.get('content-length', '')
    if length.isdecimal() and int(length) > wanted.most + _FORM_BYTES:
        raise wanted.too_large
    parser = _Parser(boundary.decode(), request.stream(), wanted)
    try:
        await parser.parse()
    except MultiPartException as error:
        raise FormError('the form is not well-formed multipart/form-data') from error
    return parser.result()


class _Parser(MultiPartParser):
    """Starlette's parser under bounds of its own, the file that is wanted kept apart from its temporary ones."""

    spool_max_size = 0  # no limit: nothing is ever moved to a file

    def __init__(self, boundary: str, chunks: AsyncGenerator[bytes, None], wanted: _Wanted) -> None:
        # Without the client's charset, which would choose how names are decoded.
        headers = Headers({'content-type': f'multipart/form-data; boundary="{boundary}"'})
        super().__init__(headers, self._bounded(chunks))
        self._wanted, self._received = wanted, 0
        self._name = ''
        self._other_file = ''  # the field of a file that is in another than the one that is wanted
        self._ended = False

    def result(self) -> tuple[str, Mapping[str, str]]:
        fields = {name: str(value).strip() for name, value in self.items}
        if not self._ended:
            raise FormError('the form ends before its last boundary: the upload was cut short')
        if self._wanted.field not in fields:
            raise self._wanted.missing(self._other_file)
        del fields[self._wanted.field]
        return self._name, fields

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        part = self._current_part
        if len(self.items) == _MAX_FIELDS:
            raise FormError(f'the form has more than {_MAX_FIELDS} fields')
        if part.field_name in dict(self.items):
            raise UserError(f'the form has more than one field {_short(part.field_name)!r}')
        if part.file:  # Starlette's, in place of which `on_part_data` goes by the field's name
            if part.field_name == self._wanted.field:
                self._name = _file_name(part.file.filename or '')
            else:
                self._other_file = part.field_name
            part.file.file.close()
            part.file = None

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        part, count = self._current_part, end - start
        limit = _LONG_FIELDS.get(part.field_name, _FIELD_BYTES)
        if part.field_name == self._wanted.field:
            self._received += count
            if self._received > self._wanted.most:
                raise self._wanted.too_large
            self._wanted.write(memoryview(data)[start:end])
        elif len(part.data) + count > limit and self._is_misnamed(part.field_name):
            raise self._wanted.missing(part.field_name)
        elif len(part.data) + count > limit:
            raise UserError(f'the field {_short(part.field_name)!r} is longer than {limit} bytes')
        else:
            super().on_part_data(data, start, end)

    def on_end(self) -> None:
        self._ended = True

    def _is_misnamed(self, field: str) -> bool:
        """Whether a field is likely to be what is wanted, under another name."""
        return field == self._other_file and self._wanted.field not in dict(self.items)

    async def _bounded(self, chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        received = 0
        async for chunk in chunks:
            received += len(chunk)
            if received > self._wanted.most + _FORM_BYTES:
                raise self._wanted.too_large
            yield chunk


def _file_name(name: str) -> str:
    """Return the last component of what a sender calls a file, without characters that don't show."""
    name = name.replace('%22', '"').replace('\\', '/')  # browsers write quotes like that
    return ''.join(letter for letter in PurePosixPath(name).name if letter.isprintable())[:200]


def _short(name: str) -> str:
    return name if len(name) <= 40 else f'{name[:40]}…'
