"""One request for a picture, from its first byte to the answer, and every way in which it may fail."""

import asyncio
import contextlib
import logging
import secrets
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response
from starlette.requests import ClientDisconnect

from jaxcolor.inference.colorizer import Colorizer
from jaxcolor.server import schemas, uploads
from jaxcolor.server.errors import STATUSES, InternalError, ResultTimeoutError, UnavailableError, UploadTimeoutError
from jaxcolor.server.metrics import Telemetry
from jaxcolor.server.settings import Settings
from jaxcolor.server.worker import Picture, Studio

_LOG = logging.getLogger(__name__)

_SUFFIXES = {'PNG': '.png', 'JPEG': '.jpg', 'WEBP': '.webp'}


class Service:
    """Answers requests for pictures until it drains.

    Attributes:
      active: requests that are under way.
      draining: whether new ones are turned away.
    """

    def __init__(self, colorizer: Colorizer, settings: Settings, telemetry: Telemetry):
        self._colorizer, self._settings, self._telemetry = colorizer, settings, telemetry
        self._memory = uploads.Memory(settings.upload_memory)
        self._left_behind: set[asyncio.Task[Picture]] = set()
        self.studio = Studio(colorizer, settings, telemetry)
        self.active = 0
        self.draining = False

    def describe(self) -> dict[str, Any]:
        """Returns what the model is, and the limits of a picture."""
        photo = self._settings.photo
        return {**self._colorizer.describe(), 'limits': {'bytes': photo.bytes, 'pixels': photo.pixels}}

    def check_ready(self) -> None:
        """Raises an UnavailableError unless pictures are taken and the model is compiled."""
        if self.draining:
            raise UnavailableError('the server is shutting down', retry_after=10)
        if not self.studio.ready:
            raise UnavailableError('the model is being compiled', retry_after=10)

    async def colorize(self, request: Request) -> Response:
        """Answers a form with a picture by the picture in colour; raises one of `errors.STATUSES` if not."""
        if self.draining:
            raise UnavailableError('the server is shutting down', retry_after=10)
        self.studio.check_room()  # before the body: a client that is turned away need not send it
        with self._counted(), uploads.Reservation(self._memory) as reservation:
            try:
                return await self._answer(request, reservation)
            except tuple(STATUSES):
                raise
            except Exception as error:
                number = _log(error)
                raise InternalError(f'something went wrong here; the log tells more of error {number}') from error

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        self.active += 1
        self._telemetry.active.set(self.active)
        try:
            yield
        finally:
            self.active -= 1
            self._telemetry.active.set(self.active)

    async def _answer(self, request: Request, reservation: uploads.Reservation) -> Response:
        start = time.perf_counter()
        limit = self._settings.upload_timeout
        try:
            async with asyncio.timeout(limit):
                upload = await uploads.read(request, self._settings.photo.bytes, reservation)
        except TimeoutError as error:
            raise UploadTimeoutError(f'the picture did not arrive within {limit} s') from error
        seconds = {'upload': time.perf_counter() - start}
        self._telemetry.stage.labels('upload').observe(seconds['upload'])
        wished = schemas.read(request.query_params, upload.fields)
        options = wished.options(self._colorizer)
        picture = await self._wait(self.studio.colorize(upload.content, options, wished.pillow_format), request.receive)
        return _response(picture, upload.name, seconds | picture.seconds)

    async def _wait(self, work: Awaitable[Picture], receive: Callable[[], Awaitable[Any]]) -> Picture:
        """Waits for the picture, as long as there is time and somebody waits for it."""
        task = asyncio.ensure_future(work)
        self._left_behind.add(task)
        task.add_done_callback(self._left_behind.discard)
        gone = asyncio.ensure_future(receive())  # after the body, the only message is that the client has left
        limit = self._settings.answer_timeout
        try:
            await asyncio.wait({task, gone}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            if gone.done():
                raise ClientDisconnect
            raise ResultTimeoutError(f'the picture was not ready within {limit} s; a smaller one may be')
        finally:
            gone.cancel()
            task.cancel()


def _log(error: Exception) -> str:
    """Logs where an error came from; of what it says only the start, as it may quote data. Returns its number."""
    number = secrets.token_hex(4)
    frames = ''.join(traceback.format_tb(error.__traceback__))
    said = (str(error).splitlines() or [''])[0][:200]
    _LOG.error('error %s\n%s%s: %s', number, frames, type(error).__name__, said)
    return number


def _response(picture: Picture, name: str, seconds: dict[str, float]) -> Response:
    suffix = _SUFFIXES[picture.format]
    name = f'{PurePosixPath(name).stem or "picture"}-colour{suffix}'
    plain = ''.join(letter if letter.isascii() and letter not in '"\\%' else '_' for letter in name)
    return Response(
        picture.content,
        media_type=f'image/{picture.format.lower()}',
        headers={
            'Cache-Control': 'no-store',
            'Content-Disposition': f'attachment; filename="{plain}"; filename*=UTF-8\'\'{quote(name, safe="")}',
            'Server-Timing': ', '.join(f'{stage};dur={1000 * value:.1f}' for stage, value in seconds.items()),
        },
    )
