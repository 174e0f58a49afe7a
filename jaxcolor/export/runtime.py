"""onnxruntime-web, the runtime of ONNX in browsers: one version, as npm has it, checked and kept in the cache."""

import base64
import contextlib
import gzip
import hashlib
import importlib.util
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from jaxcolor.errors import UserError
from jaxcolor.storage import user_cache, write_atomic

NAME, VERSION = 'onnxruntime-web', '1.30.0'
_INTEGRITY = 'sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=='
# Scripts and binaries. Of the builds with WebGPU that for browsers with JSPI, Chromium's since 2025: it has three
# fifths of the size of that for all.
_BUILDS = {
    'wasm': ('dist/ort.wasm.bundle.min.mjs', 'dist/ort-wasm-simd-threaded.wasm'),
    'webgpu': ('dist/ort.jspi.bundle.min.mjs', 'dist/ort-wasm-simd-threaded.jspi.wasm'),
}
_PACK = f'npm pack {NAME}@{VERSION}'
_SECONDS = 600


class Build(NamedTuple):
    """One way in which it runs.

    Attributes:
      script: a module of JavaScript.
      binary: WebAssembly.
    """

    script: str
    binary: bytes


class Runtime(NamedTuple):
    """What a page needs of it.

    Attributes:
      builds: by where a network runs, `wasm`, or `webgpu` for browsers that have it.
      licenses: texts by the names of their files.
    """

    builds: dict[str, Build]
    licenses: dict[str, bytes]


def find(path: Path | None = None) -> Runtime:
    """Return the runtime, from the cache or by npm, with the user's settings of it, if no path is named.

    Args:
      path: what `npm pack` made, or a folder of what is in it.

    Raises:
      UserError: it is another version, damaged, or can't be had.
    """
    if path is None:
        read = _reader_of_tarball(_cached(), 'what npm packed')
    elif path.is_dir():
        read = _reader_of_folder(path)
    else:
        try:
            read = _reader_of_tarball(path.read_bytes(), f'--runtime={path}')
        except OSError as error:
            raise UserError(f'--runtime={path}: {error.strerror}; use what `{_PACK}` makes') from error
    builds = {name: Build(read(script).decode(), read(binary)) for name, (script, binary) in _BUILDS.items()}
    return Runtime(builds, _licenses())


def cached_path() -> Path:
    """Return where what npm packed is kept."""
    return user_cache() / 'npm' / f'{NAME}-{VERSION}.tgz'


def _cached() -> bytes:
    path = cached_path()
    if path.is_file() and _is_intact(content := path.read_bytes()):
        return content
    content = _pack()
    if _is_intact(content):
        with contextlib.suppress(OSError):  # without a cache it is downloaded next time too
            write_atomic(path, content)
    return content


def _pack() -> bytes:
    npm = shutil.which('npm')
    needs, by_hand = f'--format=web needs {NAME} {VERSION}, and', f'use --runtime with what `{_PACK}` makes elsewhere'
    if npm is None:
        raise UserError(f'{needs} there is no npm to get it; install npm, or {by_hand}')
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, 'pack', f'{NAME}@{VERSION}', '--silent', '--ignore-scripts', '--pack-destination', folder]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False)
            reason = (done.stderr.strip().splitlines() or [f'status {done.returncode}'])[0]
        except subprocess.TimeoutExpired:
            reason = f'nothing came for {_SECONDS} s'
        packed = list(Path(folder).glob('*.tgz'))
        if not packed:
            raise UserError(f'{needs} npm can not get it: {reason}; {by_hand}')
        return packed[0].read_bytes()


def _is_intact(content: bytes) -> bool:
    return 'sha512-' + base64.b64encode(hashlib.sha512(content).digest()).decode() == _INTEGRITY


def _reader_of_tarball(content: bytes, name: str) -> Callable[[str], bytes]:
    if not _is_intact(content):
        raise UserError(f'{name} is not {NAME} {VERSION}, by its SHA-512; use what `{_PACK}` makes')
    archive = tarfile.TarFile(fileobj=io.BytesIO(gzip.decompress(content)))

    def read(file: str) -> bytes:
        member = archive.extractfile(f'package/{file}')
        assert member is not None
        return member.read()

    return read


def _reader_of_folder(folder: Path) -> Callable[[str], bytes]:
    try:
        package = json.loads((folder / 'package.json').read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f'--runtime={folder} has no package.json of npm; use the folder of {NAME}') from error
    if not isinstance(package, dict) or (package.get('name'), package.get('version')) != (NAME, VERSION):
        found = f'{package.get("name")} {package.get("version")}' if isinstance(package, dict) else 'another package'
        raise UserError(f'--runtime={folder} is {found}; use {NAME} {VERSION}')

    def read(file: str) -> bytes:
        try:
            return (folder / file).read_bytes()
        except OSError as error:
            raise UserError(f'--runtime={folder} lacks {file}; use all of {NAME} {VERSION}') from error

    return read


def _licenses() -> dict[str, bytes]:
    """Return those that the runtime for Python has, which is made of the same source; npm's package has none."""
    spec = importlib.util.find_spec('onnxruntime')
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'onnxruntime'", name='onnxruntime')
    folder = Path(spec.submodule_search_locations[0])
    return {
        f'onnxruntime-{name}': (folder / file).read_bytes()
        for name, file in (('LICENSE.txt', 'LICENSE'), ('third-party.txt', 'ThirdPartyNotices.txt'))
    }
