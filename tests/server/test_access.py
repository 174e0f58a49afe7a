"""Who is answered: tokens, hosts, so many requests of a client at a time; and the probes whatever happens."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from jaxcolor.cli.serve import choose_token
from jaxcolor.errors import UserError
from jaxcolor.server.access import AccessMiddleware, network
from jaxcolor.server.settings import Settings

_HEAD = 'POST /v1/colorize HTTP/1.1\nHost: x\nContent-Type: multipart/form-data; boundary=b\n'


async def _ok(scope, receive, send) -> None:
    await receive()
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': b''})


def _client(settings: Settings, address: str = '10.0.0.1') -> httpx.AsyncClient:
    transport = httpx.ASGITransport(AccessMiddleware(_ok, settings), client=(address, 1))
    return httpx.AsyncClient(transport=transport, base_url='http://photographs.example')


def _get(settings: Settings, path: str, **headers: str) -> httpx.Response:
    async def get() -> httpx.Response:
        async with _client(settings) as client:
            return await client.get(path, headers=headers)

    return asyncio.run(get())


@pytest.mark.parametrize(
    ('path', 'authorization', 'status'),
    [
        ('/v1/model', 'Bearer secret', 200),
        ('/v1/model', 'bearer  secret ', 200),
        ('/v1/model', 'Bearer secrets', 401),
        ('/v1/model', 'Bearer gehe\u00efm', 401),
        ('/v1/model', 'Basic secret', 401),
        ('/v1/model', '', 401),
        ('/', '', 200),  # the page, which has nothing of anybody
        ('/healthz', '', 200),
        ('/metrics', '', 200),
    ],
)
def test_token(path, authorization, status):
    answer = _get(Settings(token='secret'), path, authorization=authorization.encode())
    assert answer.status_code == status
    assert answer.headers.get('www-authenticate') == ('Bearer' if status == 401 else None)
    assert _get(Settings(), path).status_code == 200


@pytest.mark.parametrize(
    ('host', 'status'),
    [('photographs.example', 200), ('Photographs.Example:8000', 200), ('evil.example', 400), ('[', 400), ('', 400)],
)
def test_allowed_hosts(host, status):
    settings = Settings(allowed_hosts=frozenset({'photographs.example'}))
    assert _get(settings, '/', host=host).status_code == status
    assert _get(settings, '/healthz', host=host).status_code == 200
    assert _get(Settings(), '/', host=host).status_code == 200


def test_requests_of_one_client_at_a_time():
    """Others, and probes of the same, are answered; and it is itself once one of its own has ended."""

    async def run() -> list[int]:
        going, statuses = asyncio.Event(), []

        async def slow(scope, receive, send) -> None:
            if scope['path'] == '/v1/colorize':
                await going.wait()
            await _ok(scope, receive, send)

        app = AccessMiddleware(slow, Settings(per_client=2))

        async def ask(path: str, address: str = '10.0.0.1') -> httpx.Response:
            transport = httpx.ASGITransport(app, client=(address, 1))
            async with httpx.AsyncClient(transport=transport, base_url='http://x') as client:
                return await client.get(path)

        held = [asyncio.create_task(ask('/v1/colorize')) for _ in range(2)]
        await asyncio.sleep(0.05)
        refused = await ask('/v1/model')
        assert refused.headers['retry-after'] == '1'
        assert refused.json() == {'detail': 'more than 2 requests of one client at a time; try again soon'}
        statuses += [refused.status_code, (await ask('/healthz')).status_code]
        statuses += [(await ask('/v1/model', '10.0.0.2')).status_code]
        going.set()
        statuses += [(await task).status_code for task in held]
        return [*statuses, (await ask('/v1/model')).status_code]

    assert asyncio.run(run()) == [429, 200, 200, 200, 200, 200]


@pytest.mark.parametrize(
    ('address', 'expected'),
    [
        ('10.0.0.1', '10.0.0.1'),
        ('2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'),
        ('2001:db8:1:2:ffff::1', '2001:db8:1:2::/64'),
        ('::ffff:10.0.0.1', '::ffff:10.0.0.1'),
        ('unix', 'unix'),
    ],
)
def test_what_is_one_client(address, expected):
    assert network(address) == expected


@pytest.mark.parametrize(
    ('given', 'host', 'token'),
    [
        (None, '127.0.0.1', ''),
        (None, '::1', ''),
        (None, 'localhost', ''),
        ('secret', '127.0.0.1', 'secret'),
        ('secret', '0.0.0.0', 'secret'),
        ('', '0.0.0.0', ''),
    ],
)
def test_which_token(given, host, token):
    assert choose_token(given, host) == (token, False)


def test_a_new_token_where_others_reach_the_server():
    (one, is_new), (other, _) = choose_token(None, '0.0.0.0'), choose_token(None, 'photographs.example')
    assert is_new
    assert one != other
    assert len(one) > 20
    with pytest.raises(UserError, match='characters that a header can not carry'):
        choose_token('zwei Worte', '127.0.0.1')


@contextlib.contextmanager
def _half_open(port: int, count: int, address: str) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        connections = []
        for _ in range(count):
            connection = socket.create_connection(('127.0.0.1', port), 10, (address, 0))
            connections.append(stack.enter_context(connection))
            connection.sendall(b'POST /v1/colorize HTTP/1.1\r\n')
        yield connections


def test_half_open_connections_keep_nobody_out(server, picture):
    """Not even the address that they come from: the oldest make room."""
    with _half_open(server.port, 600, '127.0.0.2') as connections:
        for address in ('127.0.0.1', '127.0.0.2'):
            transport = httpx.HTTPTransport(local_address=address)
            with httpx.Client(transport=transport, base_url=server.url, timeout=10) as client:
                assert client.get('/healthz').status_code == 200
                assert client.post('/v1/colorize', files={'image': picture()}).status_code == 200
        time.sleep(1.1)  # from now on they are idle
        assert httpx.get(f'{server.url}/healthz').status_code == 200
        with _half_open(server.port, 1, '127.0.0.2'):
            time.sleep(0.1)
            closed = 0
            for connection in connections:
                connection.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    closed += connection.recv(1) == b''
    assert closed >= 600 - 64


def test_two_lengths_are_one_too_many(server):
    body = b'5\r\nhello\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'
    head = f'{_HEAD}Content-Length: 5\nTransfer-Encoding: chunked'
    with server.connect(head, body) as connection, connection.makefile('rb') as answer:
        text = answer.read()  # to the end of the connection
    assert text.startswith(b'HTTP/1.1 400')
    assert b'connection: close' in text
    assert b'a Content-Length and a Transfer-Encoding; send one of them' in text
    assert text.count(b'HTTP/1.1') == 1
