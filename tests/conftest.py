"""Eight virtual CPU devices, strict dtypes and ranks for every test."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator

import fast_compile
import pytest

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
os.environ['XDG_CACHE_HOME'] = _COMPILED


@pytest.fixture(autouse=True, scope='module')
def _forget_programs() -> Iterator[None]:
    """What a module has compiled would fill gigabytes, and slow down all that allocates, until the run ends."""
    yield
    jax.clear_caches()
