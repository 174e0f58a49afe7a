"""The status of an answer goes by the class of the error, whatever its message says."""

import asyncio
import io
import json
import sys

import pytest
from PIL import Image
from starlette.requests import ClientDisconnect, Request

from jaxcolor.errors import UserError
from jaxcolor.imaging import photos
from jaxcolor.imaging.errors import PhotoError, TooLargeError, UnsupportedFormatError
from jaxcolor.server import errors, openapi

_REQUEST = Request({'type': 'http', 'headers': []})


def _respond(error: Exception) -> tuple[int, str]:
    answer = asyncio.run(errors.respond(_REQUEST, error))
    return answer.status_code, json.loads(answer.body)['detail']


@pytest.mark.parametrize(
    ('error', 'status'),
    [
        (errors.FormError('x'), 400),
        (errors.UploadTimeoutError('x'), 408),
        (TooLargeError('x'), 413),
        (UnsupportedFormatError('x'), 415),
        (PhotoError('not a JPEG of 9 pixels, which are more than the limit of 8'), 422),
        (UserError('x'), 422),
        (ClientDisconnect('x'), 499),
        (errors.InternalError('x'), 500),
        (errors.UnavailableError('x', retry_after=5), 503),
        (errors.ResultTimeoutError('x'), 504),
    ],
)
def test_status_goes_by_class(error, status):
    assert _respond(error) == (status, str(error))


def test_unavailable_says_when_to_come_again():
    answer = asyncio.run(errors.respond(_REQUEST, errors.UnavailableError('x', retry_after=7)))
    assert answer.headers['retry-after'] == '7'


def test_every_status_is_documented():
    assert set(openapi.responses('/v1/colors')) == {200} | set(errors.STATUSES.values()) - {499}


def _bytes(kind: str = 'PNG') -> bytes:
    file = io.BytesIO()
    Image.new('L', (40, 30)).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize(
    ('content', 'limits', 'status', 'reason'),
    [
        (_bytes(), photos.Limits(pixels=1199), 413, '40 x 30 pixels are more than the limit of 1,199'),
        (_bytes('WEBP'), photos.Limits(pixels=1199), 413, '40 x 30 pixels are more than the limit of 1,199'),
        (_bytes(), photos.Limits(bytes=9), 413, f'{len(_bytes())} bytes are more than the limit of 9'),
        (
            b'a shopping list',
            photos.Limits(),
            415,
            'not a JPEG, PNG, TIFF, WebP, BMP, GIF, HEIC, AVIF, JPEG 2000, JPEG XL, PPM or TGA picture',
        ),
        (b'\0\0\0\x18ftypheic', photos.Limits(), 415, 'HEIC pictures take one more package: pip install pillow-heif'),
        (b'', photos.Limits(), 422, 'the file is empty'),
        (b'\xff\xd8\xff\xe0' + bytes(100), photos.Limits(), 422, None),
    ],
)
def test_status_of_files(content, limits, status, reason, monkeypatch):
    monkeypatch.setitem(sys.modules, 'pillow_heif', None)
    with pytest.raises(PhotoError) as error:
        photos.read(content, limits)
    assert _respond(error.value) == (status, reason or str(error.value))


@pytest.mark.parametrize('error', [MemoryError(), Image.DecompressionBombError()])
def test_status_of_files_that_take_too_much(error, monkeypatch):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(photos.formats, 'open_picture', fail)
    with pytest.raises(PhotoError) as refusal:
        photos.read(_bytes())
    assert _respond(refusal.value)[0] == 413
