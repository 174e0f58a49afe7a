"""XLA flags for tests, which compile far more than they compute: those that the installed jaxlib knows."""

import runpy
from pathlib import Path

# Run as a file: importing the package would come before the hook that checks its types.
_XLA_FLAGS = runpy.run_path(str(Path(__file__).parents[2] / 'jaxcolor/xla_flags.py'))

_FASTER = (
    '--xla_backend_optimization_level=0',
    # These two save another tenth of the processor time; two workers keep two cores busy without threads in LLVM.
    '--xla_llvm_disable_expensive_passes=true',
    '--xla_cpu_parallel_codegen_split_count=1',
    # jax 0.12 has none such, and takes 1.7 times the processor time.
    '--xla_cpu_use_fusion_emitters=false',
)
_UNKNOWN = _XLA_FLAGS['unknown'](_FASTER)
FLAGS = [flag for flag in _FASTER if flag not in _UNKNOWN]
