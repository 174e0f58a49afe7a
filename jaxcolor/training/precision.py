"""Chooses the arithmetic of a run whose config leaves it open; once, for `config.json` keeps it."""

from collections.abc import Callable

import jax
import ml_collections

from jaxcolor.models import onednn
from jaxcolor.training.update import LONG

_AMPERE = 8.0  # compute capability of NVIDIA's first GPUs whose tensor cores take bfloat16


def resolve(
    config: ml_collections.ConfigDict, steps: Callable[[], int], stored: ml_collections.ConfigDict | None = None
) -> None:
    """Make of a `config.dtype` of 'auto' the one of `stored`, or the faster one here.

    That is bfloat16 on TPUs, on AMD's GPUs and NVIDIA's since Ampere, and on CPUs with AVX512-BF16 in runs that are
    long enough to use oneDNN; elsewhere float32.

    Args:
      config: of the run.
      steps: says how many the whole run has; asked where it matters alone, for it may have to open the data.
      stored: the config of an earlier run in the same work directory, which goes on with its arithmetic.
    """
    if config.dtype == 'auto':
        if stored is not None:
            config.dtype = stored.dtype
            return
        device = jax.local_devices()[0]
        faster = _bfloat16_is_faster(device.platform, getattr(device, 'compute_capability', ''), steps)
        config.dtype = 'bfloat16' if faster else 'float32'


def _bfloat16_is_faster(platform: str, capability: str, steps: Callable[[], int]) -> bool:
    if platform == 'cpu':
        return onednn.has_bfloat16() and steps() >= LONG
    if platform == 'gpu' and capability[0].isdigit():  # not AMD's, such as gfx90a
        return float(capability) >= _AMPERE
    return True
