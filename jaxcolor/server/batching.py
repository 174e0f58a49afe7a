"""One thread for the device: pictures that come at about the same time are coloured together."""

import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from jaxcolor.inference.colorizer import Colorizer, Options
from jaxcolor.server.metrics import Metrics

_MAX_WAIT = 0.004  # seconds that the first picture of a batch waits for others
_MAX_PIXELS = 2**24  # of a batch: larger ones fill the device by themselves


@dataclass(eq=False)
class _Job:
    pixels: np.ndarray
    options: Options
    result: Future[np.ndarray] = field(default_factory=Future)


class Batcher:
    """Colour pictures in batches, on a thread of its own.

    Work that was cancelled before its turn is skipped.
    """

    def __init__(self, colorizer: Colorizer, batch_size: int, metrics: Metrics):
        self._colorizer, self._batch_size, self._metrics = colorizer, batch_size, metrics
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        # A daemon: a model that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._color_batches, name='device', daemon=True)
        self._thread.start()

    def submit(self, pixels: np.ndarray, options: Options) -> Future[np.ndarray]:
        """Enqueue a picture [h, w, 1 | 3]; return the future of it in colour, [h, w, 3] of the same dtype."""
        job = _Job(pixels, options)
        with self._changed:
            self._jobs.append(job)
            self._changed.notify()
        self._metrics.waiting.set(len(self._jobs))
        return job.result

    def close(self, timeout: float) -> bool:
        """Drop what waits and end the thread; return whether it ended within `timeout` seconds."""
        with self._changed:
            self._closed = True
            for job in self._jobs:
                job.result.cancel()
            self._changed.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _color_batches(self) -> None:
        while batch := self._next_batch():
            self._color([job for job in batch if job.result.set_running_or_notify_cancel()])
            batch.clear()  # or the last pictures would stay in memory until the next come

    def _next_batch(self) -> list[_Job]:
        """Wait for a picture, and a moment for more; return the oldest and those that may go with it. None: closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._closed)
            end = time.monotonic() + _MAX_WAIT
            while len(self._jobs) < self._batch_size and not self._closed and (left := end - time.monotonic()) > 0:
                self._changed.wait(left)
            batch: list[_Job] = []
            pixels = 0
            for job in list(self._jobs):
                size = job.pixels.shape[0] * job.pixels.shape[1]
                if not batch or (job.options == batch[0].options and pixels + size <= _MAX_PIXELS):
                    batch.append(job)
                    pixels += size
                    self._jobs.remove(job)
                if len(batch) == self._batch_size:
                    break
            self._metrics.waiting.set(len(self._jobs))
            return batch

    def _color(self, jobs: list[_Job]) -> None:
        if not jobs:
            return
        self._metrics.batch_size.observe(len(jobs))
        try:
            results = self._colorizer([job.pixels for job in jobs], **jobs[0].options._asdict())
        except Exception as error:
            if len(jobs) == 1:
                jobs[0].result.set_exception(error)
                return
        else:
            for job, result in zip(jobs, results, strict=True):
                job.result.set_result(result)
            return
        for job in jobs:  # alone, so that one picture's failure is not its neighbours'
            self._color([job])
