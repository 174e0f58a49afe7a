"""From an uploaded file to the same file in colour: decode, model, encode, in a bounded number of places."""

import asyncio
import concurrent.futures
import contextlib
import math
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from jaxcolor.imaging import photos
from jaxcolor.inference.colorizer import Colorizer, Options
from jaxcolor.server.batching import Batcher
from jaxcolor.server.errors import UnavailableError
from jaxcolor.server.metrics import Metrics
from jaxcolor.server.settings import Settings

_WARM_UP = ((768, 1024), (1024, 768))  # common shapes; others are compiled when they first come
_BROWSER_FORMATS = ('PNG', 'JPEG', 'WEBP')  # every browser shows them

_T = TypeVar('_T')


@dataclass(frozen=True, eq=False)
class Result:
    """A coloured file, and the seconds that each stage took."""

    content: bytes
    format: str  # Pillow's name
    seconds: dict[str, float]


class Worker:
    """Colour files for many clients at a time; belongs to one event loop.

    A picture holds one of `settings.queue` places from its upload to its answer. Where a client has left, the place
    is free once the thread that had begun the work has ended it: so the bound is one of work, not of clients.
    """

    def __init__(self, colorizer: Colorizer, settings: Settings, metrics: Metrics):
        self._settings, self._metrics = settings, metrics
        self._batcher = Batcher(colorizer, settings.batch_size, metrics)
        threads = max(2, os.cpu_count() or 2)
        self._pool = ThreadPoolExecutor(threads, 'codec')
        self._decoding = asyncio.Semaphore(threads)
        self._places_taken = 0
        self._pixels = 0  # decoded, and not yet encoded
        self._pixels_freed = asyncio.Condition()
        self._latency = 1.0  # of the picture last finished, in seconds
        self.ready = False

    async def warm_up(self) -> None:
        """Compile what grey pictures of common shapes need; `ready` from then on."""
        for shape in _WARM_UP:
            await _finished(self._batcher.submit(np.zeros((*shape, 1), np.uint8), Options()))
        self.ready = True

    def check_capacity(self) -> None:
        """Raise an UnavailableError, with a guess of when to come again, if every place is taken."""
        if self._places_taken >= self._settings.queue:
            seconds = min(30, max(1, math.ceil(self._latency)))
            raise UnavailableError('the server is busy; try again soon', retry_after=seconds)

    async def colorize(self, content: bytes, options: Options, format_name: str | None) -> Result:
        """Colour a file.

        Args:
          content: of the file.
          options: that the model has; see `Colorizer.check`.
          format_name: of the result, Pillow's; left out, the file's own where every browser shows it, else PNG.

        Raises:
          UnavailableError: no place is free.
          PhotoError: the file can't be read as a picture.
        """
        self.check_capacity()
        self._occupy(1)
        start = time.perf_counter()
        try:
            return await self._colorize(content, options, format_name)
        finally:
            self._occupy(-1)
            self._latency = time.perf_counter() - start

    def close(self, timeout: float) -> bool:
        """Drop what waits and end the threads; return whether the device's ended within `timeout` seconds."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        return self._batcher.close(timeout)

    async def _colorize(self, content: bytes, options: Options, format_name: str | None) -> Result:
        seconds: dict[str, float] = {}
        async with self._decoding:
            # Many small files may be large pictures: as many pixels as the largest may have, and no more are decoded.
            async with self._pixels_freed:
                await self._pixels_freed.wait_for(lambda: self._pixels < self._settings.photo.pixels)
            with self._timed('decode', seconds):
                photo = await _finished(self._pool.submit(photos.read, content, self._settings.photo))
            count = photo.pixels.shape[0] * photo.pixels.shape[1]
            self._pixels += count
        try:
            with self._timed('model', seconds):
                colored = await _finished(self._batcher.submit(photo.pixels, options))
            format_name = format_name or (photo.format if photo.format in _BROWSER_FORMATS else 'PNG')
            with self._timed('encode', seconds):
                encoded = await _finished(self._pool.submit(photos.encode, photo, colored, format_name))
        finally:
            self._pixels -= count
            async with self._pixels_freed:
                self._pixels_freed.notify_all()
        self._metrics.pixels.inc(count)
        return Result(encoded, format_name, seconds)

    def _occupy(self, places: int) -> None:
        self._places_taken += places
        self._metrics.in_progress.set(self._places_taken)

    @contextlib.contextmanager
    def _timed(self, stage: str, seconds: dict[str, float]) -> Iterator[None]:
        start = time.perf_counter()
        yield
        seconds[stage] = time.perf_counter() - start
        self._metrics.stage.labels(stage).observe(seconds[stage])


async def _finished(work: concurrent.futures.Future[_T]) -> _T:
    """Wait for a thread's work; cancelled, for the end of what has begun, while what has not never begins."""
    waiting = asyncio.wrap_future(work)
    try:
        return await asyncio.shield(waiting)
    except asyncio.CancelledError:
        if not work.cancel():
            await asyncio.wait([waiting])
            waiting.cancelled() or waiting.exception()  # has been seen
        raise
