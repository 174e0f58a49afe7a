"""StableHLO, JAX's own portable form: one file for CPUs, NVIDIA GPUs and TPUs."""

from typing import Any

import jax
from jax import export

from jaxcolor.export.network import Network

_PLATFORMS = ('cpu', 'cuda', 'tpu')


def write(network: Network, description: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """Return the file, for `jax.export.deserialize`, and what to add to its description."""
    exported = export.export(jax.jit(network.__call__), platforms=_PLATFORMS)(network.picture())
    more = {'platforms': list(_PLATFORMS), 'calling_convention': exported.calling_convention_version}
    return bytes(exported.serialize()), more
