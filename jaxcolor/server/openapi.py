"""`/openapi.json`, from the routes, their docstrings and the options of a picture."""

import inspect
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from starlette.routing import BaseRoute, Route

from jaxcolor import server
from jaxcolor.server.errors import STATUSES
from jaxcolor.server.schemas import ColorizeOptions, ColorsOptions, FilmOptions
from jaxcolor.server.uploads import FILM, PICTURE

LEFT_OUT = 'Pictures-Left-Out'  # a header of answers

_FILE = {'type': 'string', 'format': 'binary'}
_FORMATS = (
    'JPEG, PNG, TIFF, WebP, GIF, BMP, AVIF, JPEG 2000, PPM, TGA, and HEIC and JPEG XL where the server reads them.'
)
_FORMS: dict[str, tuple[type[BaseModel], dict[str, Any]]] = {
    '/v1/colorize': (ColorizeOptions, {'saturation': 1.2, 'format': 'jpeg', 'hints': '[[130, 88, "#8a5a3c"]]'}),
    '/v1/colors': (ColorsOptions, {'x': 130, 'y': 88}),
    '/v1/films': (FilmOptions, {'saturation': 1.2}),
}
_STATE = {
    'id': 'WlxPq0c3uTQ9kq7dVZ2m3A',
    'name': 'harbour.mp4',
    'model': 'photos',
    'state': 'working',
    'before': 0,
    'frames': 96,
    'of': 480,
    'progress': 0.2,
    'seconds_left': 21,
    'detail': '',
    'notes': [],
}
_EXAMPLES = {
    400: 'the form ends before its last boundary: the upload was cut short',
    401: "this server wants its token; send the header 'Authorization: Bearer TOKEN'",
    408: 'the picture did not arrive within 60 s',
    413: 'the picture is larger than 64 MiB, the most that this server takes',
    415: "send a form (multipart/form-data) whose field 'image' is the picture",
    422: "saturation: '9' should be less than or equal to 4",
    429: 'more than 16 requests of one client at a time; try again soon',
    500: 'something went wrong here; the log tells more of error 5bd1c0de',
    503: 'the server is busy; try again soon',
    504: 'the picture was not ready within 120 s; a smaller one may be',
}


def document(routes: Iterable[BaseRoute], root_path: str) -> dict[str, Any]:
    """Return what programs need to know of `routes`, which a proxy has put below `root_path`."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if isinstance(route, Route) and route.include_in_schema:
            content: dict[str, Any] = {'text/plain' if route.path == '/metrics' else 'application/json': {}}
            operation = {
                'operationId': route.name,
                'summary': _first_line(route.endpoint),
                'responses': {200: {'description': 'OK', 'content': content}},
            }
            if route.path in _FORMS:
                operation |= {'responses': responses(route.path), **_request(route.path)}
            if route.param_convertors:
                operation['parameters'] = [
                    {'name': name, 'in': 'path', 'required': True, 'schema': {'type': 'string'}}
                    for name in route.param_convertors
                ]
            methods = {method.lower(): operation for method in (route.methods or ()) if method != 'HEAD'}
            paths.setdefault(route.path, {}).update(methods)
    info = {'title': 'jaxcolor', 'version': '1', 'summary': _first_line(server)}
    return {
        'openapi': '3.1.0',
        'info': info,
        'servers': [{'url': root_path or '/'}],
        'security': [{}, {'token': []}],  # where the server has one
        'components': {'securitySchemes': {'token': {'type': 'http', 'scheme': 'bearer'}}},
        'paths': paths,
    }


def responses(path: str) -> dict[int, dict[str, Any]]:
    """Return the answers to a form with a picture and an example of each."""
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
            LEFT_OUT: {
                'schema': {'type': 'integer', 'minimum': 1},
                'description': 'Of a file of several pictures: how many there are beside the first, which is coloured.',
                'example': 3,
            },
        },
    }
    color = {
        'type': 'object',
        'required': ['color', 'share'],
        'properties': {
            'color': {'type': 'string', 'description': "At the place's own lightness."},
            'share': {'type': 'number', 'description': 'Its probability, 0 to 1.'},
        },
    }
    colors = {
        'description': 'The likeliest colours, at most 8, the likeliest first.',
        'content': {
            'application/json': {
                'schema': {'type': 'object', 'properties': {'colors': {'type': 'array', 'items': color}}},
                'example': {'colors': [{'color': '#8a5a3c', 'share': 0.41}, {'color': '#6e6964', 'share': 0.22}]},
            }
        },
    }
    reason = {'type': 'object', 'required': ['detail'], 'properties': {'detail': {'type': 'string'}}}
    errors = {
        status: {
            'description': _first_line(kind),
            'content': {'application/json': {'schema': reason, 'example': {'detail': _EXAMPLES[status]}}},
        }
        for kind, status in STATUSES.items()
        if status in _EXAMPLES
    }
    if path == '/v1/films':
        return {202: {'description': 'The film waits.', 'content': {'application/json': {'example': _STATE}}}, **errors}
    return {200: colors if path == '/v1/colors' else picture, **errors}


def _request(path: str) -> dict[str, Any]:
    """Return the form, and the same options as parameters of the query."""
    kind, example = _FORMS[path]
    field, about = (FILM, 'MP4, MOV, MKV, WebM, AVI, MPEG and more.') if path == '/v1/films' else (PICTURE, _FORMATS)
    schema = kind.model_json_schema()
    options = schema['properties']
    form = {
        'type': 'object',
        'required': [field],
        'properties': {field: {**_FILE, 'description': about}, **options},
        'example': {field: '(the bytes of the file)', **example},
    }
    return {
        'requestBody': {'required': True, 'content': {'multipart/form-data': {'schema': form}}},
        'parameters': [
            {'name': name, 'in': 'query', 'required': False, 'schema': schema, 'description': schema['description']}
            for name, schema in options.items()
        ],
    }


def _first_line(documented: object) -> str:
    return (inspect.getdoc(documented) or '').partition('\n')[0]
