"""The game itself: batch after batch through the step, and what it measures of itself on the way."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import ml_collections
from clu import metrics

from jaxcolor.data import pipeline
from jaxcolor.training import parallel, totals
from jaxcolor.training.state import System, TrainState
from jaxcolor.training.steps import train_step


class Meter:
    """Mean losses and speed over the steps since the last `read`."""

    def __init__(self, pictures_per_step: int, *, adversarial: bool):
        self._pictures_per_step, self._adversarial = pictures_per_step, adversarial
        self._unreadable = 0
        self._restart()

    def _restart(self) -> None:
        self.sums: metrics.Collection = parallel.replicate(totals.empty(adversarial=self._adversarial))
        self.restart_clock()

    def restart_clock(self) -> None:
        """Leaves the time up to now, and the steps done in it, out of the speed; they compiled, say."""
        jax.block_until_ready(self.sums)
        self._steps, self._waited, self._started = 0, 0.0, time.perf_counter()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Leaves the time spent inside out of the speed."""
        jax.block_until_ready(self.sums)
        began = time.perf_counter()
        yield
        self._started += time.perf_counter() - began

    def fetch(self, batches: pipeline.Batches) -> pipeline.Batch:
        """Returns the next batch.

        The wait is the input's fault only if the devices are idle at its end: if they are through with
        the step before, whose outcome is in `sums`.
        """
        asked = time.perf_counter()
        batch = next(batches)
        if all(leaf.is_ready() for leaf in jax.tree.leaves(self.sums)):
            self._waited += time.perf_counter() - asked
        self._steps += 1
        self._unreadable = len(batches.unreadable)
        return batch

    def read(self) -> dict[str, int | float]:
        """Returns the mean of each loss term and how the run goes.

        That is `images_per_second` over all devices, the share `input_wait` of the time, and how many
        pictures turned out `unreadable` so far.

        Raises:
          totals.NonFiniteError: a loss term was not finite.
        """
        means = totals.means(self.sums)  # waits for the devices, so it comes before the clock is read
        seconds = time.perf_counter() - self._started
        speed = {}
        if self._steps:
            speed['images_per_second'] = self._steps * self._pictures_per_step / seconds
            speed['input_wait'] = self._waited / seconds
        unreadable = {'unreadable': self._unreadable} if self._unreadable else {}
        self._restart()
        return means | speed | unreadable


def play(
    config: ml_collections.ConfigDict, system: System, state: TrainState, *, warmup: int, total: int
) -> Iterator[tuple[int, TrainState, Meter]]:
    """Yields the number of each step with the state after it, from the step of `state` on to `total`.

    A state is good until the next one is asked for, which reuses its memory.

    Args:
      config: for the data, the seed and the batch size.
      system: the static half.
      state: where to start, replicated.
      warmup: up to this step the generator learns from reconstruction alone.
      total: the last step.
    """
    step = int(state.step)
    batches = pipeline.train_batches(
        config.data,
        seed=config.seed,
        start_step=step,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
    )
    shard_numbers = parallel.shard_numbers()
    phases = ((False, total),) if system.discriminator is None else ((False, warmup), (True, total))
    for adversarial, end in phases:
        if step >= end:
            continue
        update = make_update(system, config.seed, adversarial=adversarial)
        meter = Meter(config.data.batch_size, adversarial=adversarial)
        first = step
        while step < end:
            batch = parallel.shard(meter.fetch(batches))
            state, meter.sums = update(state, meter.sums, batch['image'], shard_numbers)
            step += 1
            if step == first + 1:
                meter.restart_clock()  # the first step compiled
            yield step, state, meter


def make_update(
    system: System, seed: int, *, adversarial: bool
) -> Callable[..., tuple[TrainState, metrics.Collection]]:
    """Returns the step on all devices: (state, sums, image, shard numbers) -> (state, sums), reusing their memory."""

    def update(state: TrainState, sums: metrics.Collection, image: Any, shard_number: Any) -> Any:
        # All that is random in a step follows from the seed, the step and the rows: a run that resumes, or
        # is spread over hosts in another way, draws the same numbers.
        rng = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), state.step), shard_number)
        state, terms = train_step(system, state, {'image': image}, rng, adversarial=adversarial)
        return state, totals.add(sums, terms, state.step)

    return parallel.pmap(update, in_axes=(None, None, 0, 0), donate=(0, 1))
