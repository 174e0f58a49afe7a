"""A Hugging Face hub over loopback, with one repository."""

import contextlib
import hashlib
import http.server
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

COMMIT = 'c' * 40


class Hub(http.server.ThreadingHTTPServer):
    """Answers for the files of a repository as huggingface.co does for those that it keeps under their SHA-256."""

    def __init__(self, repository: str, revision: str, files: Mapping[str, bytes]):
        super().__init__(('127.0.0.1', 0), _Answer)
        self.repository, self.revision, self.files = repository, revision, files
        self.etags = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        self.requests: list[str] = []


class _Answer(http.server.BaseHTTPRequestHandler):
    server: Hub

    def answer(self) -> None:
        hub = self.server
        hub.requests.append(f'{self.command} {self.path}')
        repository, _, rest = self.path[1:].partition('/resolve/')
        revision, _, name = rest.partition('/')
        content = hub.files.get(name)
        if (repository, revision) != (hub.repository, hub.revision) or content is None:
            self.send_response(404)
            self.send_header('X-Error-Code', 'RepoNotFound' if repository != hub.repository else 'EntryNotFound')
            self.send_header('Content-Length', '0')
            self.end_headers()
            return
        self.send_response(200)
        self.send_header('X-Repo-Commit', COMMIT)
        self.send_header('ETag', f'"{"f" * 40}"')
        self.send_header('X-Linked-Etag', f'"{hub.etags[name]}"')
        self.send_header('X-Linked-Size', str(len(content)))
        self.send_header('Content-Length', str(len(content)))
        self.end_headers()
        if self.command == 'GET':
            self.wfile.write(content)

    do_GET = do_HEAD = answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def serve(hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Lets huggingface_hub ask `hub`: what $HF_ENDPOINT and $HF_HUB_CACHE set when the library is imported."""
    constants = pytest.importorskip('huggingface_hub.constants')
    thread = threading.Thread(target=hub.serve_forever)
    thread.start()
    address = f'http://127.0.0.1:{hub.server_port}'
    monkeypatch.setattr(constants, 'ENDPOINT', address)
    monkeypatch.setattr(constants, 'HUGGINGFACE_CO_URL_TEMPLATE', address + '/{repo_id}/resolve/{revision}/{filename}')
    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(cache))
    yield hub
    hub.shutdown()
    hub.server_close()
    thread.join()
