"""Who is answered: hosts, tokens, so many requests of a client at a time; probes always."""

import collections
import hmac
import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from jaxcolor.server.errors import AmbiguousLengthError, ClientLimitError, HostError, TokenError, respond
from jaxcolor.server.settings import Settings

PROBES = ('/healthz', '/readyz', '/metrics')  # asked for every few seconds, by platforms that hold no token
_PROTECTED = '/v1/'  # what a token is for; the page itself shows nothing of anybody


class AccessMiddleware:
    """Wrap an application; refuse requests before anything of their body is read."""

    def __init__(self, app: ASGIApp, settings: Settings):
        self._app, self._settings = app, settings
        self._active: collections.Counter[str] = collections.Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope['type'] != 'http':
            await self._app(scope, receive, send)
            return
        path = scope['path'].removeprefix(scope.get('root_path', ''))
        client = network(scope['client'][0]) if scope.get('client') else ''
        try:
            self._check(path, client, Headers(scope=scope))
        except (AmbiguousLengthError, ClientLimitError, HostError, TokenError) as error:
            answer = await respond(Request(scope), error)
            await answer(scope, receive, send)
            return
        counted = path not in PROBES
        self._active[client] += counted
        try:
            await self._app(scope, receive, send)
        finally:
            self._active[client] -= counted
            if not self._active[client]:
                del self._active[client]

    def _check(self, path: str, client: str, headers: Headers) -> None:
        if 'content-length' in headers and 'transfer-encoding' in headers:
            raise AmbiguousLengthError('the request has a Content-Length and a Transfer-Encoding; send one of them')
        if path in PROBES:
            return
        hosts, token = self._settings.allowed_hosts, self._settings.token
        if hosts and _host(headers) not in hosts:
            raise HostError('the request is for another host than this server is')
        if token and path.startswith(_PROTECTED):
            scheme, _, sent = headers.get('authorization', '').partition(' ')
            if scheme.lower() != 'bearer' or not hmac.compare_digest(sent.strip().encode(), token.encode()):
                raise TokenError("this server wants its token; send the header 'Authorization: Bearer TOKEN'")
        if self._active[client] >= self._settings.per_client:
            limit = self._settings.per_client
            raise ClientLimitError(f'more than {limit} requests of one client at a time; try again soon', 1)


def network(address: str) -> str:
    """Return what counts as one client: an address, and of IPv6 the /64 that a household or a machine has."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:  # a proxy's own name for it
        return address
    if isinstance(ip, ipaddress.IPv6Address) and not ip.ipv4_mapped:
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return address


def _host(headers: Headers) -> str | None:
    try:
        return urlsplit(f'//{headers.get("host", "")}').hostname
    except ValueError:
        return None
