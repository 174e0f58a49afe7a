"""What each route does; for a picture, from its first byte to the answer, and every way in which it may fail."""

import asyncio
import contextlib
import logging
import secrets
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

from jaxcolor.inference import variants
from jaxcolor.inference.colorizer import Colorizer
from jaxcolor.server import openapi, schemas, uploads
from jaxcolor.server.errors import STATUSES, InternalError, ResultTimeoutError, UnavailableError, UploadTimeoutError
from jaxcolor.server.metrics import CONTENT_TYPE, Metrics
from jaxcolor.server.openapi import LEFT_OUT
from jaxcolor.server.settings import Settings
from jaxcolor.server.worker import Result, Worker
from jaxcolor.weights import Card

_LOG = logging.getLogger(__name__)

PAGE = Path(__file__).parent / 'page'
_T = TypeVar('_T')
_SUFFIXES = {'PNG': '.png', 'JPEG': '.jpg', 'WEBP': '.webp'}


class Handlers:
    """Answer requests, those for pictures until it drains.

    The first line of a method's docstring is its summary in `/openapi.json`.

    Attributes:
      active: requests that are under way.
      draining: whether new ones are turned away.
    """

    def __init__(self, colorizer: Colorizer, settings: Settings, metrics: Metrics, card: Card | None = None):
        self._colorizer, self._settings, self._metrics = colorizer, settings, metrics
        self._card = card._asdict() if card else None
        self._memory = uploads.Memory(settings.upload_memory)
        self._tasks: set[asyncio.Future[Any]] = set()
        self.worker = Worker(colorizer, settings, metrics)
        self.active = 0
        self.draining = False

    async def model(self, request: Request) -> Response:
        """Tell what the model is and what it is bad at, options of plausible colourings, and limits of a picture."""
        limits = {'bytes': self._settings.photo.bytes, 'pixels': self._settings.photo.pixels}
        others = {'variants': variants.of(self._colorizer), 'card': self._card, 'limits': limits}
        return JSONResponse({**self._colorizer.describe(), **others})

    async def healthz(self, request: Request) -> Response:
        """Tell whether the process lives."""
        return JSONResponse({'status': 'ok'})

    async def readyz(self, request: Request) -> Response:
        """Tell whether pictures are taken; 503 as the model is compiled, and as the server ends."""
        self._check_draining()
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
            wanted = options.for_colorizer(self._colorizer)
            work = self.worker.colorize(upload.content, wanted, options.pillow_format, options.hints)
            result = await self._wait(work, request.receive)
            reservation.release()
            reservation.add(len(result.content))  # for as long as the client takes to receive it
            return _HeldResponse(reservation, result, upload.name, {'upload': seconds, **result.seconds})

    async def colors(self, request: Request) -> Response:
        """Tell which colours are likely at a place of a picture, for hints.

        Raises one of `errors.STATUSES` where it can't.
        """
        async with self._receive(request) as (upload, reservation, _):
            place = schemas.parse(schemas.ColorsOptions, request.query_params, upload.fields)
            work = self.worker.likely_colors(upload.content, place.x, place.y, place.hints)
            colors = await self._wait(work, request.receive)
            reservation.release()
            answer = [{'color': color, 'share': round(share, 4)} for color, share in colors]
            return JSONResponse({'colors': answer}, headers={'Cache-Control': 'no-store'})

    def _check_draining(self) -> None:
        if self.draining:
            raise UnavailableError('the server is shutting down', retry_after=10)

    @contextlib.asynccontextmanager
    async def _receive(self, request: Request) -> AsyncIterator[tuple[uploads.Upload, uploads.Reservation, float]]:
        """Yield a request's upload, what it is charged to, and its seconds; whoever answers gives back the charge.

        What goes wrong meanwhile becomes one of `errors.STATUSES`.
        """
        self._check_draining()
        self.worker.check_capacity()  # before the body: a client that is turned away need not send it
        reservation = uploads.Reservation(self._memory)
        self._count_active(1)
        try:
            start = time.perf_counter()
            upload = await self._upload(request, reservation)
            seconds = time.perf_counter() - start
            self._metrics.stage.labels('upload').observe(seconds)
            yield upload, reservation, seconds
        except BaseException as error:
            reservation.release()
            if isinstance(error, tuple(STATUSES)) or not isinstance(error, Exception):
                raise
            number = _log(error)
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


def _log(error: Exception) -> str:
    """Log where an error came from, and the start of its message, which may quote data; return its number."""
    number = secrets.token_hex(4)
    frames = ''.join(traceback.format_tb(error.__traceback__))
    message = (str(error).splitlines() or [''])[0][:200]
    _LOG.error('error %s\n%s%s: %s', number, frames, type(error).__name__, message)
    return number


class _HeldResponse(Response):
    """A coloured file, charged to a reservation until it has been sent, or nobody takes it any more."""

    def __init__(self, reservation: uploads.Reservation, result: Result, name: str, seconds: dict[str, float]):
        suffix = _SUFFIXES[result.format]
        name = f'{PurePosixPath(name).stem or "picture"}-colour{suffix}'
        ascii_name = ''.join(letter if letter.isascii() and letter not in '"\\%' else '_' for letter in name)
        headers = {
            'Cache-Control': 'no-store',
            'Content-Disposition': f'attachment; filename="{ascii_name}"; filename*=UTF-8\'\'{quote(name, safe="")}',
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
