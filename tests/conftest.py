"""Eight virtual CPU devices, strict dtypes and ranks for every test."""

import atexit
import contextlib
import functools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers import fast_compile

os.environ['XLA_FLAGS'] = ' '.join(
    (os.environ.get('XLA_FLAGS', ''), '--xla_force_host_platform_device_count=8', *fast_compile.FLAGS)
)
os.environ['JAX_PLATFORMS'] = 'cpu'
os.environ['JAX_NUMPY_RANK_PROMOTION'] = 'raise'
os.environ['JAX_NUMPY_DTYPE_PROMOTION'] = 'strict'
os.environ['MPLBACKEND'] = 'agg'

import jax

# Tests that jit anew what another has compiled find it here. A folder of this process alone: others, some of which are
# killed by their tests, could leave half a program there.
_COMPILED = tempfile.mkdtemp(prefix='jaxcolor-tests-')
jax.config.update('jax_compilation_cache_dir', _COMPILED)
jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)
atexit.register(shutil.rmtree, _COMPILED, ignore_errors=True)
# Commands that tests start keep theirs here as well, not in the user's cache.
_USERS_CACHE = os.environ.get('XDG_CACHE_HOME', '')
os.environ['XDG_CACHE_HOME'] = _COMPILED


@pytest.fixture(scope='session')
def users_cache() -> Callable[[], contextlib.AbstractContextManager[None]]:
    """Returns a context in which the cache is that of whoever runs the tests: for what takes a network to get."""

    @contextlib.contextmanager
    def use() -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv('XDG_CACHE_HOME', _USERS_CACHE)
            yield

    return use


@pytest.fixture(autouse=True, scope='module')
def _forget_programs() -> Iterator[None]:
    """What a module has compiled would fill gigabytes, and slow down all that allocates, until the run ends."""
    yield
    jax.clear_caches()


@pytest.fixture(scope='session')
def make_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Returns a function that makes the work directory of a run that took no steps; see `run_maker`."""
    from helpers.runs import run_maker  # imports the package, whose types pytest's plug-in must have hooked before

    return run_maker(tmp_path_factory.mktemp)


@pytest.fixture(scope='module')
def restore_once() -> Callable[..., object]:
    """`Colorizer.restore` that returns the same for the same model."""
    from jaxcolor import Colorizer

    return functools.cache(Colorizer.restore)


@pytest.fixture
def restored_once(monkeypatch: pytest.MonkeyPatch, restore_once: Callable[..., object]) -> None:
    """Commands of one process share what is compiled for a model, which is what takes the time."""
    from jaxcolor import Colorizer

    monkeypatch.setattr(Colorizer, 'restore', restore_once)


@pytest.fixture
def colorize(make_run: Callable[..., Path], tmp_path: Path, restored_once: None) -> Callable[..., int]:
    """Runs the command in this process: (files, options) -> exit status; results are in `out`."""
    from jaxcolor import cli

    def run(*arguments: object) -> int:
        # One picture at a time, unless told otherwise: each size of a batch is compiled for.
        line = ['colorize', '--model', make_run(), '--output', tmp_path / 'out', '--batch-size', 1, *arguments]
        return cli.main([str(argument) for argument in line])

    return run
