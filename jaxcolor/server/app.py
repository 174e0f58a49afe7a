"""The routes of the server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from jaxcolor.inference.colorizer import Colorizer
from jaxcolor.server import errors, metrics, openapi
from jaxcolor.server.handlers import Service
from jaxcolor.server.middleware import Answers
from jaxcolor.server.settings import Settings

_LAST_SECONDS = 10.0  # that the device may take to end, once nobody waits for it
_PAGE = Path(__file__).parent / 'page'


def create_app(colorizer: Colorizer, settings: Settings) -> FastAPI:
    """Returns the application; `app.state.service` is its `Service` while it runs.

    It compiles what common pictures need as it starts; where that fails, `app.state.warm_up` holds the error. Once it
    has ended, `app.state.closed` tells whether the device's thread has too.
    """
    telemetry = metrics.Telemetry()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.service = service = Service(colorizer, settings, telemetry)
        app.state.warm_up = asyncio.create_task(service.studio.warm_up())
        yield
        app.state.warm_up.cancel()
        app.state.closed = service.studio.close(_LAST_SECONDS)

    # The documents that FastAPI would offer come from a CDN; page/docs.html needs nobody.
    app = FastAPI(
        title='jaxcolor',
        version='1',
        summary='Gives grey photographs their colours, and keeps none of them.',
        docs_url=None,
        redoc_url=None,
        exception_handlers=dict.fromkeys(errors.STATUSES, errors.respond),
        lifespan=lifespan,
    )
    app.add_middleware(Answers, telemetry=telemetry)

    @app.post(
        '/v1/colorize',
        summary='Colour a picture',
        response_class=Response,
        responses=openapi.responses(),
        openapi_extra=openapi.request(),
    )
    async def colorize(request: Request) -> Response:
        return await app.state.service.colorize(request)

    @app.get('/v1/model', summary='The model and the limits of a picture')
    async def model() -> dict[str, Any]:
        return app.state.service.describe()

    @app.get('/healthz', summary='Whether the process lives')
    async def healthz() -> dict[str, str]:
        return {'status': 'ok'}

    @app.get('/readyz', summary='Whether pictures are taken; 503 as the model is compiled, and as the server ends')
    async def readyz() -> dict[str, str]:
        app.state.service.check_ready()
        return {'status': 'ready'}

    @app.get('/metrics', summary="Counts and times in Prometheus's text format", response_class=Response)
    async def prometheus() -> Response:
        return Response(telemetry.exposition(), media_type=metrics.CONTENT_TYPE)

    @app.get('/docs', include_in_schema=False)
    async def docs() -> FileResponse:
        return FileResponse(_PAGE / 'docs.html')

    app.mount('/', StaticFiles(directory=_PAGE, html=True), name='page')
    return app
