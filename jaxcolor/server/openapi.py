"""How `POST /v1/colorize` reads in `/openapi.json`; the form is read by hand, so FastAPI can't know."""

from typing import Any

from jaxcolor.server.schemas import Wishes
from jaxcolor.server.uploads import PICTURE

_FILE = {'type': 'string', 'format': 'binary'}
_REASONS = {
    400: ('The form is broken or was cut short.', 'the form ends before its last boundary: the upload was cut short'),
    408: ('The picture took too long to arrive.', 'the picture did not arrive within 60 s'),
    413: ('Too many bytes or pixels.', 'the picture is larger than 64 MiB, the most that this server takes'),
    415: ('No form, or no picture.', "send a form (multipart/form-data) whose field 'image' is the picture"),
    422: ('A picture that is damaged, or an option out of range.', "saturation: '9' should be less than or equal to 4"),
    500: ('A fault of the server.', 'something went wrong here; the log tells more of error 5bd1c0de'),
    503: (
        'Every place is taken, or the server is shutting down; see Retry-After.',
        'the server is busy; try again soon',
    ),
    504: ('The answer took too long.', 'the picture was not ready within 120 s; a smaller one may be'),
}


def responses() -> dict[int | str, dict[str, Any]]:
    """Returns the answers and an example of each."""
    picture = {
        'description': 'The picture in colour, of the same size.',
        'content': {f'image/{name}': {'schema': _FILE} for name in ('png', 'jpeg', 'webp')},
        'headers': {
            'Content-Disposition': {
                'schema': {'type': 'string'},
                'example': 'attachment; filename="harbour-colour.jpg"',
            },
            'Server-Timing': {
                'schema': {'type': 'string'},
                'example': 'upload;dur=12.1, decode;dur=31.0, model;dur=204.6, encode;dur=40.2',
            },
        },
    }
    reason = {'type': 'object', 'required': ['detail'], 'properties': {'detail': {'type': 'string'}}}
    errors: dict[int | str, dict[str, Any]] = {
        status: {
            'description': meaning,
            'content': {'application/json': {'schema': reason, 'example': {'detail': example}}},
        }
        for status, (meaning, example) in _REASONS.items()
    }
    return {200: picture, **errors}


def request() -> dict[str, Any]:
    """Returns the form, and the same options as parameters of the query."""
    options = Wishes.model_json_schema()['properties']
    form = {
        'type': 'object',
        'required': [PICTURE],
        'properties': {PICTURE: {**_FILE, 'description': 'JPEG, PNG, TIFF, WebP, BMP or GIF, at any size.'}, **options},
        'example': {PICTURE: '(the bytes of harbour.jpg)', 'saturation': 1.2, 'format': 'jpeg'},
    }
    return {
        'requestBody': {'required': True, 'content': {'multipart/form-data': {'schema': form}}},
        'parameters': [
            {'name': name, 'in': 'query', 'required': False, 'schema': schema, 'description': schema['description']}
            for name, schema in options.items()
        ],
    }
