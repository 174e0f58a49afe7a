"""The update of all devices by one or several training steps, and the steps of a run one after the other."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import ml_collections
from clu import metrics
from jaxtyping import Array, Int32

from jaxcolor.data.dataset import Dataset
from jaxcolor.distributed import parallel
from jaxcolor.models import onednn
from jaxcolor.training import train_metrics
from jaxcolor.training.device_cache import DeviceCache
from jaxcolor.training.host_batches import HostBatches
from jaxcolor.training.schedule import Schedule
from jaxcolor.training.state import System, TrainState
from jaxcolor.training.throughput import NOTHING, Throughput
from jaxcolor.training.train_step import train_step

LONG = 1000  # steps, which are worth that the next start compiles them again

Order = Callable[[Int32[Array, ''], int, Int32[Array, '']], Int32[Array, 'steps b']]


def train_steps(
    config: ml_collections.ConfigDict,
    dataset: Dataset,
    system: System,
    state: TrainState,
    schedule: Schedule,
    unlogged: Mapping[str, int | float] = NOTHING,
) -> Iterator[tuple[int, TrainState, Throughput]]:
    """Yield the number of a step with the state after it, from the step of `state` on to the last.

    That is every step, or every `config.steps_per_call` of them where nothing is due between, which the devices do at
    one call. A state is good until the next one is asked for, which reuses its memory.

    Args:
      config: for the seed, `data.cache` and the steps of a call.
      dataset: the pictures.
      system: the static half.
      state: where to start, replicated.
      schedule: when a state is asked for, and the loss changes.
      unlogged: losses of the steps before that no log has; see `train_metrics.to_json`.

    Raises:
      UserError: see `pipeline.train_batches` and `DeviceCache.load`.
    """
    step = int(state.step)
    batches: DeviceCache | HostBatches
    if config.data.cache == 'device':
        batches = DeviceCache.load(dataset, config.seed)
    else:
        batches = HostBatches(dataset, config.seed, step)
    shard_numbers = parallel.shard_numbers()
    two_phases = ((False, schedule.warmup), (True, schedule.total))
    phases = ((False, schedule.total),) if system.discriminator is None else two_phases
    for adversarial, end in phases:
        if step >= end:
            continue
        updates = {
            steps: make_update(system, config.seed, adversarial=adversarial, steps=steps, order=batches.order)
            for steps in (1, config.steps_per_call)
        }
        compiled = set()
        throughput = Throughput(config.data.batch_size, unlogged, adversarial=adversarial)
        while step < end:
            # One by one where a whole call does not fit: each other length would be another program.
            steps = config.steps_per_call
            if step + steps > schedule.next_stop(step):
                steps = 1
            with contextlib.nullcontext() if steps in compiled else _compiling(throughput, schedule):
                images = throughput.fetch(batches, steps)
                state, throughput.metrics = updates[steps](state, throughput.metrics, images, shard_numbers)
            compiled.add(steps)
            step += steps
            yield step, state, throughput
        unlogged = NOTHING


@contextlib.contextmanager
def _compiling(throughput: Throughput, schedule: Schedule) -> Iterator[None]:
    """Leave the time of a first call out of the throughput, and let a long training use oneDNN.

    By the steps of the whole run, not by those that are left: a run that resumes does the same arithmetic.
    """
    with throughput.paused(), onednn.allowed() if schedule.total >= LONG else contextlib.nullcontext():
        yield


def make_update(
    system: System, seed: int, *, adversarial: bool, steps: int = 1, order: Order | None = None
) -> Callable[..., tuple[TrainState, metrics.Collection]]:
    """Return `one_device` on all devices: (state, metrics, images, shard numbers) -> (state, metrics), donating both.

    Images are the batches of each local device, [l, b, s, s, 3], or [l, steps, b, s, s, 3] of several steps; with an
    `order` they are all pictures.
    """
    update = one_device(system, seed, adversarial=adversarial, steps=steps, order=order)
    return parallel.pmap(update, in_axes=(None, None, 0 if order is None else None, 0), donate=(0, 1))


def one_device(
    system: System, seed: int, *, adversarial: bool, steps: int = 1, order: Order | None = None
) -> Callable[..., tuple[TrainState, metrics.Collection]]:
    """Return what each device of `AXIS` does in training: (state, metrics, images, shard number) -> (state, metrics).

    Args:
      system: the static half.
      seed: of all that is random.
      adversarial: see `train_step`.
      steps: how many at a call. Several are a loop on the device, in which XLA for CPUs is far slower at convolutions.
      order: says which of `images` make up the batch of each step, from the number of the first step, `steps` and the
        shard number. Then these are all the pictures, uint8 [n, s, s, 3]; without, they are the batch, [b, s, s, 3], or
        [steps, b, s, s, 3] of several steps.
    """

    def update(state: TrainState, averages: metrics.Collection, images: Any, shard_number: Any) -> Any:
        def take(carry: tuple[TrainState, metrics.Collection], batch: Any) -> Any:
            state, averages = carry
            # All that is random in a step follows from the seed, the step and the rows: a run that resumes, or
            # is spread over hosts in another way, draws the same numbers.
            rng = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), state.step), shard_number)
            image = batch if order is None else images[batch]
            state, terms = train_step(system, state, {'image': image}, rng, adversarial=adversarial)
            return (state, train_metrics.add(averages, terms, state.step)), None

        batches = images if order is None else order(state.step, steps, shard_number)
        if steps == 1:
            return take((state, averages), batches if order is None else batches[0])[0]
        return jax.lax.scan(take, (state, averages), batches)[0]

    return update
