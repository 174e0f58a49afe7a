"""From restored models to a process that listens, and ends well when a signal comes."""

import asyncio
import logging
import math
import os
import signal
import socket
import time
from collections.abc import Sequence
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from jaxcolor.errors import UserError
from jaxcolor.server.access import network
from jaxcolor.server.app import create_app
from jaxcolor.server.models import ServedModel
from jaxcolor.server.settings import Settings

_LOG = logging.getLogger(__name__)

_CONNECTIONS = 512  # of all clients
_CONNECTIONS_OF_ONE = 64  # and some more that are at work: of those, `Settings.per_client` are answered
_OPEN_FILES = 768  # connections beyond which none is taken: most systems let a process have 1024 files
_IDLE_SECONDS = 1.0  # after which a connection without a request may be closed for another's sake
_HEAD_SECONDS = 15.0  # that the head of a request may take, from the first connection or from its first byte
_HEAD_BYTES = 2**16
_ANSWER_SECONDS = 300.0  # that a client may take to receive an answer


def run(
    models: Sequence[ServedModel],
    settings: Settings,
    host: str,
    port: int,
    *,
    show_token: bool = False,
) -> None:
    """Serve until SIGTERM or SIGINT, then answer what is under way and return.

    Args:
      models: of which the first is taken where none is named.
      show_token: in the address that is printed, by which the page has it.
      host: a name or an address of this machine.
      port: 0 for any that is free; the line printed names it.

    Raises:
      UserError: there is no such host, or the port is taken.
      KeyboardInterrupt: it was SIGINT.
      Exception: what kept the model from being compiled.
    """
    app = create_app(models, settings)
    with listen(host, port) as listener:
        server = Server(configure(app, settings), app, settings.drain_timeout)
        print(f'listening on {address(host, listener, settings, show_token=show_token)}', flush=True)
        server.run([listener])
    if not app.state.closed:
        # The interpreter would end under a thread that is deep in XLA, which aborts the process.
        logging.shutdown()
        os._exit(128 + signal.SIGINT if server.signal == signal.SIGINT else 0)
    if server.failure is not None:
        raise server.failure
    if server.signal == signal.SIGINT:
        raise KeyboardInterrupt


def configure(app: Starlette, settings: Settings) -> uvicorn.Config:
    """Return how uvicorn serves an application: quietly, and with a limit to what clients may keep open."""
    return uvicorn.Config(
        app,
        http=_Protocol,
        ws='none',
        lifespan='on',
        log_config=None,
        access_log=False,  # `middleware.ResponseMiddleware` logs, without the query
        server_header=False,
        root_path=settings.root_path,
        h11_max_incomplete_event_size=_HEAD_BYTES,
        timeout_graceful_shutdown=settings.drain_timeout,
    )


def address(host: str, listener: socket.socket, settings: Settings, *, show_token: bool) -> str:
    """Return the page's address, with the token if that is to be shown."""
    name = f'[{host}]' if ':' in host else host
    token = f'#token={settings.token}' if show_token else ''
    return f'http://{name}:{listener.getsockname()[1]}{settings.root_path}/{token}'


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

    uvicorn waits for either without end. Its own limit of connections answers 503 to whoever comes then, probes
    included; here those that wait for a request make room for those that come, first the oldest of the same client.
    """

    _timer: asyncio.TimerHandle | None = None
    _since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._since = self.loop.time()
        if len(self.connections) > _OPEN_FILES:
            transport.abort()
            return
        by_client: dict[str, list[_Protocol]] = {}
        for connection in sorted(self.connections, key=lambda connection: connection._since):  # type: ignore[union-attr]
            by_client.setdefault(connection._network, []).append(connection)  # type: ignore[union-attr, arg-type]
        self._make_room(by_client[self._network], _CONNECTIONS_OF_ONE, _IDLE_SECONDS)
        if len(self.connections) > _CONNECTIONS:
            largest = max(by_client.values(), key=len)
            self._make_room(largest, len(largest) - 1, 0.0)
        self._expect_head()

    @property
    def _network(self) -> str:
        return network(self.client[0]) if self.client else ''

    @property
    def _waits(self) -> bool:
        """Whether there is no request, or not all of its head."""
        return self.cycle is None or self.cycle.response_complete

    def _make_room(self, connections: Sequence['_Protocol'], most: int, idle: float) -> None:
        excess = len(connections) - most
        for connection in connections:
            if excess > 0 and connection is not self and connection._waits:
                if self.loop.time() - connection._since < idle:
                    return
                connection.transport.close()
                excess -= 1

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._expect_head()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._since = self.loop.time()
        self.loop.call_later(_ANSWER_SECONDS, self._expect_taken, self.cycle)

    def _expect_taken(self, cycle: RequestResponseCycle) -> None:
        if self.cycle is cycle and self.transport.get_write_buffer_size():
            self.transport.abort()

    def _expect_head(self) -> None:
        waiting = not self.transport.is_closing() and self._waits
        if waiting and self._timer is None:
            self._timer = self.loop.call_later(_HEAD_SECONDS, self.transport.close)
        elif not waiting and self._timer is not None:
            self._timer.cancel()
            self._timer = None
