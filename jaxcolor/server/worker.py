"""From an uploaded file to the same file in colour: decode, model, encode, in a bounded number of places."""

import asyncio
import concurrent.futures
import contextlib
import io
import math
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from jaxcolor.imaging import formats, photos
from jaxcolor.imaging.errors import TooLargeError
from jaxcolor.imaging.photos import Photo
from jaxcolor.inference.colorizer import Colorizer
from jaxcolor.inference.hints import Hint
from jaxcolor.inference.likely import Spot
from jaxcolor.inference.network import SmallCopy
from jaxcolor.inference.options import Options
from jaxcolor.server.batching import Batcher
from jaxcolor.server.errors import UnavailableError
from jaxcolor.server.lanes import Lane
from jaxcolor.server.metrics import Metrics
from jaxcolor.server.settings import Settings

_BROWSER_FORMATS = ('PNG', 'JPEG', 'WEBP')  # every browser shows them
_LARGE = 2**22  # pixels, from which on a picture is in the lane of the large ones
_SMALL_PIXELS = 32_000_000  # that small ones may have decoded together; large ones have `Settings.photo` beside them
_LONGEST_SIDE = 65_535  # each row costs a codec something, however short it is
_MEASURED = 2**18  # pixels, from which on a picture's time says something of others' of its size
_PACE = 4e-7  # seconds for a pixel, until one is measured

_T = TypeVar('_T')
_P = ParamSpec('_P')


@dataclass(frozen=True, eq=False)
class Result:
    """A coloured file."""

    content: bytes
    format: str  # Pillow's name
    left_out: int  # pictures that the file had beside the one that was coloured
    seconds: dict[str, float]  # that each stage took


class Worker:
    """Colour files for many clients at a time; belongs to one event loop.

    A picture holds one of `settings.queue` places from its upload to its answer. Where a client has left, the place
    is free once the thread that had begun the work has ended it: so the bound is one of work, not of clients.
    """

    def __init__(self, colorizers: Sequence[Colorizer], settings: Settings, metrics: Metrics):
        self._settings, self._metrics = settings, metrics
        self._batcher = Batcher(colorizers, settings.batch_size, metrics)
        cores = os.cpu_count() or 2
        self._small = Lane('small', max(2, cores), _SMALL_PIXELS)
        self._large = Lane('large', max(1, cores // 2), settings.photo.pixels)
        self._places_taken = 0
        self._pixels = dict.fromkeys(colorizers, 0)  # of the pictures that have a place, for each model
        self._pace = dict.fromkeys(colorizers, _PACE)  # seconds for a pixel, of the pictures last finished
        self._latency = 1.0  # of the picture last finished, in seconds
        self.ready = False

    async def warm_up(self) -> None:
        """Wait until what common pictures need is compiled; `ready` from then on."""
        await asyncio.wrap_future(self._batcher.programs.ready)
        self.ready = True

    def check_capacity(self) -> None:
        """Raise an UnavailableError, with a guess of when to come again, if every place is taken."""
        if self._places_taken >= self._settings.queue:
            raise UnavailableError('the server is busy; try again soon', _retry_after(self._latency))

    async def colorize(
        self,
        colorizer: Colorizer,
        content: bytes,
        options: Options,
        format_name: str | None,
        hints: Sequence[Hint] = (),
    ) -> Result:
        """Colour a file.

        Args:
          colorizer: one of the models.
          content: of the file.
          options: that the model has; see `Colorizer.check`.
          format_name: of the result, Pillow's; left out, the file's own where every browser shows it, else PNG.
          hints: colours of some of its places.

        Raises:
          UnavailableError: no place is free, or those before it will take all the time that there is.
          TooLargeError: by its header it would take too long, or too many pixels.
          PhotoError: the file can't be read as a picture.
          UserError: hints outside the picture, or that the model does not take.
        """
        seconds: dict[str, float] = {}
        async with self._place(colorizer, content) as (lane, count), lane.hold(count):
            photo, copies = await self._on(lane, 'decode', seconds, self._decode, colorizer, content, options, hints)
            with self._timed('model', seconds):
                colored = await _finished(self._batcher.submit(colorizer, photo.pixels, options, copies))
            format_name = format_name or (photo.format if photo.format in _BROWSER_FORMATS else 'PNG')
            encoded = await self._on(lane, 'encode', seconds, photos.encode, photo, colored.pixels, format_name)
        if count >= _MEASURED:
            pace = (seconds['decode'] + colored.seconds + seconds['encode']) / count
            self._pace[colorizer] += (pace - self._pace[colorizer]) / 4
        self._metrics.pixels.inc(count)
        return Result(encoded, format_name, photo.others, seconds)

    async def likely_colors(
        self, colorizer: Colorizer, content: bytes, x: float, y: float, hints: Sequence[Hint]
    ) -> list[tuple[str, float]]:
        """Return what `Colorizer.likely_colors` does of a file; raises what `colorize` does."""
        seconds: dict[str, float] = {}
        async with self._place(colorizer, content) as (lane, count):
            async with lane.hold(count):
                place = await self._on(lane, 'decode', seconds, self._look, colorizer, content, x, y, hints)
            with self._timed('model', seconds):
                return await _finished(
                    self._batcher.ask(colorizer, place.copy, lambda: colorizer.likely_colors_at(place))
                )

    def between(self, colorizer: Colorizer, work: Callable[[], _T]) -> concurrent.futures.Future[_T]:
        """Enqueue a step of a film for the device; pictures pass it."""
        return self._batcher.between(colorizer, work)

    def close(self, timeout: float) -> bool:
        """Drop what waits and end the threads; return whether the device's ended within `timeout` seconds."""
        for lane in (self._small, self._large):
            lane.pool.shutdown(wait=False, cancel_futures=True)
        return self._batcher.close(timeout)

    @contextlib.asynccontextmanager
    async def _place(self, colorizer: Colorizer, content: bytes) -> AsyncIterator[tuple[Lane, int]]:
        """Take a place for a file; yield the lane for its size, and its pixels by its header."""
        self.check_capacity()
        self._occupy(1)
        start, count = time.perf_counter(), 0
        try:
            width, height = await _finished(self._small.pool.submit(_size, content, self._settings.photo))
            self._check_work(colorizer, width, height)
            count = width * height
            self._pixels[colorizer] += count
            yield self._large if count >= _LARGE else self._small, count
        finally:
            self._pixels[colorizer] -= count
            self._occupy(-1)
            self._latency = time.perf_counter() - start

    def _check_work(self, colorizer: Colorizer, width: int, height: int) -> None:
        """Check that a picture of this size, behind those that are here, is ready in time."""
        if max(width, height) > _LONGEST_SIDE:
            limit = f'{_LONGEST_SIDE:,} pixels a side, the most that this server takes'
            raise TooLargeError(f'{width} x {height} pixels are more than {limit}')
        own = self._pace[colorizer] * width * height
        others = sum(self._pace[model] * pixels for model, pixels in self._pixels.items())
        if own > self._settings.answer_timeout:
            raise TooLargeError(
                f'{width} x {height} pixels take about {own:.0f} s, more than the {self._settings.answer_timeout} s '
                'that this server has for a picture; use a smaller one'
            )
        if own + others > self._settings.answer_timeout:
            raise UnavailableError('the server is busy with large pictures; try again soon', _retry_after(others))

    def _decode(
        self, colorizer: Colorizer, content: bytes, options: Options, hints: Sequence[Hint]
    ) -> tuple[Photo, Sequence[SmallCopy]]:
        photo = photos.read(content, self._settings.photo)
        return photo, colorizer.small_copies(photo.pixels, options, hints)

    def _look(self, colorizer: Colorizer, content: bytes, x: float, y: float, hints: Sequence[Hint]) -> Spot:
        return colorizer.look(photos.read(content, self._settings.photo).pixels, x, y, hints)

    def _occupy(self, places: int) -> None:
        self._places_taken += places
        self._metrics.in_progress.set(self._places_taken)

    async def _on(
        self,
        lane: Lane,
        stage: str,
        seconds: dict[str, float],
        work: Callable[_P, _T],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _T:
        """Do what is a stage on a thread of a lane; the wait for the thread is no part of its seconds."""

        def timed() -> _T:
            with self._timed(stage, seconds):
                return work(*args, **kwargs)

        return await _finished(lane.pool.submit(timed))

    @contextlib.contextmanager
    def _timed(self, stage: str, seconds: dict[str, float]) -> Iterator[None]:
        start = time.perf_counter()
        yield
        seconds[stage] = time.perf_counter() - start
        self._metrics.stage.labels(stage).observe(seconds[stage])


def _retry_after(seconds: float) -> int:
    return min(30, max(1, math.ceil(seconds)))


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


def _size(content: bytes, limits: photos.Limits) -> tuple[int, int]:
    """Return the width and height that a file's header says; (0, 0) where `photos.read` will say what is wrong."""
    try:
        with formats.CountedFile(io.BytesIO(content)) as file:
            return formats.open_picture(file, limits.pixels).size
    except Exception:  # plug-ins raise nearly everything
        return 0, 0
