"""Compiled programs that outlast the process: the first picture waits for compilation once, not at every start."""

import atexit
import contextlib
import functools
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.export

from jaxcolor.storage import user_cache

_MOST_BYTES = 2**28
_DAY = 86_400  # seconds, after which what a killed process has left is nobody's
_PACKAGE = Path(__file__).parent
_folders: list[Path] = []  # of this process, where programs are kept


def use() -> None:
    """Keep compiled programs in the user's cache; nothing changes where that can't be written.

    JAX writes an entry piece by piece, and never mends one that was cut off. So it works in a folder of this process,
    with links to what is there; what is new is linked back at the end, and a process that is killed leaves nothing.
    `JAX_COMPILATION_CACHE_DIR` names another folder, and JAX takes the rest from its own variables then.
    """
    if jax.config.values['jax_compilation_cache_dir'] is not None:
        return
    folder = user_cache()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _tidy(folder)
        own = Path(tempfile.mkdtemp(prefix='.', dir=folder))
        for path in _entries(folder):
            with contextlib.suppress(FileNotFoundError):  # another process tidies too
                os.link(path, own / path.name)
    except OSError:
        return
    _folders.append(own)
    atexit.register(_publish, own, folder)
    jax.config.update(
        'jax_persistent_cache_enable_xla_caches', 'none'
    )  # else an entry's key has the folder's name in it
    jax.config.update('jax_compilation_cache_dir', str(own))
    if 'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS' not in os.environ:
        jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.1)


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """Let no program that is compiled within be kept."""
    name = 'jax_persistent_cache_min_compile_time_secs'
    seconds = jax.config.values[name]
    jax.config.update(name, float('inf'))
    try:
        yield
    finally:
        jax.config.update(name, seconds)


def compile(function: Callable[..., Any], *args: Any, **static: Any) -> Callable[..., Any]:  # noqa: A001
    """Return function(·, **static), compiled; not even traced where an earlier process has kept its StableHLO.

    Tracing takes longer than all the rest of a short command. What is kept belongs to these shapes, static arguments,
    versions, and this very source.

    Args:
      function: of `jax.jit`.
      args: trees of arrays, or of `jax.ShapeDtypeStruct`.
      static: what the function takes by name, each static, with a `repr` that says all of it.
    """
    if not _folders:
        return function.lower(*args, **static).compile()  # type: ignore[attr-defined]
    shapes = jax.tree.map(lambda x: (jax.numpy.shape(x), str(jax.numpy.result_type(x))), args)
    key = hashlib.sha256(repr((_versions(), function.__qualname__, shapes, sorted(static.items()))).encode())
    path = _folders[-1] / f'{key.hexdigest()}.stablehlo'
    exported = _load(path, lambda: jax.export.export(jax.jit(functools.partial(function, **static)))(*args))
    return jax.jit(exported.call).lower(*args).compile()


def _load(path: Path, export: Callable[[], jax.export.Exported]) -> jax.export.Exported:
    try:
        return jax.export.deserialize(bytearray(path.read_bytes()))
    except Exception:  # not there, or broken: the serializer raises what it likes
        exported = export()
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)  # a link to a broken one, which others may be reading
            path.write_bytes(exported.serialize())
        return exported


@functools.cache
def _versions() -> tuple[str, ...]:
    """Return all that a program depends on beside its arguments: this package's source, libraries, the device."""
    source = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob('*.py')):
        source.update(path.read_bytes())
    libraries = [version(name) for name in ('jax', 'jaxlib', 'flax')]
    settings = {name: value for name, value in jax.config.values.items() if name != 'jax_compilation_cache_dir'}
    return (source.hexdigest(), *libraries, jax.default_backend(), repr(settings))


def _entries(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file()]


def publish() -> None:
    """Leave what was compiled so far to other processes, not only at the end, which a server may not live to see."""
    for own in _folders:
        _publish(own, own.parent)


def _publish(own: Path, folder: Path) -> None:
    with contextlib.suppress(OSError):
        for path in _entries(own):
            kept = folder / path.name
            if not kept.exists() or not path.samefile(kept):
                new = own / f'.{path.name}'
                os.link(path, new)
                new.replace(kept)
    # The folder stays for a day: a thread may still be compiling, and JAX would warn that it can't write.


def _tidy(folder: Path) -> None:
    """Keep the newest `_MOST_BYTES`, and no folders of processes that are gone."""
    total = 0
    for path in sorted(_entries(folder), key=lambda path: -path.stat().st_mtime):
        total += path.stat().st_size
        if total > _MOST_BYTES:
            path.unlink(missing_ok=True)
    for path in folder.glob('.*/'):
        if time.time() - path.stat().st_mtime > _DAY:
            shutil.rmtree(path, ignore_errors=True)
