"""A trace of some steps, for Perfetto and TensorBoard."""

import contextlib
import re
from collections.abc import Callable, Iterator

import jax
from etils import epath

from jaxcolor.errors import UserError


def parse(steps: str) -> range:
    """Return the steps that `FIRST:LAST` names, numbered from 1; none where it is empty.

    Raises:
      UserError: it is something else, or names no step.
    """
    if not steps:
        return range(0)
    match = re.fullmatch(r'(\d+):(\d+)', steps)
    found = range(int(match[1]), int(match[2]) + 1) if match else range(0)
    if not found or found[0] < 1:
        raise UserError(f'profile={steps!r} names no steps; use FIRST:LAST, such as 100:110, or nothing')
    return found


@contextlib.contextmanager
def profiled(steps: str, workdir: epath.PathLike) -> Iterator[Callable[[int, object], None]]:
    """Write a trace of the steps that `parse` finds to `workdir/profile`.

    Yields:
      A function to call before the first step with (0, or the step that a run goes on from, its state), and after each
      step with its number and state. Compilation is in the trace only if it falls into these steps.
    """
    wanted = parse(steps)
    tracing = False

    def after(step: int, state: object) -> None:
        nonlocal tracing
        ahead = bool(wanted) and wanted[0] <= step + 1 <= wanted[-1]
        if ahead == tracing:
            return
        jax.block_until_ready(state)  # what was begun before, or is still to be traced
        if ahead:
            jax.profiler.start_trace(str(epath.Path(workdir) / 'profile'), create_perfetto_trace=True)
        else:
            jax.profiler.stop_trace()
        tracing = ahead

    try:
        yield after
    finally:
        if tracing:  # the run ends among these steps
            jax.profiler.stop_trace()
