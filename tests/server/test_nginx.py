"""launch/serve/nginx.conf in a real nginx, in front of a real server."""

import contextlib
import http.server
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

NGINX, OPENSSL = shutil.which('nginx', path='/usr/sbin:/usr/local/sbin:/usr/bin'), shutil.which('openssl')
CONFIG = Path(__file__).parents[2] / 'launch/serve/nginx.conf'

pytestmark = pytest.mark.skipif(not (NGINX and OPENSSL), reason='there is no nginx, or no openssl')


def _free_port() -> int:
    with socket.create_server(('127.0.0.1', 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture(scope='module')
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp('tls')
    certificate, key = folder / 'certificate.pem', folder / 'key.pem'
    command = (
        f'{OPENSSL} req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost'
    )
    subprocess.run([*command.split(), '-out', certificate, '-keyout', key], check=True, capture_output=True)
    return certificate, key


@contextlib.contextmanager
def _nginx(folder: Path, upstream: int, certificate: tuple[Path, Path]) -> Iterator[httpx.Client]:
    """Runs nginx with the config, its ports and files exchanged; yields a client of it."""
    secure, plain = _free_port(), _free_port()
    config = CONFIG.read_text()
    for old, new in (
        ('server 127.0.0.1:8000;', f'server 127.0.0.1:{upstream};'),
        ('listen 443 ssl;', f'listen 127.0.0.1:{secure} ssl;'),
        ('listen 80;', f'listen 127.0.0.1:{plain};'),
        ('/etc/letsencrypt/live/photographs.example/fullchain.pem', str(certificate[0])),
        ('/etc/letsencrypt/live/photographs.example/privkey.pem', str(certificate[1])),
    ):
        assert config.count(old) == 1, old
        config = config.replace(old, new)
    (folder / 'site.conf').write_text(config)
    spool = ' '.join(
        f'{kind}_temp_path {folder / kind};' for kind in ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi')
    )
    (folder / 'nginx.conf').write_text(
        f'daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n'
        f'http {{ access_log {folder}/access.log; {spool} include {folder}/site.conf; }}\n'
    )
    command = [NGINX, '-p', folder, '-e', folder / 'error.log', '-c', folder / 'nginx.conf']
    subprocess.run([*command, '-t'], check=True, capture_output=True)
    trusted = ssl.create_default_context(cafile=str(certificate[0]))
    with subprocess.Popen(command) as process:
        try:
            with httpx.Client(base_url=f'https://localhost:{secure}', verify=trusted, timeout=60) as client:
                while True:
                    with contextlib.suppress(OSError), socket.create_connection(('127.0.0.1', secure)):
                        break
                    time.sleep(0.05)
                yield client
        finally:
            process.terminate()


def test_in_front_of_the_server(server, picture, certificate, tmp_path):
    with _nginx(tmp_path, server.port, certificate) as client:
        answer = client.get('/')
        assert answer.status_code == 200
        assert 'strict-transport-security' in answer.headers
        assert "default-src 'none'" in answer.headers['content-security-policy']

        sent = picture('BMP', 1500, 1000)  # far more than nginx buffers
        answer = client.post('/v1/colorize', files={'image': ('grandmother.bmp', sent)})
        assert answer.status_code == 200, answer.text
        assert answer.content.startswith(b'\x89PNG')

        answer = client.post('/v1/colorize', files={'image': bytes(9 * 2**20)})  # the server's own limit
        assert (answer.status_code, answer.json()['detail'][:30]) == (413, 'the picture is larger than 8 M')
        answer = client.post('/v1/colorize', files={'image': bytes(66 * 2**20)})  # nginx's
        assert (answer.status_code, answer.json()['detail'][:31]) == (413, 'the picture is larger than 64 M')
        assert client.get('/metrics').status_code == 200  # from this machine

    spooled = [path for kind in ('client_body', 'proxy') for path in (tmp_path / kind).rglob('*') if path.is_file()]
    assert not spooled
    logs = (tmp_path / 'error.log').read_text() + (tmp_path / 'access.log').read_text()
    assert 'temporary file' not in logs  # of which nginx warns
    assert 'grandmother' not in logs


def test_without_the_server(certificate, tmp_path):
    with _nginx(tmp_path, _free_port(), certificate) as client:
        answer = client.get('/readyz')
    assert answer.status_code == 503
    assert answer.json() == {'detail': 'the server is starting or being replaced; try again soon'}
    assert answer.headers['retry-after'] == '5'


def test_says_who_asks_and_how(certificate, tmp_path):
    """In front of a server that tells its own headers."""

    class Echo(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
            self.send_response(200)
            self.send_header('Content-Length', str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Echo) as echo:
        threading.Thread(target=echo.serve_forever).start()
        try:
            with _nginx(tmp_path, echo.server_port, certificate) as client:
                headers = client.get('/v1/model', headers={'X-Forwarded-For': '6.6.6.6'}).json()
        finally:
            echo.shutdown()
    assert headers['x-forwarded-for'] == '127.0.0.1'
    assert headers['x-forwarded-proto'] == 'https'
    assert headers['host'] == 'localhost'
