"""Programs kept from one process to the next: found again, bounded, and nothing of a process that was killed."""

import os
import subprocess
import sys
import time
from pathlib import Path

from jaxcolor.inference import compilation_cache

ROOT = Path(__file__).parents[2]
COMPILE = """
import os, sys, jax
from jaxcolor.inference import compilation_cache
compilation_cache.use()
jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)
jax.jit(lambda x: x * 2 + 1)(3.0).block_until_ready()
if 'killed' in sys.argv:
    os.kill(os.getpid(), 9)
"""


def run(cache, *arguments):
    environment = {**os.environ, 'XDG_CACHE_HOME': str(cache), 'PYTHONPATH': str(ROOT)}
    environment.pop('JAX_COMPILATION_CACHE_DIR', None)
    return subprocess.run([sys.executable, '-c', COMPILE, *arguments], env=environment, check=False).returncode


def programs(cache):
    return {path.name: path.stat().st_mtime_ns for path in (cache / 'jaxcolor').iterdir() if path.is_file()}


def test_programs_are_there_for_the_next_process_unless_one_is_killed(tmp_path):
    assert run(tmp_path, 'killed') == -9
    assert programs(tmp_path) == {}
    assert run(tmp_path) == 0
    first = programs(tmp_path)
    assert first
    assert run(tmp_path) == 0
    assert programs(tmp_path) == first  # nothing was compiled anew


def test_only_the_newest_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(compilation_cache, '_MOST_BYTES', 25)
    for age, name in enumerate(('new', 'middle', 'old')):
        (tmp_path / name).write_bytes(bytes(10))
        os.utime(tmp_path / name, (time.time() - age, time.time() - age))
    for name, age in (('.left', 2 * 86_400), ('.running', 0)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age, time.time() - age))
    compilation_cache._tidy(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['.running', 'middle', 'new']
