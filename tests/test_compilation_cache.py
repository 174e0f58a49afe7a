"""Programs kept from one process to the next: found again, bounded, and nothing of a process that was killed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import jax

from jaxcolor import compilation_cache

ROOT = Path(__file__).parents[1]
COMPILE = """
import os, sys, jax
from jaxcolor import compilation_cache
compilation_cache.use()
jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)
jax.jit(lambda x: x * 2 + 1)(3.0).block_until_ready()
if 'killed' in sys.argv:
    os.kill(os.getpid(), 9)
"""

CALL = """
import sys
from functools import partial
import jax, numpy as np
from jaxcolor import compilation_cache

@partial(jax.jit, static_argnames='power')
def function(tree, nothing, *, power):
    print('traced')
    return tree['x'] ** power

compilation_cache.use()
argument = {'x': np.arange(int(sys.argv[1]), dtype=np.float32)}
print(*compilation_cache.compile(function, argument, None, power=int(sys.argv[2]))(argument, None))
"""


def run(cache, *arguments, script=COMPILE):
    environment = {**os.environ, 'XDG_CACHE_HOME': str(cache), 'PYTHONPATH': str(ROOT)}
    environment.pop('JAX_COMPILATION_CACHE_DIR', None)
    return subprocess.run(
        [sys.executable, '-c', script, *arguments], env=environment, stdout=subprocess.PIPE, text=True, check=False
    )


def programs(cache):
    return {path.name: path.stat().st_mtime_ns for path in (cache / 'jaxcolor').iterdir() if path.is_file()}


def test_programs_are_there_for_the_next_process_unless_one_is_killed(tmp_path):
    assert run(tmp_path, 'killed').returncode == -9
    assert programs(tmp_path) == {}
    assert run(tmp_path).returncode == 0
    first = programs(tmp_path)
    assert first
    assert run(tmp_path).returncode == 0
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


def test_a_function_is_traced_once_for_each_shape_and_static_argument(tmp_path):
    def printed(*arguments):
        return run(tmp_path, *arguments, script=CALL).stdout.split('\n')[:-1]

    squares, cubes = '0.0 1.0 4.0', '0.0 1.0 8.0'
    assert printed('3', '2') == ['traced', squares]
    assert printed('3', '2') == [squares]
    assert printed('3', '3') == ['traced', cubes]
    assert printed('2', '2') == ['traced', '0.0 1.0']
    for path in (tmp_path / 'jaxcolor').glob('*.stablehlo'):
        path.write_bytes(path.read_bytes()[:100])
    assert printed('3', '2') == ['traced', squares]  # half a file is none
    assert printed('3', '2') == [squares]


def test_a_program_belongs_to_versions_source_and_settings(monkeypatch):
    def versions():
        compilation_cache._versions.cache_clear()
        return compilation_cache._versions()

    first = versions()
    assert versions() == first
    with jax.default_matmul_precision('float32'):
        assert versions() != first
    monkeypatch.setattr(compilation_cache, '_PACKAGE', ROOT / 'tests')
    assert versions() != first
    compilation_cache._versions.cache_clear()
