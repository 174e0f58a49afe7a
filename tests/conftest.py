"""Eight virtual CPU devices, strict dtypes and ranks for every test."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest

# Tests compile far more than they compute: without LLVM's optimizations a step compiles in a third of the time.
os.environ['XLA_FLAGS'] = ' '.join(
    (
        os.environ.get('XLA_FLAGS', ''),
        '--xla_force_host_platform_device_count=8',
        '--xla_backend_optimization_level=0',
    )
)
# Tests that jit anew what another has compiled find it here; each process of the run has its own, so that none reads
# what another has half written.
os.environ['JAX_COMPILATION_CACHE_DIR'] = tempfile.mkdtemp(prefix='jaxcolor-tests-')
os.environ['JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'] = '0'
atexit.register(shutil.rmtree, os.environ['JAX_COMPILATION_CACHE_DIR'], ignore_errors=True)
os.environ['JAX_PLATFORMS'] = 'cpu'
os.environ['JAX_NUMPY_RANK_PROMOTION'] = 'raise'
os.environ['JAX_NUMPY_DTYPE_PROMOTION'] = 'strict'
os.environ['MPLBACKEND'] = 'agg'


@pytest.fixture(autouse=True, scope='module')
def _forget_programs() -> Iterator[None]:
    """What a module has compiled would fill gigabytes, and slow down all that allocates, until the run ends."""
    yield
    import jax  # after the settings above

    jax.clear_caches()
