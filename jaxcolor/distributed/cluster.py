"""One of many processes: joining the others, stopping at the same step as they do, leaving without them."""

import contextlib
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

import jax
from jax.experimental import multihost_utils

from jaxcolor.errors import UserError
from jaxcolor.signals import catch_signals


def join(heartbeat_seconds: int) -> None:
    """Join the other processes through JAX's distributed runtime; comes before any device is touched.

    Cloud TPUs, Slurm, Open MPI and Kubernetes are detected. Elsewhere JAX_COORDINATOR_ADDRESS (host:port of process
    0), JAX_NUM_PROCESSES and JAX_PROCESS_ID say what there is to join.

    Args:
      heartbeat_seconds: a process that has been silent for so long is dead, and ends the others.

    Raises:
      UserError: there is no cluster. (If the others do not come within five minutes, JAX's runtime ends the process.)
    """
    try:
        jax.distributed.initialize(
            num_processes=_number('JAX_NUM_PROCESSES'),
            process_id=_number('JAX_PROCESS_ID'),
            heartbeat_timeout_seconds=heartbeat_seconds,
        )
    except (RuntimeError, TypeError, ValueError) as error:
        remedy = (
            'run on a TPU pod, under Slurm, Open MPI or Kubernetes, or set JAX_COORDINATOR_ADDRESS=HOST:PORT, '
            'JAX_NUM_PROCESSES and JAX_PROCESS_ID'
        )
        first = (str(error).splitlines() or [''])[0]
        raise UserError(f'--multihost: the cluster can not be joined: {first}\n{remedy}') from error


def introduce(logger: logging.Logger, batch_size: int) -> None:
    """Log which of the processes this is, and how they share a batch of `batch_size` pictures.

    From here on messages say whose they are, and what all would say, the first process says.
    """
    number, count, devices = jax.process_index(), jax.process_count(), jax.device_count()
    for handler in logger.handlers:
        handler.setFormatter(logging.Formatter(f'process {number}: %(levelname)s: %(message)s'))
    logger.info(
        'one of %d, with %d of %d devices (%s); a batch of %d is %d pictures here, %d a device',
        *(count, jax.local_device_count(), devices, jax.devices()[0].device_kind),
        *(batch_size, batch_size // count, batch_size // devices),
    )
    if number:
        logger.setLevel(logging.WARNING)


@contextlib.contextmanager
def stop_requests() -> Iterator[Callable[[range], int | None]]:
    """Yield a function that tells, given the steps just done, which signal asks for the end.

    Of several processes any one may get the signal; all are told after the same step, a second or two later, by JAX's
    preemption service. It settles on one step number, so it is asked about each; Orbax asks it too, when it saves.
    """
    if jax.process_count() == 1:
        with catch_signals() as signals:
            yield lambda steps: signals[0] if signals else None
        return
    with _interrupt_once_as_termination():
        reached = multihost_utils.reached_preemption_sync_point
        yield lambda steps: signal.SIGTERM if any(map(reached, steps)) else None


@contextlib.contextmanager
def _interrupt_once_as_termination() -> Iterator[None]:
    """Ctrl-C asks as SIGTERM does, which the preemption service listens to; a second Ctrl-C acts as ever."""
    before = signal.getsignal(signal.SIGINT)

    def forward(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGINT, forward)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def leave(error: BaseException) -> NoReturn:
    """End this process because of an error, which the others of its cluster may not share.

    The status is 1 for a mistake of the user's, told in a line or two, 75 (try again) for the loss of another process,
    128 + 2 for Ctrl-C, and 70 for anything else, with its traceback. The interpreter's own way out would wait for
    minutes for the others, who wait for this one.
    """
    first = (str(error).splitlines() or [''])[0]
    runtime = isinstance(error, jax.errors.JaxRuntimeError)
    if isinstance(error, UserError):
        status, words = 1, f'error: {error}'
    elif isinstance(error, KeyboardInterrupt):
        status, words = 128 + signal.SIGINT, 'interrupted; what was saved before is whole'
    elif runtime and 'RESOURCE_EXHAUSTED' in first:
        remedy = 'lower data.batch_size, raise accumulation_steps, or set remat'
        status, words = 1, f'error: out of memory: {first}\n{remedy}'
    elif runtime and jax.distributed.is_initialized():
        words = f'error: another process is lost, or the network: {first}\nrun the same line everywhere again to resume'
        status = os.EX_TEMPFAIL
    else:
        status, words = os.EX_SOFTWARE, ''.join(traceback.format_exception(error)).rstrip()
    if not jax.distributed.is_initialized():
        print(words, file=sys.stderr)
        sys.exit(status)
    print(f'process {jax.process_index()}: {words}', file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(status)


def _number(name: str) -> int | None:
    text = os.environ.get(name)
    if text is None:
        return None
    if not text.isdecimal():
        raise UserError(f'{name}={text!r} is not a number')
    return int(text)
