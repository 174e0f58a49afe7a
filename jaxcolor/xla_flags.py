"""XLA_FLAGS, read before XLA does: it ends the process, without an exception, at the first flag it does not know."""

import importlib.metadata
import importlib.util
import mmap
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

# Convolutions of a CPU by Eigen, not by XLA's new library YNN, which keeps the rest: up to 1.7 times as fast.
_TRAINING = '--xla_cpu_experimental_ynn_fusion_type=-individual_convolution'
_ANCHOR = 'xla_force_host_platform_device_count'  # which every jaxlib knows


def unknown(flags: Iterable[str]) -> list[str]:
    """Return those flags that the installed jaxlib does not know; none where that can't be found out.

    jaxlib is asked by its library, where each flag's name is a C string: 15 ms for a name that is there, half a second
    for one that isn't. JAX is not imported.

    Args:
      flags: `--name=value`, or `--name`; anything else is passed over.
    """
    names = {flag: match[1] for flag in flags if (match := re.match(r'--(\w+)', flag))}
    spec = importlib.util.find_spec('jaxlib')
    folders = spec.submodule_search_locations if spec else None
    if not names or not folders:
        return []
    largest = max((path for path in Path(folders[0]).iterdir() if path.is_file()), key=lambda path: path.stat().st_size)
    with largest.open('rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as library:

        def has(name: str) -> bool:
            return library.find(name.encode() + b'\0') >= 0

        return [flag for flag, name in names.items() if not has(name)] if has(_ANCHOR) else []


def check() -> None:
    """Look for flags in XLA_FLAGS that jaxlib does not know; comes before any device is touched.

    Raises:
      UserError: there is one.
    """
    from jaxcolor.errors import (
        UserError,  # not above: tests/helpers/fast_compile.py runs this file outside of the package
    )

    if strangers := unknown(os.environ.get('XLA_FLAGS', '').split()):
        python = '.'.join(map(str, sys.version_info[:2]))
        version = importlib.metadata.version('jaxlib')
        raise UserError(
            f'XLA_FLAGS={" ".join(strangers)!r} is unknown to jaxlib {version} of Python {python}; leave it out'
        )


def set_for_training() -> None:
    """Set what makes training faster, unless XLA_FLAGS says otherwise; comes before any device is touched."""
    flags = os.environ.get('XLA_FLAGS', '')
    if _TRAINING.partition('=')[0] not in flags and not unknown([_TRAINING]):
        os.environ['XLA_FLAGS'] = f'{flags} {_TRAINING}'.strip()
