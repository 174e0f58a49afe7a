"""XLA flags for tests, which compile far more than they compute: those that the installed jaxlib knows."""

import runpy
from pathlib import Path

# Run as a file: importing the package would come before the hook that checks its types.
_XLA_FLAGS = runpy.run_path(str(Path(__file__).parents[2] / 'jaxcolor/xla_flags.py'))

_FASTER = (
    '--xla_backend_optimization_level=0',
    # jax 0.12 has none such: with the first alone it takes 1.7 times the processor time that 0.10 takes with both.
    '--xla_cpu_use_fusion_emitters=false',
)
_UNKNOWN = _XLA_FLAGS['unknown'](_FASTER)
FLAGS = [flag for flag in _FASTER if flag not in _UNKNOWN]
