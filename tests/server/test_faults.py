"""What is the server's own fault: a broken model, an answer that takes too long."""

import logging
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette

from jaxcolor.server import run
from jaxcolor.server.app import create_app
from jaxcolor.server.settings import Settings


@pytest.fixture
def start() -> Iterator[Callable[[Starlette], tuple[run.Server, str]]]:
    """Returns a function that runs an application in a thread of this process: the server and its address."""
    started: list[tuple[run.Server, threading.Thread, socket.socket]] = []

    def serve(app: Starlette) -> tuple[run.Server, str]:
        listener = run.listen('127.0.0.1', 0)
        server = run.Server(uvicorn.Config(app, log_config=None, ws='none', lifespan='on'), app, drain_timeout=30)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        started.append((server, thread, listener))
        return server, f'http://127.0.0.1:{listener.getsockname()[1]}'

    yield serve
    for server, thread, listener in started:
        server.handle_exit(signal.SIGTERM, None)
        thread.join()
        listener.close()


def _wait_until_ready(url: str) -> None:
    while httpx.get(f'{url}/readyz').status_code != 200:
        time.sleep(0.02)


def test_a_fault_of_the_model_is_logged_and_outlived(colorizer, start, picture, caplog, monkeypatch):
    _, url = start(create_app(colorizer, Settings()))
    _wait_until_ready(url)
    with caplog.at_level(logging.ERROR), monkeypatch.context() as broken:
        broken.setattr(colorizer, 'variables', {'params': {}})
        answer = httpx.post(f'{url}/v1/colorize', files={'image': ('grandmother.png', picture())})
    assert answer.status_code == 500
    number = re.fullmatch(
        r'something went wrong here; the log tells more of error ([0-9a-f]{8})', answer.json()['detail']
    )
    (record,) = caplog.records
    text = record.getMessage()
    assert text.startswith(f'error {number[1]}\n')
    assert 'File "' in text
    assert 'batching.py' in text
    assert 'grandmother' not in text
    assert httpx.post(f'{url}/v1/colorize', files={'image': picture()}).status_code == 200


def test_an_answer_has_its_time(colorizer, start, picture, monkeypatch):
    """What has no more time takes no more of the device's, and its place is free."""
    app = create_app(colorizer, Settings(queue=1, answer_timeout=1))
    _, url = start(app)
    _wait_until_ready(url)
    with monkeypatch.context() as slow:
        render = colorizer.render

        def never_ends(*arguments):
            work = render(*arguments)
            slow.setattr(work, 'step', lambda: time.sleep(0.01) or True)
            return work

        slow.setattr(colorizer, 'render', never_ends)
        answer = httpx.post(f'{url}/v1/colorize', files={'image': picture('PNG', 300, 300)})
    assert (answer.status_code, answer.json()) == (
        504,
        {'detail': 'the picture was not ready within 1 s; a smaller one may be'},
    )
    while 'jaxcolor_in_progress 0.0' not in httpx.get(f'{url}/metrics').text:
        time.sleep(0.02)
    assert httpx.post(f'{url}/v1/colorize', files={'image': picture()}).status_code == 200


def test_work_is_bounded_before_it_begins(colorizer, start, picture):
    """By what a picture of its size takes, and by what those before it take."""
    app = create_app(colorizer, Settings())
    _, url = start(app)
    _wait_until_ready(url)
    worker = app.state.handlers.worker
    worker._pace = 1.0
    answer = httpx.post(f'{url}/v1/colorize', files={'image': picture('PNG', 40, 30)})
    assert (answer.status_code, answer.json()['detail']) == (
        413,
        '40 x 30 pixels take about 1200 s, more than the 120 s that this server has for a picture; use a smaller one',
    )
    worker._pixels += 100
    answer = httpx.post(f'{url}/v1/colorize', files={'image': picture('PNG', 10, 10)})
    assert (answer.status_code, answer.headers['retry-after']) == (503, '30')
    worker._pixels -= 100
    assert httpx.post(f'{url}/v1/colorize', files={'image': picture('PNG', 10, 10)}).status_code == 200
    assert worker._pixels == 0
    colored = httpx.post(f'{url}/v1/colorize', files={'image': picture('PNG', 10, 10)}).content
    assert len(colored) > 100
    assert app.state.handlers._memory.held == 0  # the answers are out


def test_a_model_that_can_not_be_compiled_ends_the_server(colorizer, start, monkeypatch):
    monkeypatch.setattr(colorizer, 'variables', {'params': {}})
    monkeypatch.setattr(colorizer, '_programs', {})
    server, _ = start(create_app(colorizer, Settings()))
    while server.failure is None:
        time.sleep(0.02)
    assert 'kernel' in str(server.failure)
