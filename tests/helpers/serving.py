"""An application of the server in a thread of this process: one whose model is made up, or broken on purpose."""

import contextlib
import signal
import threading
from collections.abc import Iterator

import uvicorn
from starlette.applications import Starlette

from jaxcolor.perceptual_study.app import create_app as create_study_app
from jaxcolor.perceptual_study.study import Study
from jaxcolor.server import run
from jaxcolor.server.settings import Settings


@contextlib.contextmanager
def serve_app(app: Starlette) -> Iterator[tuple[run.Server, str]]:
    """Yields the server and its address."""
    listener = run.listen('127.0.0.1', 0)
    server = run.Server(uvicorn.Config(app, log_config=None, ws='none', lifespan='on'), app, drain_timeout=30)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield server, f'http://127.0.0.1:{listener.getsockname()[1]}'
    finally:
        server.handle_exit(signal.SIGTERM, None)
        thread.join()
        listener.close()


@contextlib.contextmanager
def serve_study(study: Study, settings: Settings | None = None) -> Iterator[str]:
    """Yields the address of a page that asks people."""
    settings = settings or Settings()
    listener = run.listen('127.0.0.1', 0)
    app = create_study_app(study, settings)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws='none', lifespan='on', timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield f'http://127.0.0.1:{listener.getsockname()[1]}'
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
