"""From a restored model to a process that listens, and ends well when a signal comes."""

import asyncio
import logging
import math
import os
import signal
import socket
import time
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from jaxcolor.errors import UserError
from jaxcolor.inference.colorizer import Colorizer
from jaxcolor.server.app import create_app
from jaxcolor.server.settings import Settings

_LOG = logging.getLogger(__name__)

_CONNECTIONS = 512
_HEAD_SECONDS = 15.0  # that the head of a request may take, from the first connection or from its first byte
_HEAD_BYTES = 2**16
_ANSWER_SECONDS = 300.0  # that a client may take to receive an answer


def run(colorizer: Colorizer, settings: Settings, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT, then answer what is under way and return.

    Args:
      host: a name or an address of this machine.
      port: 0 for any that is free; the line printed names it.

    Raises:
      UserError: there is no such host, or the port is taken.
      KeyboardInterrupt: it was SIGINT.
      Exception: what kept the model from being compiled.
    """
    app = create_app(colorizer, settings)
    with listen(host, port) as listener:
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws='none',
            lifespan='on',
            log_config=None,
            access_log=False,  # `middleware.ResponseMiddleware` logs, without the query
            server_header=False,
            root_path=settings.root_path,
            limit_concurrency=_CONNECTIONS,
            h11_max_incomplete_event_size=_HEAD_BYTES,
            timeout_graceful_shutdown=settings.drain_timeout,
        )
        server = Server(config, app, settings.drain_timeout)
        name = f'[{host}]' if ':' in host else host
        print(f'listening on http://{name}:{listener.getsockname()[1]}{settings.root_path}/', flush=True)
        server.run([listener])
    if not app.state.closed:
        # The interpreter would end under a thread that is deep in XLA, which aborts the process.
        logging.shutdown()
        os._exit(128 + signal.SIGINT if server.signal == signal.SIGINT else 0)
    if server.failure is not None:
        raise server.failure
    if server.signal == signal.SIGINT:
        raise KeyboardInterrupt


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; a UserError if it can't."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except (OSError, OverflowError) as error:
        reason = getattr(error, 'strerror', None) or error
        raise UserError(f'can not listen on {host}:{port}: {reason}; choose another --host or --port') from error


class Server(uvicorn.Server):
    """Go on listening as it drains: new requests and `/readyz` get a 503 instead of a closed door.

    Attributes:
      signal: that ended it.
      failure: that kept the model from being compiled.
    """

    def __init__(self, config: uvicorn.Config, app: Starlette, drain_timeout: int):
        super().__init__(config)
        self._app, self._drain_timeout = app, drain_timeout
        self._deadline = 0.0
        self.signal: int | None = None
        self.failure: BaseException | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; a second signal ends at once."""
        if self.signal is None:
            self.signal = sig
            self._deadline = time.monotonic() + self._drain_timeout
        else:
            self.should_exit = self.force_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Return whether to end; called ten times a second."""
        state = self._app.state
        if state.warm_up.done() and not state.warm_up.cancelled():
            self.failure = state.warm_up.exception()
        if self.signal is not None and not state.handlers.draining:
            _LOG.info('%s: answering %d requests', signal.Signals(self.signal).name, state.handlers.active)
            state.handlers.draining = True
        left = self._deadline - time.monotonic()
        drained = state.handlers.draining and (not state.handlers.active or left <= 0)
        if drained:
            self.config.timeout_graceful_shutdown = max(1, math.ceil(left))  # for answers on their way
        return await super().on_tick(counter) or drained or self.failure is not None


class _Protocol(H11Protocol):
    """Hang up on a client that does not send the head of a request, or does not take an answer, for too long.

    uvicorn waits for either without end.
    """

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._expect_head()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.loop.call_later(_ANSWER_SECONDS, self._expect_taken, self.cycle)

    def _expect_taken(self, cycle: RequestResponseCycle) -> None:
        if self.cycle is cycle and self.transport.get_write_buffer_size():
            self.transport.abort()

    def _expect_head(self) -> None:
        waiting = not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete)
        if waiting and self._timer is None:
            self._timer = self.loop.call_later(_HEAD_SECONDS, self.transport.close)
        elif not waiting and self._timer is not None:
            self._timer.cancel()
            self._timer = None
