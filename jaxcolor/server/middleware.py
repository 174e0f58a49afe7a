"""What every answer gets: headers that keep a browser safe, a line in the log, a count, and time to be read."""

import asyncio
import contextlib
import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jaxcolor.server.access import PROBES
from jaxcolor.server.metrics import Metrics

_LOG = logging.getLogger(__name__)

_HEADERS = {
    'content-security-policy': (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'permissions-policy': 'camera=(), geolocation=(), microphone=()',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
}
_LINGER = 2.0  # seconds in which the rest of an upload is still read after an answer


class ResponseMiddleware:
    """Wrap an application; log method, route, status and time of a request, never its query, names or contents."""

    def __init__(self, app: ASGIApp, metrics: Metrics):
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope['type'] != 'http':
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), 500
        body = _RequestBody(scope, receive)

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message['type'] == 'http.response.start':
                status = message['status']
                present = {name for name, _ in message['headers']}
                added = _HEADERS | ({'connection': 'close'} if body.unread else {})
                message['headers'] = [
                    *message['headers'],
                    *((k.encode(), v.encode()) for k, v in added.items() if k.encode() not in present),
                ]
            elif body.unread and not message.get('more_body', False):
                # All of the answer is out, but the connection must stay open: closed with an upload under way, it is
                # reset, and the client may never see the answer.
                await send({**message, 'more_body': True})
                await body.drain()
                message = {'type': 'http.response.body', 'body': b''}
            await send(message)

        try:
            await self._app(scope, body.receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - start
            route = getattr(scope.get('route'), 'path', '') or 'other'  # of the page's files
            self._metrics.requests.labels(route, status).inc()
            self._metrics.latency.labels(route).observe(seconds)
            level = logging.DEBUG if route in PROBES else logging.INFO
            _LOG.log(level, '%s %s %d %.0f ms', scope['method'][:8], route, status, 1000 * seconds)


class _RequestBody:
    """A request's body, and whether some of it is unread."""

    def __init__(self, scope: Scope, receive: Receive):
        headers = dict(scope['headers'])
        self.unread = headers.get(b'content-length', b'0') != b'0' or b'transfer-encoding' in headers
        self._receive = receive

    async def receive(self) -> Message:
        message = await self._receive()
        if not message.get('more_body', False):  # the end, or nobody there any more
            self.unread = False
        return message

    async def drain(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                while self.unread:
                    await self.receive()
