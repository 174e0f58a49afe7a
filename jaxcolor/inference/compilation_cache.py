"""Compiled programs that outlast the process: the first picture waits for compilation once, not at every start."""

import os
from pathlib import Path

import jax

_MOST_BYTES = 2**28


def use() -> None:
    """Keep compiled programs in the user's cache; nothing changes where that can't be written.

    `JAX_COMPILATION_CACHE_DIR` names another folder, and JAX takes the rest from its own variables then.
    """
    if jax.config.values['jax_compilation_cache_dir'] is not None:
        return
    folder = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'jaxcolor'
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _drop_oldest(folder)
    except OSError:
        return
    if os.access(folder, os.W_OK):
        jax.config.update('jax_compilation_cache_dir', str(folder))
        jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.1)


def _drop_oldest(folder: Path) -> None:
    """Keep the newest `_MOST_BYTES`. JAX' own bound needs another package, and a lock at each read."""
    files = sorted((path for path in folder.iterdir() if path.is_file()), key=lambda path: -path.stat().st_mtime)
    total = 0
    for path in files:
        total += path.stat().st_size
        if total > _MOST_BYTES:
            path.unlink(missing_ok=True)
