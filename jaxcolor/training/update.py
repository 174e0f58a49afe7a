"""The game itself: batch after batch through the steps, and what it measures of itself on the way."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import ml_collections
import numpy as np
from clu import metrics
from jaxtyping import Array, Int32, UInt8

from jaxcolor.data import pipeline
from jaxcolor.distributed import parallel
from jaxcolor.training import train_metrics
from jaxcolor.training.device_cache import DeviceCache
from jaxcolor.training.schedule import Schedule
from jaxcolor.training.state import System, TrainState
from jaxcolor.training.train_step import train_step

Order = Callable[[Int32[Array, ''], int, Int32[Array, '']], Int32[Array, 'steps b']]


class Stream:
    """Batches that the host reads while the devices work."""

    order = None

    def __init__(self, config: ml_collections.ConfigDict, start_step: int):
        self._batches = pipeline.train_batches(
            config.data,
            seed=config.seed,
            start_step=start_step,
            process_index=jax.process_index(),
            process_count=jax.process_count(),
        )

    @property
    def unreadable(self) -> int:
        """How many pictures have turned out unreadable."""
        return len(self._batches.unreadable)

    def fetch(self, steps: int) -> UInt8[np.ndarray, 'l *steps b s s 3']:
        """The batches of the next steps, of each local device; an axis of steps is there if there are several."""
        images = [parallel.shard(next(self._batches))['image'] for _ in range(steps)]
        return images[0] if steps == 1 else np.stack(images, axis=1)


class Meter:
    """Mean losses and speed over the steps since the last `read`."""

    def __init__(self, pictures_per_step: int, *, adversarial: bool):
        self._pictures_per_step, self._adversarial = pictures_per_step, adversarial
        self._unreadable = 0
        self._restart()

    def _restart(self) -> None:
        self.sums: metrics.Collection = parallel.replicate(train_metrics.empty(adversarial=self._adversarial))
        jax.block_until_ready(self.sums)
        self._steps, self._waited, self._started = 0, 0.0, time.perf_counter()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Leaves the time spent inside, and the steps done in it, out of the speed."""
        jax.block_until_ready(self.sums)
        began, steps, waited = time.perf_counter(), self._steps, self._waited
        yield
        jax.block_until_ready(self.sums)
        self._started += time.perf_counter() - began
        self._steps, self._waited = steps, waited

    def fetch(self, feed: Stream | DeviceCache, steps: int) -> UInt8[Array | np.ndarray, '...']:
        """Returns the pictures of the next `steps` steps; see `make_update`.

        The wait is the input's fault only if the devices are idle at its end: if they are through with
        the step before, whose outcome is in `sums`.
        """
        asked = time.perf_counter()
        images = feed.fetch(steps)
        if all(leaf.is_ready() for leaf in jax.tree.leaves(self.sums)):
            self._waited += time.perf_counter() - asked
        self._steps += steps
        self._unreadable = feed.unreadable
        return images

    def read(self) -> dict[str, int | float]:
        """Returns the mean of each loss term and how the run goes.

        That is `images_per_second` over all devices, the share `input_wait` of the time, and how many
        pictures turned out `unreadable` so far.

        Raises:
          train_metrics.NonFiniteError: a loss term was not finite.
        """
        means = train_metrics.means(self.sums)  # waits for the devices, so it comes before the clock is read
        seconds = time.perf_counter() - self._started
        speed = {}
        if self._steps:
            speed['images_per_second'] = self._steps * self._pictures_per_step / seconds
            speed['input_wait'] = self._waited / seconds
        unreadable = {'unreadable': self._unreadable} if self._unreadable else {}
        self._restart()
        return means | speed | unreadable


def play(
    config: ml_collections.ConfigDict, system: System, state: TrainState, schedule: Schedule
) -> Iterator[tuple[int, TrainState, Meter]]:
    """Yields the number of a step with the state after it, from the step of `state` on to the last.

    That is every step, or every `config.steps_per_call` of them where nothing is due between, which the devices do at
    one call. A state is good until the next one is asked for, which reuses its memory.

    Args:
      config: for the data, the seed, the batch size and the steps of a call.
      system: the static half.
      state: where to start, replicated.
      schedule: when a state is asked for, and the loss changes.

    Raises:
      UserError: see `pipeline.train_batches` and `DeviceCache.load`.
    """
    step = int(state.step)
    feed = DeviceCache.load(config) if config.data.cache == 'device' else Stream(config, step)
    shard_numbers = parallel.shard_numbers()
    two_phases = ((False, schedule.warmup), (True, schedule.total))
    phases = ((False, schedule.total),) if system.discriminator is None else two_phases
    for adversarial, end in phases:
        if step >= end:
            continue
        updates = {
            steps: make_update(system, config.seed, adversarial=adversarial, steps=steps, order=feed.order)
            for steps in (1, config.steps_per_call)
        }
        compiled = set()
        meter = Meter(config.data.batch_size, adversarial=adversarial)
        while step < end:
            # One by one where a whole call does not fit: each other length would be another program.
            steps = config.steps_per_call
            if step + steps > schedule.next_stop(step):
                steps = 1
            with contextlib.nullcontext() if steps in compiled else meter.paused():
                state, meter.sums = updates[steps](state, meter.sums, meter.fetch(feed, steps), shard_numbers)
            compiled.add(steps)
            step += steps
            yield step, state, meter


def make_update(
    system: System, seed: int, *, adversarial: bool, steps: int = 1, order: Order | None = None
) -> Callable[..., tuple[TrainState, metrics.Collection]]:
    """Returns steps on all devices: (state, sums, images, shard numbers) -> (state, sums), reusing their memory.

    Args:
      system: the static half.
      seed: of all that is random.
      adversarial: see `train_step`.
      steps: how many at a call. Several are a loop on the device, in which XLA for CPUs is far slower at convolutions.
      order: says which of `images` make up the batch of each step on a device, from the number of the first step,
        `steps` and the shard number. Then these are all the pictures, uint8 [n, s, s, 3]; without, they are the
        batches of each local device, [l, b, s, s, 3], or [l, steps, b, s, s, 3] of several steps.
    """

    def update(state: TrainState, sums: metrics.Collection, images: Any, shard_number: Any) -> Any:
        def take(carry: tuple[TrainState, metrics.Collection], batch: Any) -> Any:
            state, sums = carry
            # All that is random in a step follows from the seed, the step and the rows: a run that resumes, or
            # is spread over hosts in another way, draws the same numbers.
            rng = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), state.step), shard_number)
            image = batch if order is None else images[batch]
            state, terms = train_step(system, state, {'image': image}, rng, adversarial=adversarial)
            return (state, train_metrics.add(sums, terms, state.step)), None

        batches = images if order is None else order(state.step, steps, shard_number)
        if steps == 1:
            return take((state, sums), batches if order is None else batches[0])[0]
        return jax.lax.scan(take, (state, sums), batches)[0]

    return parallel.pmap(update, in_axes=(None, None, 0 if order is None else None, 0), donate=(0, 1))
