"""Eight virtual CPU devices, strict dtypes and ranks for every test."""

import os

# Tests compile far more than they compute: without LLVM's optimizations a step compiles in a third of the time.
os.environ['XLA_FLAGS'] = ' '.join(
    (
        os.environ.get('XLA_FLAGS', ''),
        '--xla_force_host_platform_device_count=8',
        '--xla_backend_optimization_level=0',
    )
)
os.environ['JAX_PLATFORMS'] = 'cpu'
os.environ['JAX_NUMPY_RANK_PROMOTION'] = 'raise'
os.environ['JAX_NUMPY_DTYPE_PROMOTION'] = 'strict'
os.environ['MPLBACKEND'] = 'agg'
