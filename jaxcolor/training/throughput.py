"""Mean losses and speed between two logs."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from types import MappingProxyType

import jax
import numpy as np
from clu import metrics
from jaxtyping import Array, UInt8

from jaxcolor.distributed import parallel
from jaxcolor.training import train_metrics
from jaxcolor.training.device_cache import DeviceCache
from jaxcolor.training.host_batches import HostBatches

NOTHING: Mapping[str, int | float] = MappingProxyType({})


class Throughput:
    """Mean losses and speed over the steps since the last `read`."""

    def __init__(self, pictures_per_step: int, before: Mapping[str, int | float] = NOTHING, *, adversarial: bool):
        """Begin with the losses of steps `before`, as `train_metrics.to_json` has them."""
        self._pictures_per_step, self._adversarial = pictures_per_step, adversarial
        self._unreadable = 0
        self._restart(before)

    def _restart(self, before: Mapping[str, int | float] = NOTHING) -> None:
        collected = train_metrics.from_json(before, adversarial=self._adversarial)
        self.metrics: metrics.Collection = parallel.replicate(collected)
        jax.block_until_ready(self.metrics)
        self._steps, self._waited, self._started = 0, 0.0, time.perf_counter()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the time spent inside, and the steps done in it, out of the speed."""
        jax.block_until_ready(self.metrics)
        began, steps, waited = time.perf_counter(), self._steps, self._waited
        yield
        jax.block_until_ready(self.metrics)
        self._started += time.perf_counter() - began
        self._steps, self._waited = steps, waited

    def fetch(self, batches: HostBatches | DeviceCache, steps: int) -> UInt8[Array | np.ndarray, '...']:
        """Return the pictures of the next `steps` steps; see `make_update`.

        The wait is the input's fault only if the devices are idle at its end: if they are through with
        the step before, whose outcome is in `metrics`.
        """
        asked = time.perf_counter()
        images = batches.fetch(steps)
        if all(leaf.is_ready() for leaf in jax.tree.leaves(self.metrics)):
            self._waited += time.perf_counter() - asked
        self._steps += steps
        self._unreadable = batches.unreadable
        return images

    def read(self) -> dict[str, int | float]:
        """Return the mean of each loss term and how the run goes.

        That is `images_per_second` over all devices, the share `input_wait` of the time, and how many
        pictures turned out `unreadable` so far.

        Raises:
          train_metrics.NonFiniteError: a loss term was not finite.
        """
        means = train_metrics.means(self.metrics)  # waits for the devices, so it comes before the clock is read
        seconds = time.perf_counter() - self._started
        speed = {}
        if self._steps:
            speed['images_per_second'] = self._steps * self._pictures_per_step / seconds
            speed['input_wait'] = self._waited / seconds
        unreadable = {'unreadable': self._unreadable} if self._unreadable else {}
        self._restart()
        return means | speed | unreadable
