"""The routes of the server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from jaxcolor.inference.colorizer import Colorizer
from jaxcolor.server.errors import STATUSES, respond
from jaxcolor.server.handlers import PAGE, Service
from jaxcolor.server.metrics import Telemetry
from jaxcolor.server.middleware import Answers
from jaxcolor.server.settings import Settings

_LAST_SECONDS = 10.0  # that the device may take to end, once nobody waits for it


def create_app(colorizer: Colorizer, settings: Settings) -> Starlette:
    """Return the application; `app.state.service` is its `Service`.

    It compiles what common pictures need as it starts; where that fails, `app.state.warm_up` holds the error. Once it
    has ended, `app.state.closed` tells whether the device's thread has too.
    """
    telemetry = Telemetry()
    service = Service(colorizer, settings, telemetry)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.warm_up = asyncio.create_task(service.studio.warm_up())
        yield
        app.state.warm_up.cancel()
        app.state.closed = service.studio.close(_LAST_SECONDS)

    app = Starlette(
        routes=[
            Route('/v1/colorize', service.colorize, methods=['POST']),
            Route('/v1/model', service.model),
            Route('/healthz', service.healthz),
            Route('/readyz', service.readyz),
            Route('/metrics', service.metrics),
            Route('/openapi.json', service.openapi, include_in_schema=False),
            Route('/docs', service.docs, include_in_schema=False),
            Mount('/', StaticFiles(directory=PAGE, html=True), name='page'),
        ],
        middleware=[Middleware(Answers, telemetry=telemetry)],
        exception_handlers=dict.fromkeys((HTTPException, *STATUSES), respond),
        lifespan=lifespan,
    )
    app.state.service = service
    return app
