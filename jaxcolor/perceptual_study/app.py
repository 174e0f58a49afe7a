"""The routes of the page that asks people."""

import asyncio
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from jaxcolor.perceptual_study.answers import CONFIDENCE
from jaxcolor.perceptual_study.study import AnsweredError, NotFoundError, Study, TooManyError
from jaxcolor.server.access import AccessMiddleware
from jaxcolor.server.errors import STATUSES, respond
from jaxcolor.server.handlers import PAGE as SERVER_PAGE
from jaxcolor.server.metrics import Metrics
from jaxcolor.server.middleware import ResponseMiddleware
from jaxcolor.server.settings import Settings

PAGE = Path(__file__).parent / 'page'
_OURS = {NotFoundError: 404, AnsweredError: 409, TooManyError: 503}
_SHARED = ('page.css', 'say.js', 'favicon.svg')  # what both pages have
_MOST_BYTES = 1024  # of an answer
_BODY_SECONDS = 10.0
_NO_STORE = {'Cache-Control': 'no-store'}


class AnswerFields(BaseModel):
    """What a person says of a picture."""

    model_config = ConfigDict(extra='forbid', strict=True)

    picture: str
    answer: Literal['true', 'coloured']


def create_app(study: Study, settings: Settings) -> Starlette:
    """Return the application."""
    handlers = _Handlers(study)
    person = '/v1/judges/{judge}'
    return Starlette(
        routes=[
            Route('/v1/judges', handlers.begin, methods=['POST']),
            Route(person, handlers.state),
            Route(f'{person}/pictures/{{picture}}', handlers.picture),
            Route(f'{person}/answers', handlers.answer, methods=['POST']),
            Route(f'{person}/summary', handlers.summary),
            *(Route(f'/{name}', _file(name)) for name in _SHARED),
            Mount('/', StaticFiles(directory=PAGE, html=True), name='page'),
        ],
        middleware=[
            Middleware(ResponseMiddleware, metrics=Metrics()),
            Middleware(AccessMiddleware, settings=settings),
        ],
        exception_handlers=dict.fromkeys((HTTPException, *STATUSES), respond) | dict.fromkeys(_OURS, _respond),
    )


class _Handlers:
    """Answer requests; all of them say what is next."""

    def __init__(self, study: Study):
        self._study = study

    async def begin(self, request: Request) -> Response:
        """Give a person a random name."""
        await _read(request)
        judge = self._study.new_judge()
        return JSONResponse({'judge': judge, **self._state(judge)}, headers=_NO_STORE)

    async def state(self, request: Request) -> Response:
        """Tell whose turn it is."""
        return JSONResponse(self._state(request.path_params['judge']), headers=_NO_STORE)

    async def picture(self, request: Request) -> Response:
        """Send the picture whose turn it is."""
        content = self._study.picture(request.path_params['judge'], request.path_params['picture'])
        return Response(content, media_type='image/bmp', headers=_NO_STORE)

    async def answer(self, request: Request) -> Response:
        """Take an answer."""
        judge = request.path_params['judge']
        content = await _read(request)
        try:
            fields = AnswerFields.model_validate_json(content)
        except ValidationError as error:
            problem = error.errors()[0]
            name = '.'.join(str(part)[:40] for part in problem['loc']) or 'body'
            use = '{"picture": "…", "answer": "true"}, or "coloured"'
            raise HTTPException(422, f'{name}: {problem["msg"].lower()}; use {use}') from error
        try:
            self._study.answer(judge, fields.picture, fields.answer)
        except OSError as error:
            raise HTTPException(500, f'the answer can not be written: {error.strerror}; answer again') from error
        return JSONResponse(self._state(judge), headers=_NO_STORE)

    async def summary(self, request: Request) -> Response:
        """Tell what one person has said, and all."""
        judge = request.path_params['judge']
        self._study.judged(judge)  # a NotFoundError where there is no such person
        own, everybody = self._study.summary(judge).to_json(), self._study.summary().to_json()
        return JSONResponse({'own': own, 'all': everybody, 'confidence': CONFIDENCE}, headers=_NO_STORE)

    def _state(self, judge: str) -> dict[str, Any]:
        study = self._study
        return {
            'judged': study.judged(judge),
            'total': study.total,
            'picture': study.next_picture(judge),
            'seconds': study.setting.seconds,
        }


def _file(name: str) -> Any:
    async def send(request: Request) -> Response:
        return FileResponse(SERVER_PAGE / name)

    return send


async def _read(request: Request) -> bytes:
    """Return a body of JSON; pages of other origins can not send one without asking, and are not let."""
    if request.headers.get('content-type', '').partition(';')[0].strip().lower() != 'application/json':
        raise HTTPException(415, 'content-type=… is not application/json; use that')
    content = b''
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in request.stream():
                content += chunk
                if len(content) > _MOST_BYTES:
                    raise HTTPException(413, f'an answer has {_MOST_BYTES} bytes at most; send less')
    except TimeoutError as error:
        raise HTTPException(408, f'the request took more than {_BODY_SECONDS:g} s; send it at once') from error
    return content


async def _respond(request: Request, error: Exception) -> Response:
    return JSONResponse({'detail': str(error)}, _OURS[type(error)])  # type: ignore[index]
