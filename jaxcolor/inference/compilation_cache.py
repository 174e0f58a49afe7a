"""Compiled programs that outlast the process: the first picture waits for compilation once, not at every start."""

import atexit
import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

import jax

_MOST_BYTES = 2**28
_DAY = 86_400  # seconds, after which what a killed process has left is nobody's


def use() -> None:
    """Keep compiled programs in the user's cache; nothing changes where that can't be written.

    JAX writes an entry piece by piece, and never mends one that was cut off. So it works in a folder of this process,
    with links to what is there; what is new moves over at the end, and a process that is killed leaves nothing.
    `JAX_COMPILATION_CACHE_DIR` names another folder, and JAX takes the rest from its own variables then.
    """
    if jax.config.values['jax_compilation_cache_dir'] is not None:
        return
    folder = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'jaxcolor'
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _tidy(folder)
        own = Path(tempfile.mkdtemp(prefix='.', dir=folder))
        for path in _entries(folder):
            with contextlib.suppress(FileNotFoundError):  # another process tidies too
                os.link(path, own / path.name)
    except OSError:
        return
    atexit.register(_publish, own, folder)
    jax.config.update(
        'jax_persistent_cache_enable_xla_caches', 'none'
    )  # else an entry's key has the folder's name in it
    jax.config.update('jax_compilation_cache_dir', str(own))
    jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.1)


def _entries(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file()]


def _publish(own: Path, folder: Path) -> None:
    with contextlib.suppress(OSError):
        for path in _entries(own):
            path.replace(folder / path.name)
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
