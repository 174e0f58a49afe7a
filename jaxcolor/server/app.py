"""The routes of the server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from jaxcolor.server.access import AccessMiddleware
from jaxcolor.server.errors import STATUSES, respond
from jaxcolor.server.film_handlers import FilmHandlers
from jaxcolor.server.handlers import PAGE, Handlers
from jaxcolor.server.metrics import Metrics
from jaxcolor.server.middleware import ResponseMiddleware
from jaxcolor.server.models import ServedModel
from jaxcolor.server.settings import Settings

_SHUTDOWN_SECONDS = 10.0  # that the device may take to end, once nobody waits for it


def create_app(models: Sequence[ServedModel], settings: Settings) -> Starlette:
    """Return the application; `app.state.handlers` is its `Handlers`. The first model is taken where none is named.

    It compiles what common pictures need as it starts; where that fails, `app.state.warm_up` holds the error. Once it
    has ended, `app.state.closed` tells whether the device's thread has too.
    """
    metrics = Metrics()
    handlers = Handlers(models, settings, metrics)
    films = None
    if settings.film_seconds:
        from jaxcolor.server.films import Films  # imports PyAV, which pictures do without

        films = Films(handlers.worker, settings, metrics)
    film_handlers = FilmHandlers(handlers, models, settings, films)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.warm_up = asyncio.create_task(handlers.worker.warm_up())
        tidy = asyncio.create_task(film_handlers.tidy())
        yield
        app.state.warm_up.cancel()
        tidy.cancel()
        film_handlers.stop()
        closed = handlers.worker.close(_SHUTDOWN_SECONDS)
        app.state.closed = film_handlers.close(_SHUTDOWN_SECONDS) and closed

    app = Starlette(
        routes=[
            Route('/v1/colorize', handlers.colorize, methods=['POST']),
            Route('/v1/colors', handlers.colors, methods=['POST']),
            Route('/v1/films', film_handlers.films, methods=['POST']),
            Route('/v1/films/{film}', film_handlers.film),
            Route('/v1/films/{film}', film_handlers.cancel_film, methods=['DELETE']),
            Route('/v1/films/{film}/result', film_handlers.film_result),
            Route('/v1/model', handlers.model),
            Route('/v1/models', handlers.models),
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
