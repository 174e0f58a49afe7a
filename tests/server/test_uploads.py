"""What a form may be and what it may cost, however its bytes arrive."""

import asyncio
import tempfile

import pytest
from starlette.requests import Request

from jaxcolor.errors import UserError
from jaxcolor.imaging.errors import TooLargeError, UnsupportedFormatError
from jaxcolor.server import uploads
from jaxcolor.server.errors import FormError, UnavailableError

_MULTIPART = 'multipart/form-data; boundary=b'
_END = b'--b--\r\n'
_MAX_BYTES = 1000


def _part(content: bytes, parameters: str = 'name="image"', headers: bytes = b'') -> bytes:
    return b'--b\r\nContent-Disposition: form-data; %b\r\n%b\r\n%b\r\n' % (parameters.encode(), headers, content)


def _read(
    body: bytes, reservation: uploads.Reservation | None = None, *, step: int = 7, **headers: str
) -> uploads.Upload:
    """Reads a form whose body comes in pieces of `step` bytes, wherever that cuts it."""
    messages = [
        {'type': 'http.request', 'body': body[i : i + step], 'more_body': True} for i in range(0, len(body), step)
    ]
    messages.append({'type': 'http.request', 'body': b'', 'more_body': False})

    async def receive():
        return messages.pop(0)

    headers = {'content_type': _MULTIPART} | headers
    raw = [(name.replace('_', '-').encode(), value.encode()) for name, value in headers.items()]
    request = Request({'type': 'http', 'headers': raw}, receive)
    reservation = reservation or uploads.Reservation(uploads.Memory(10**6))
    try:
        return asyncio.run(uploads.read(request, _MAX_BYTES, reservation))
    except Exception as error:
        error.unread = len(messages)
        raise


@pytest.mark.parametrize('step', [1, 7, 10**6])
def test_reads_the_picture_and_the_fields(step):
    picture = bytes(range(256)) + b'\r\n--b\r-'
    body = (
        _part(b' 1.2\n', 'name="saturation"') + _part(picture, 'name="image"; filename="C:\\\\a\\\\Oma %22.png"') + _END
    )
    upload = _read(body, step=step)
    assert (upload.content, upload.name, upload.fields) == (picture, 'Oma ".png', {'saturation': '1.2'})


@pytest.mark.parametrize(
    ('parameters', 'name'),
    [
        ('name="image"', ''),
        ('name=image; filename=""', ''),
        ('name="image"; filename="/etc/passwd"', 'passwd'),
        ('name="image"; filename="Großmutter\u202e.png"', 'Großmutter.png'),
        (f'name="image"; filename="{"x" * 900}"', 'x' * 200),
    ],
)
def test_names(parameters, name):
    assert _read(_part(b'x', parameters) + _END).name == name


def test_a_file_in_another_field_is_a_field():
    fields = _read(_part(b'png', 'name="format"; filename="a.txt"') + _part(b'x') + _END).fields
    assert fields == {'format': 'png'}


_OTHER = 'name="other"; filename="a"'


@pytest.mark.parametrize(
    ('body', 'error', 'reason'),
    [
        (_part(bytes(_MAX_BYTES + 1)) + _END, TooLargeError, 'the picture is larger than'),
        (_part(b'x') + _END + bytes(2**17 + _MAX_BYTES), TooLargeError, 'the picture is larger than'),
        (b'\r\n' * 2**17, TooLargeError, 'the picture is larger than'),
        (_part(b'x') + _part(bytes(1025), _OTHER) + _END, UserError, "the field 'other' is longer than 1024 bytes"),
        (_part(b'x') + _part(b'x'), UserError, "the form has more than one field 'image'"),
        (_part(b'x', _OTHER) * 2, UserError, "the form has more than one field 'other'"),
        (_part(b'x', _OTHER) + _END, UserError, "the file is in the field 'other' of the form; name the field 'image'"),
        (_part(bytes(1025), _OTHER), UserError, "the file is in the field 'other' of the form; name the field 'image'"),
        (_part(bytes(1025), 'name="other"'), UserError, "the field 'other' is longer than 1024 bytes"),
        (_part(b'x', 'name="other"') + _END, UserError, "the form has no field 'image' with a picture"),
        (_END, UserError, "the form has no field 'image' with a picture"),
        (b''.join(_part(b'', f'name="{i}"') for i in range(17)), FormError, 'the form has more than 16 fields'),
        (_part(b'x'), FormError, 'the form ends before its last boundary'),
        (_part(b'x')[:-2], FormError, 'the form ends before its last boundary'),
        (_part(b'x')[:9], FormError, 'the form ends before its last boundary'),
        (b'', FormError, 'the form ends before its last boundary'),
        (b'nonsense', FormError, 'the form is not well-formed'),
        (_part(b'x', 'filename="a"') + _END, FormError, 'the form is not well-formed'),
        (_part(b'x', headers=b'A: %b\r\n' % (b'x' * 5000)) + _END, FormError, 'the form is not well-formed'),
        (_part(b'x', headers=b'%b: x\r\n' % (b'x' * 5000)) + _END, FormError, 'the form is not well-formed'),
        (_part(b'x', headers=b'A: x\r\n' * 9) + _END, FormError, 'the form is not well-formed'),
    ],
)
@pytest.mark.parametrize('step', [7, 2**20])
def test_bounds(body, error, reason, step):
    with pytest.raises(error, match=f'^{reason}') as refusal:
        _read(body, step=step)
    assert type(refusal.value) is error
    assert len(_read(_part(bytes(_MAX_BYTES)) + _part(bytes(1024), _OTHER) + _END).content) == _MAX_BYTES


@pytest.mark.parametrize(
    ('headers', 'error'),
    [
        ({'content_type': 'application/json'}, UnsupportedFormatError),
        ({'content_encoding': 'gzip'}, UnsupportedFormatError),
        ({'content_length': str(_MAX_BYTES + 2**17 + 1)}, TooLargeError),
        ({'content_type': 'multipart/form-data'}, FormError),
        ({'content_type': f'multipart/form-data; boundary={"b" * 71}'}, FormError),
        ({'content_type': 'multipart/form-data; boundary="b "'}, FormError),
        ({'content_type': 'multipart/form-data; boundary="b\\""'}, FormError),
    ],
)
def test_heads_are_refused_before_the_body(headers, error):
    with pytest.raises(error) as refusal:
        _read(bytes(70), **headers)
    assert refusal.value.unread == 11


@pytest.mark.parametrize('charset', ['idna', 'punycode', 'unicode_escape', 'zlib', 'nothing'])
def test_the_charset_is_not_for_the_client_to_choose(charset):
    body = _part(b'xn--\xff\\ud800', 'name="other"; filename="xn--\\\\ud800"') + _part(b'x') + _END
    assert _read(body, content_type=f'{_MULTIPART}; charset={charset}').fields['other'].startswith('xn--ÿ')


def test_nothing_is_moved_to_a_file(monkeypatch):
    def roll(_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, 'rollover', roll)
    monkeypatch.setattr(tempfile, 'TemporaryFile', roll)
    body = _part(bytes(_MAX_BYTES), 'name="image"; filename="a"') + _part(bytes(1024), _OTHER) + _END
    assert len(_read(body).content) == _MAX_BYTES


def test_uploads_share_a_bounded_memory():
    memory = uploads.Memory(100)
    body = _part(bytes(60)) + _END
    one, other = uploads.Reservation(memory), uploads.Reservation(memory)
    assert _read(body, one).content == bytes(60)
    with pytest.raises(UnavailableError) as refusal:
        _read(body, other)
    assert refusal.value.retry_after == 5
    assert 60 <= memory.held <= 100
    other.release()
    assert memory.held == 60
    one.release()
    assert memory.held == 0
    _read(body, uploads.Reservation(memory))
