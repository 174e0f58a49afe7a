"""What each route does; for a picture, from its first byte to the answer, and every way in which it may fail."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

from jaxcolor.imaging.errors import UnsupportedFormatError
from jaxcolor.imaging.walk import FILMS
from jaxcolor.server import openapi, schemas, uploads
from jaxcolor.server.errors import (
    STATUSES,
    InternalError,
    ResultTimeoutError,
    UnavailableError,
    UploadTimeoutError,
    log,
)
from jaxcolor.server.metrics import CONTENT_TYPE, Metrics
from jaxcolor.server.models import ServedModel, choose
from jaxcolor.server.openapi import LEFT_OUT
from jaxcolor.server.settings import Settings
from jaxcolor.server.worker import Result, Worker

PAGE = Path(__file__).parent / 'page'
NO_FILMS = 'this server takes no films, unless started with --film-seconds'
_T = TypeVar('_T')
_SUFFIXES = {'PNG': '.png', 'JPEG': '.jpg', 'WEBP': '.webp'}


class Handlers:
    """Answer requests, those for pictures until it drains.

    The first line of a method's docstring is its summary in `/openapi.json`.

    Attributes:
      active: requests that are under way.
      draining: whether new ones are turned away.
    """

    def __init__(self, models: Sequence[ServedModel], settings: Settings, metrics: Metrics):
        self._models, self._settings, self._metrics = models, settings, metrics
        self._memory = uploads.Memory(settings.upload_memory)
        self._tasks: set[asyncio.Future[Any]] = set()
        self.worker = Worker([model.colorizer for model in models], settings, metrics)
        self.active = 0
        self.draining = False

    async def model(self, request: Request) -> Response:
        """Tell what a model is and what it is bad at, options of plausible colourings, and limits of a picture."""
        return JSONResponse(self._describe(choose(self._models, request.query_params.get('model'))))

    async def models(self, request: Request) -> Response:
        """Tell the same of each model; the first is taken where none is named."""
        return JSONResponse({'models': [self._describe(model) for model in self._models]})

    async def healthz(self, request: Request) -> Response:
        """Tell whether the process lives."""
        return JSONResponse({'status': 'ok'})

    async def readyz(self, request: Request) -> Response:
        """Tell whether pictures are taken; 503 as the model is compiled, and as the server ends."""
        self.check_draining()
        if not self.worker.ready:
            raise UnavailableError('the model is being compiled', retry_after=10)
        return JSONResponse({'status': 'ready'})

    async def metrics(self, request: Request) -> Response:
        """Tell counts and times in Prometheus's text format."""
        return Response(self._metrics.exposition(), media_type=CONTENT_TYPE)

    async def openapi(self, request: Request) -> Response:
        """Tell programs all of this."""
        return JSONResponse(openapi.document(request.app.routes, request.scope.get('root_path', '')))

    async def docs(self, request: Request) -> Response:
        """Tell people."""
        return FileResponse(PAGE / 'docs.html')

    async def colorize(self, request: Request) -> Response:
        """Colour a picture.

        Raises one of `errors.STATUSES` where it can't.
        """
        async with self._receive(request) as (upload, reservation, seconds):
            options = schemas.parse(schemas.ColorizeOptions, request.query_params, upload.fields)
            colorizer = choose(self._models, options.model).colorizer
            wanted = options.for_colorizer(colorizer)
            work = self.worker.colorize(colorizer, upload.content, wanted, options.pillow_format, options.hints)
            try:
                result = await self._wait(work, request.receive)
            except UnsupportedFormatError as error:
                if PurePosixPath(upload.name).suffix.lower() not in FILMS:
                    raise
                where = '/v1/films takes films' if self._settings.film_seconds else NO_FILMS
                raise UnsupportedFormatError(f'this is no picture, and by its name a film; {where}') from error
            reservation.release()
            reservation.add(len(result.content))  # for as long as the client takes to receive it
            return _HeldResponse(reservation, result, upload.name, {'upload': seconds, **result.seconds})

    async def colors(self, request: Request) -> Response:
        """Tell which colours are likely at a place of a picture, for hints.

        Raises one of `errors.STATUSES` where it can't.
        """
        async with self._receive(request) as (upload, reservation, _):
            place = schemas.parse(schemas.ColorsOptions, request.query_params, upload.fields)
            colorizer = choose(self._models, place.model).colorizer
            work = self.worker.likely_colors(colorizer, upload.content, place.x, place.y, place.hints)
            colors = await self._wait(work, request.receive)
            reservation.release()
            answer = [{'color': color, 'share': round(share, 4)} for color, share in colors]
            return JSONResponse({'colors': answer}, headers={'Cache-Control': 'no-store'})

    def _describe(self, model: ServedModel) -> dict[str, Any]:
        settings = self._settings
        limits: dict[str, Any] = {'bytes': settings.photo.bytes, 'pixels': settings.photo.pixels, 'films': None}
        if settings.film_seconds:
            limits['films'] = {'bytes': settings.film_bytes, 'seconds': settings.film_seconds}
        return {**model.describe(), 'limits': limits}

    def check_draining(self) -> None:
        """Raise an UnavailableError where the server is to end."""
        if self.draining:
            raise UnavailableError('the server is shutting down', retry_after=10)

    @contextlib.asynccontextmanager
    async def _receive(self, request: Request) -> AsyncIterator[tuple[uploads.Upload, uploads.Reservation, float]]:
        """Yield a request's upload, what it is charged to, and its seconds; whoever answers gives back the charge."""
        self.check_draining()
        self.worker.check_capacity()  # before the body: a client that is turned away need not send it
        reservation = uploads.Reservation(self._memory)
        with self.under_way():
            try:
                start = time.perf_counter()
                upload = await self._upload(request, reservation)
                seconds = time.perf_counter() - start
                self._metrics.stage.labels('upload').observe(seconds)
                yield upload, reservation, seconds
            except BaseException:
                reservation.release()
                raise

    @contextlib.contextmanager
    def under_way(self) -> Iterator[None]:
        """Count a request for as long as it is answered; what goes wrong meanwhile becomes one of `errors.STATUSES`."""
        self._count_active(1)
        try:
            yield
        except BaseException as error:
            if isinstance(error, tuple(STATUSES)) or not isinstance(error, Exception):
                raise
            number = log(error)
            raise InternalError(f'something went wrong here; the log tells more of error {number}') from error
        finally:
            self._count_active(-1)

    def _count_active(self, requests: int) -> None:
        self.active += requests
        self._metrics.active.set(self.active)

    async def _upload(self, request: Request, reservation: uploads.Reservation) -> uploads.Upload:
        limit = self._settings.upload_timeout
        try:
            async with asyncio.timeout(limit):
                return await uploads.read(request, self._settings.photo.bytes, reservation)
        except TimeoutError as error:
            raise UploadTimeoutError(f'the picture did not arrive within {limit} s') from error

    async def _wait(self, work: Awaitable[_T], receive: Callable[[], Awaitable[Any]]) -> _T:
        """Wait for work on a picture, as long as there is time and somebody waits for it."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        disconnect = asyncio.ensure_future(receive())  # after the body, the only message is that the client has left
        limit = self._settings.answer_timeout
        try:
            await asyncio.wait({task, disconnect}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            if disconnect.done():
                raise ClientDisconnect
            raise ResultTimeoutError(f'the picture was not ready within {limit} s; a smaller one may be')
        finally:
            disconnect.cancel()
            task.cancel()


def disposition(name: str, suffix: str) -> str:
    """Return the Content-Disposition of what a file of this name became."""
    name = f'{PurePosixPath(name).stem or "picture"}-colour{suffix}'
    ascii_name = ''.join(letter if letter.isascii() and letter not in '"\\%' else '_' for letter in name)
    return f'attachment; filename="{ascii_name}"; filename*=UTF-8\'\'{quote(name, safe="")}'


class _HeldResponse(Response):
    """A coloured file, charged to a reservation until it has been sent, or nobody takes it any more."""

    def __init__(self, reservation: uploads.Reservation, result: Result, name: str, seconds: dict[str, float]):
        headers = {
            'Cache-Control': 'no-store',
            'Content-Disposition': disposition(name, _SUFFIXES[result.format]),
            'Server-Timing': ', '.join(f'{stage};dur={1000 * value:.1f}' for stage, value in seconds.items()),
        }
        if result.left_out:
            headers[LEFT_OUT] = str(result.left_out)
        super().__init__(result.content, media_type=f'image/{result.format.lower()}', headers=headers)
        self._reservation = reservation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._reservation.release()
