"""Real servers, as `jaxcolor serve` starts them, on ports of loopback."""

import contextlib
import io
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from helpers.hinted_palette import obedient_palette
from helpers.serving import serve_app
from PIL import Image
from starlette.applications import Starlette

from jaxcolor import Colorizer
from jaxcolor.server import run
from jaxcolor.server.app import create_app
from jaxcolor.server.models import ServedModel
from jaxcolor.server.settings import Settings

if TYPE_CHECKING:
    from selenium import webdriver

ROOT = Path(__file__).parents[2]
PHOTOGRAPHS = ROOT.parent / 'shared/data/bw_photos'


@dataclass
class ServerProcess:
    """A server in a process of its own, and what it prints."""

    process: subprocess.Popen[str]
    port: int = 0
    lines: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f'http://127.0.0.1:{self.port}'

    def post(self, content: bytes, name: str = 'picture', **options: object) -> httpx.Response:
        data = {key: str(value) for key, value in options.items()}
        return httpx.post(f'{self.url}/v1/colorize', files={'image': (name, content)}, data=data, timeout=60)

    def connect(self, head: str, body: bytes = b'') -> socket.socket:
        """Sends the beginning of a request, and leaves it at that."""
        connection = socket.create_connection(('127.0.0.1', self.port), timeout=30)
        connection.sendall(head.replace('\n', '\r\n').encode() + b'\r\n\r\n' + body)
        return connection

    def metric(self, name: str) -> float:
        found = re.search(rf'^{re.escape(name)} (\S+)$', httpx.get(f'{self.url}/metrics').text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def wait_for(self, ready: Callable[[], bool]) -> None:
        while not ready():
            assert self.process.poll() is None, self.lines
            time.sleep(0.02)


@contextlib.contextmanager
def serve_model(model: Path, *options: str, ready: bool = True) -> Iterator[ServerProcess]:
    """Runs a server that is forbidden, once it has compiled all its programs, to write a single byte to a file."""
    command = [sys.executable, '-W', 'error::DeprecationWarning', '-m', 'jaxcolor.cli', 'serve', f'--model={model}']
    # A server computes more than it compiles: let XLA optimize, unlike in the tests' own process.
    environment = {k: v for k, v in os.environ.items() if k != 'XLA_FLAGS'} | {'PYTHONPATH': str(ROOT)}
    with subprocess.Popen(
        [*command, '--port=0', *options],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        server = ServerProcess(process)

        def read() -> None:
            assert process.stdout
            for line in process.stdout:
                server.lines.append(line)

        reader = threading.Thread(target=read)
        reader.start()
        try:
            server.wait_for(lambda: bool(server.lines))
            assert server.lines[0].startswith('listening on http://127.0.0.1:'), server.lines
            server.port = int(server.lines[0].rstrip('/\n').rpartition(':')[2])
            if ready:
                server.wait_for(lambda: httpx.get(f'{server.url}/readyz').status_code == 200)
                server.wait_for(lambda: server.metric('jaxcolor_programs_left') == 0)
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, 0))
            yield server
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            finally:
                process.kill()
                reader.join()


@pytest.fixture(scope='session')
def model(make_run: Callable[..., Path]) -> Path:
    """A run whose network is small: nearly all the time of these tests goes into compiling."""
    return make_run('unet', generator_fields={'depth': 3, 'filters': 2}, image_size=8)


@pytest.fixture(scope='session')
def colorizer(model: Path) -> Colorizer:
    return Colorizer.restore(model)


@pytest.fixture(scope='session')
def server(model: Path) -> Iterator[ServerProcess]:
    """A small model behind small limits; it must live through all tests and end well."""
    limits = ('--queue=3', '--batch-size=2', '--upload-timeout=2', '--max-megabytes=8', '--max-megapixels=8')
    with serve_model(model, *limits) as started:
        yield started
        assert httpx.get(f'{started.url}/readyz').status_code == 200
    assert started.process.returncode == 0


@pytest.fixture(scope='session')
def serve() -> Callable[..., contextlib.AbstractContextManager[ServerProcess]]:
    return serve_model


@pytest.fixture(scope='module')
def hinted() -> Iterator[tuple[Colorizer, str]]:
    """A model that takes hints, and the address of a server that has it."""
    colorizer = obedient_palette()
    with serve_app(create_app([ServedModel(colorizer)], Settings(batch_size=1))) as (_, url):
        while httpx.get(f'{url}/readyz').status_code != 200:
            time.sleep(0.02)
        yield colorizer, url


@pytest.fixture
def start() -> Iterator[Callable[[Starlette], tuple[run.Server, str]]]:
    """Returns a function that runs an application in a thread of this process: the server and its address."""
    with contextlib.ExitStack() as stack:
        yield lambda app: stack.enter_context(serve_app(app))


@pytest.fixture
def picture() -> Callable[..., bytes]:
    """Returns a function that makes a grey file of a format, `picture('PNG', width, height)`."""

    def make(kind: str = 'PNG', width: int = 40, height: int = 30) -> bytes:
        file = io.BytesIO()
        Image.linear_gradient('L').resize((width, height)).save(file, kind)
        return file.getvalue()

    return make


@pytest.fixture(scope='session')
def photograph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A JPEG of somebody."""
    path = PHOTOGRAPHS / 'saratoga_1900s.jpg'
    if not path.exists():
        data = pytest.importorskip('skimage.data')
        path = tmp_path_factory.mktemp('photograph') / 'camera.jpg'
        Image.fromarray(data.camera()).save(path)
    return path


@pytest.fixture(scope='session')
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator['webdriver.Chrome']:
    pytest.importorskip('selenium')
    from helpers import pages

    if not (pages.CHROMIUM and pages.DRIVER):
        pytest.skip('there is no chromium with its chromedriver')
    with pages.chrome(tmp_path_factory.mktemp('downloads'), '--js-flags=--expose-gc') as browser:
        yield browser


@pytest.fixture
def page(browser: 'webdriver.Chrome', server: ServerProcess) -> 'webdriver.Chrome':
    """The page as it opens, with nothing kept from before."""
    from helpers.pages import open_anew

    return open_anew(browser, server.url)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame of a film takes a fortieth of a second, so that something can happen meanwhile."""
    from jaxcolor.films import color

    advance = color.steady.advance

    def slowly(*arguments: object) -> object:
        time.sleep(0.025)
        return advance(*arguments)

    monkeypatch.setattr(color.steady, 'advance', slowly)
