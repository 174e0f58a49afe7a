"""What the routes of films do: take one, say how far it is, hand out the result, cancel."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

from jaxcolor.imaging.errors import UnsupportedFormatError
from jaxcolor.server import schemas, uploads
from jaxcolor.server.access import network
from jaxcolor.server.errors import UploadTimeoutError
from jaxcolor.server.handlers import NO_FILMS, Handlers, disposition
from jaxcolor.server.models import ServedModel, choose
from jaxcolor.server.settings import Settings

if TYPE_CHECKING:  # it imports PyAV, which pictures do without
    from jaxcolor.server.films import Film, Films

_TIDY_SECONDS = 5.0
_KINDS = {'.mp4': 'video/mp4', '.m4v': 'video/mp4', '.mov': 'video/quicktime', '.webm': 'video/webm'}
_HEADERS = {'Cache-Control': 'no-store'}


class FilmHandlers:
    """Answer requests about films; without `films` none is taken."""

    def __init__(self, handlers: Handlers, models: Sequence[ServedModel], settings: Settings, films: 'Films | None'):
        self._handlers, self._models, self._settings, self._films = handlers, models, settings, films

    async def films(self, request: Request) -> Response:
        """Take a film, to be coloured in its turn.

        Raises one of `errors.STATUSES` where it can't.
        """
        if self._films is None:
            raise UnsupportedFormatError(NO_FILMS)
        self._handlers.check_draining()
        client = network(request.client.host) if request.client else ''
        with self._handlers.under_way(), self._films.place(client) as folder:
            path = folder / 'film'
            name, fields = await self._upload(request, path)
            options = schemas.parse(schemas.FilmOptions, request.query_params, fields)
            model = choose(self._models, options.model)
            wanted = options.for_colorizer(model.colorizer)
            await asyncio.to_thread(self._films.check, path, name or 'film')
            film = self._films.add(folder, name or 'film', client, model, wanted)
            where = f'{request.scope.get("root_path", "")}/v1/films/{film.id}'
            return JSONResponse(self._films.describe(film), 202, {**_HEADERS, 'Location': where})

    async def film(self, request: Request) -> Response:
        """Tell how far a film is: who does not ask for three minutes wants it no more."""
        films, film = self._find(request)
        return JSONResponse(films.describe(film), headers=_HEADERS)

    async def film_result(self, request: Request) -> Response:
        """Hand out a film in colour, once."""
        films, film = self._find(request)
        if film.state != 'done':
            raise HTTPException(409, f'the film is {film.state}; its result is there once its state is done')
        return _OneTimeResponse(films, film, self._handlers)

    async def cancel_film(self, request: Request) -> Response:
        """Cancel a film, and delete its files."""
        films, film = self._find(request)
        films.remove(film)
        return Response(status_code=204)

    async def tidy(self) -> None:
        """Delete what has had its time, for ever."""
        while self._films is not None:
            await asyncio.sleep(_TIDY_SECONDS)
            self._films.tidy()

    def stop(self) -> None:
        """End all work soon."""
        if self._films is not None:
            self._films.stop()

    def close(self, timeout: float) -> bool:
        """Delete all files; return whether the thread ended within `timeout` seconds."""
        return self._films is None or self._films.close(timeout)

    def _find(self, request: Request) -> 'tuple[Films, Film]':
        film = self._films.get(request.path_params['film']) if self._films else None
        if self._films is None or film is None:
            raise HTTPException(404, 'there is no such film: it was fetched, cancelled, or nobody asked for it in time')
        return self._films, film

    async def _upload(self, request: Request, path: Path) -> tuple[str, Any]:
        settings = self._settings
        # As long as a picture of the most bytes would have at the same pace.
        limit = settings.upload_timeout * max(1.0, settings.film_bytes / settings.photo.bytes)
        try:
            with path.open('xb') as file:
                async with asyncio.timeout(limit):
                    return await uploads.read_film(request, settings.film_bytes, file)
        except TimeoutError as error:
            raise UploadTimeoutError(f'the film did not arrive within {limit:.0f} s') from error


class _OneTimeResponse(FileResponse):
    """A film in colour, which is deleted once all of it has been sent."""

    def __init__(self, films: 'Films', film: 'Film', handlers: Handlers):
        path = film.result
        headers = {**_HEADERS, 'Content-Disposition': disposition(film.name, path.suffix)}
        super().__init__(path, headers=headers, media_type=_KINDS.get(path.suffix, 'video/x-matroska'))
        self._films, self._film, self._handlers = films, film, handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        in_parts = any(name == b'range' for name, _ in scope['headers'])
        with self._handlers.under_way():
            await super().__call__(scope, receive, send)
        if scope['method'] == 'GET' and not in_parts:
            self._films.remove(self._film)
