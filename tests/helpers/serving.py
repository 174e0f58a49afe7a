"""An application of the server in a thread of this process: one whose model is made up, or broken on purpose."""

import contextlib
import signal
import threading
from collections.abc import Iterator

import uvicorn
from starlette.applications import Starlette

from jaxcolor.server import run


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
