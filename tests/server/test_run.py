"""How a server begins and how it ends, and what it does to the disk meanwhile."""

import socket
import stat
import sys
from pathlib import Path

import httpx
import pytest

from jaxcolor import cli
from jaxcolor.errors import UserError
from jaxcolor.server import run

_HEAD = 'POST /v1/colorize HTTP/1.1\nHost: x\nContent-Type: multipart/form-data; boundary=b\nContent-Length: '
_PART = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'


def _form(picture: bytes) -> bytes:
    return _PART + picture + b'\r\n--b--\r\n'


def test_keeps_an_upload_in_memory(server, picture):
    """Forbidden to write files at all (see `conftest`), it must not even open one, for 5 MB of a picture under way."""

    def regular_files() -> set[str]:
        files = set()
        for link in Path(f'/proc/{server.process.pid}/fd').iterdir():
            try:
                if stat.S_ISREG(link.stat().st_mode):
                    files.add(str(link.readlink()))
            except FileNotFoundError:  # closed meanwhile
                continue
        return files

    before = regular_files()
    body = _form(picture('BMP', 2400, 2200))
    with server.connect(f'{_HEAD}{len(body)}', body[:-100]) as connection:
        server.wait_for(lambda: httpx.get(f'{server.url}/healthz').status_code == 200)
        assert regular_files() <= before
        connection.sendall(body[-100:])
        assert connection.recv(4096).startswith(b'HTTP/1.1 200')
    assert regular_files() <= before


def test_drains(model, serve, picture):
    """An upload under way is answered; new ones are refused."""
    body = _form(picture())
    with serve(model) as server:
        with server.connect(f'{_HEAD}{len(body)}', body[:-50]) as connection:
            server.wait_for(lambda: server.metric('jaxcolor_active') == 1)
            server.process.terminate()
            server.wait_for(lambda: httpx.get(f'{server.url}/readyz').status_code == 503)
            assert httpx.get(f'{server.url}/healthz').status_code == 200
            answer = server.post(picture())
            assert (answer.status_code, answer.json()) == (503, {'detail': 'the server is shutting down'})
            assert answer.headers['retry-after']
            connection.sendall(body[-50:])
            assert connection.recv(4096).startswith(b'HTTP/1.1 200')
        assert server.process.wait(10) == 0
    assert not [line for line in server.lines if 'Traceback' in line or 'WARNING' in line]


def test_ends_while_it_compiles(model, serve):
    with serve(model, ready=False) as server:
        assert httpx.get(f'{server.url}/readyz').status_code == 503
        server.process.terminate()
        assert server.process.wait(30) == 0
    assert len(server.lines) == 2  # where it listens, that it ends


def test_says_that_a_port_is_taken():
    with socket.create_server(('127.0.0.1', 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=rf'can not listen on 127.0.0.1:{port}: .*; choose another'):
            run.listen('127.0.0.1', port)


@pytest.mark.parametrize('options', [['--queue=0'], ['--port=70000'], ['--upload-timeout=soon']])
def test_says_which_option_is_wrong(options, capsys):
    with pytest.raises(SystemExit, match='2'):
        cli.main(['serve', '--model=nowhere', *options])
    assert options[0].partition('=')[0] in capsys.readouterr().err


def test_says_that_there_is_no_run(capsys):
    assert cli.main(['serve', '--model=nowhere']) == 1
    assert 'nowhere' in capsys.readouterr().err


def test_says_what_to_install(monkeypatch, capsys):
    for name in list(sys.modules):
        if name.startswith('jaxcolor.server'):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, 'uvicorn', None)
    assert cli.main(['serve', '--model=nowhere']) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith('error: jaxcolor serve needs uvicorn, which is not installed for Python 3.')
    assert line.endswith("; pip install 'jaxcolor[serve]'")
