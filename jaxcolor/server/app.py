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
from jaxcolor.server.access import AccessMiddleware
from jaxcolor.server.errors import STATUSES, respond
from jaxcolor.server.handlers import PAGE, Handlers
from jaxcolor.server.metrics import Metrics
from jaxcolor.server.middleware import ResponseMiddleware
from jaxcolor.server.settings import Settings
from jaxcolor.weights import Card

_SHUTDOWN_SECONDS = 10.0  # that the device may take to end, once nobody waits for it


def create_app(colorizer: Colorizer, settings: Settings, card: Card | None = None) -> Starlette:
    """Return the application; `app.state.handlers` is its `Handlers`. `card` is the model's, if it has one.

    It compiles what common pictures need as it starts; where that fails, `app.state.warm_up` holds the error. Once it
    has ended, `app.state.closed` tells whether the device's thread has too.
    """
    metrics = Metrics()
    handlers = Handlers(colorizer, settings, metrics, card)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.warm_up = asyncio.create_task(handlers.worker.warm_up())
        yield
        app.state.warm_up.cancel()
        app.state.closed = handlers.worker.close(_SHUTDOWN_SECONDS)

    app = Starlette(
        routes=[
            Route('/v1/colorize', handlers.colorize, methods=['POST']),
            Route('/v1/colors', handlers.colors, methods=['POST']),
            Route('/v1/model', handlers.model),
            Route('/healthz', handlers.healthz),
            Route('/readyz', handlers.readyz),
            Route('/metrics', handlers.metrics),
            Route('/openapi.json', handlers.openapi, include_in_schema=False),
            Route('/docs', handlers.docs, include_in_schema=False),
            Mount('/', StaticFiles(directory=PAGE, html=True), name='page'),
        ],
        middleware=[
            Middleware(ResponseMiddleware, metrics=metrics),
            Middleware(AccessMiddleware, settings=settings),
        ],
        exception_handlers=dict.fromkeys((HTTPException, *STATUSES), respond),
        lifespan=lifespan,
    )
    app.state.handlers = handlers
    return app
