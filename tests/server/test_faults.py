"""What is the server's own fault: a broken model, an answer that takes too long."""

import logging
import re
import time

import httpx
import numpy as np
import pytest

from jaxcolor import Colorizer
from jaxcolor.inference.options import Options
from jaxcolor.inference.programs import Programs
from jaxcolor.server import worker
from jaxcolor.server.app import create_app
from jaxcolor.server.models import ServedModel
from jaxcolor.server.settings import Settings


def _wait_until_ready(url: str) -> None:
    while httpx.get(f'{url}/readyz').status_code != 200:
        time.sleep(0.02)


def test_a_fault_of_the_model_is_logged_and_outlived(colorizer, start, picture, caplog, monkeypatch):
    _, url = start(create_app([ServedModel(colorizer)], Settings()))
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
    app = create_app([ServedModel(colorizer)], Settings(queue=1, answer_timeout=1))
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
    app = create_app([ServedModel(colorizer)], Settings())
    _, url = start(app)
    _wait_until_ready(url)
    at_work = app.state.handlers.worker
    at_work._pace[colorizer] = 1.0
    answer = httpx.post(f'{url}/v1/colorize', files={'image': picture('PNG', 40, 30)})
    assert (answer.status_code, answer.json()['detail']) == (
        413,
        '40 x 30 pixels take about 1200 s, more than the 120 s that this server has for a picture; use a smaller one',
    )
    at_work._pixels[colorizer] += 100
    answer = httpx.post(f'{url}/v1/colorize', files={'image': picture('PNG', 10, 10)})
    assert (answer.status_code, answer.headers['retry-after']) == (503, '30')
    at_work._pixels[colorizer] -= 100
    assert httpx.post(f'{url}/v1/colorize', files={'image': picture('PNG', 10, 10)}).status_code == 200
    assert at_work._pixels[colorizer] == 0
    colored = httpx.post(f'{url}/v1/colorize', files={'image': picture('PNG', 10, 10)}).content
    assert len(colored) > 100
    assert app.state.handlers._memory.held == 0  # the answers are out


def test_a_wait_for_a_thread_is_no_work(colorizer, start, picture, monkeypatch):
    """Or a busy server would take pictures for more work than they are."""
    app = create_app([ServedModel(colorizer)], Settings())
    _, url = start(app)
    _wait_until_ready(url)
    lane = app.state.handlers.worker._small
    size = worker._size

    def before_all_threads_are_taken(content, limits):
        for _ in range(2 * lane.pool._max_workers):
            lane.pool.submit(time.sleep, 0.5)
        return size(content, limits)

    monkeypatch.setattr(worker, '_size', before_all_threads_are_taken)
    answer = httpx.post(f'{url}/v1/colorize', files={'image': picture()})
    assert answer.elapsed.total_seconds() > 0.5
    assert float(re.search(r'decode;dur=([\d.]+)', answer.headers['server-timing'])[1]) < 400


def test_a_program_of_few_pictures_that_can_not_be_compiled_ends_nothing(model, start, caplog, monkeypatch):
    colorizer = Colorizer.restore(model)
    shape, compile_one = colorizer.shapes.all()[-1], colorizer.programs._compile

    def fail(program):
        if getattr(program, 'shape', None) == shape:
            raise MemoryError
        return compile_one(program)

    monkeypatch.setattr(colorizer.programs, '_compile', fail)
    app = create_app([ServedModel(colorizer)], Settings(batch_size=1))
    batcher = app.state.handlers.worker._batcher
    pixels = np.zeros((8 * shape[0], 8 * shape[1], 1), np.uint8)
    with caplog.at_level(logging.CRITICAL):
        result = batcher.submit(colorizer, pixels, Options(), colorizer.small_copies(pixels, Options()))
        _, url = start(app)
        _wait_until_ready(url)
        with pytest.raises(MemoryError):
            result.result(60)


def test_a_model_that_can_not_be_compiled_ends_the_server(colorizer, start, monkeypatch):
    broken = Programs(colorizer.generator, colorizer.space, {'params': {}}, colorizer.render_size)
    monkeypatch.setattr(colorizer, 'programs', broken)
    server, _ = start(create_app([ServedModel(colorizer)], Settings()))
    while server.failure is None:
        time.sleep(0.02)
    assert 'kernel' in str(server.failure)
