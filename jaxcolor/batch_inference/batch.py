"""Many files coloured, so that the device does not wait: threads decode ahead of it and encode behind it."""

import contextlib
import math
import os
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from jaxcolor.batch_inference.discover import Job
from jaxcolor.batch_inference.jobs import JobFiles, Loaded, Settings
from jaxcolor.batch_inference.tally import Tally
from jaxcolor.errors import InterruptedRunError
from jaxcolor.imaging import formats, photos
from jaxcolor.imaging.photos import Limits, PhotoError
from jaxcolor.inference.colorizer import Colorizer
from jaxcolor.inference.hints import Hint
from jaxcolor.signals import catch_signals
from jaxcolor.storage import explain_refusal

_AHEAD = 2  # batches that are decoded while one is coloured
_BATCH_PIXELS = 2**24  # a batch with so many takes no further picture
_IN_FLIGHT = 2**29  # pixels, of originals and results, from reading to having written; one picture alone may have more


class _Reading(NamedTuple):
    job: Job
    cost: int  # pixels in flight
    loaded: Future[Loaded]


def run(colorizer: Colorizer, files: JobFiles, jobs: Sequence[Job]) -> Tally:
    """Colours pictures and writes them, and shows how far it is. One that can't be read is named and left out.

    Raises:
      UserError: a disk that refuses what is written.
      InterruptedRunError: SIGTERM or SIGINT came; the pictures under way are written.
    """
    start = time.perf_counter()
    with (
        catch_signals() as signals,
        tqdm(total=len(jobs), unit=' photos', dynamic_ncols=True, disable=None) as bar,
        _threads(os.cpu_count() or 1) as pool,
        _threads(1) as scout,
    ):
        pipeline = _Pipeline(colorizer, files, pool, bar, signals)
        batches = _batches(jobs, files.settings)
        upcoming = scout.submit(next, batches, None)
        while not signals:
            while (batch := upcoming.result()) is not None and pipeline.has_room(batch):
                pipeline.read(batch)
                upcoming = scout.submit(next, batches, None)
            if not pipeline.busy:
                break
            pipeline.advance()
        pipeline.finish()
        tally = pipeline.tally
    tally.seconds = time.perf_counter() - start
    if signals:
        left = len(jobs) - tally.colored - tally.failed
        again = ', leave out --overwrite' if files.settings.overwrite else ''
        raise InterruptedRunError(signals[0], f'{tally.colored} coloured, {left} to go{again}')
    return tally


class _StoppedError(Exception):
    """A signal came between two pages."""


class _Pipeline:
    """The pictures between their files and the files of their results; its methods are of the main thread only."""

    def __init__(
        self, colorizer: Colorizer, files: JobFiles, pool: ThreadPoolExecutor, bar: tqdm, signals: Sequence[int]
    ):
        self.tally = Tally()
        self._colorizer, self._files, self._pool, self._bar, self._signals = colorizer, files, pool, bar, signals
        self._reading: deque[list[_Reading]] = deque()
        self._writing: dict[Future[dict[str, float] | None], tuple[Job, int]] = {}
        self._in_flight = 0

    @property
    def busy(self) -> bool:
        """Whether anything is under way."""
        return bool(self._reading or self._writing)

    def has_room(self, batch: list[tuple[Job, int]]) -> bool:
        """Whether a batch may be read already."""
        if len(self._reading) > _AHEAD:
            return False
        return not self._in_flight or self._in_flight + sum(cost for _, cost in batch) <= _IN_FLIGHT

    def read(self, batch: list[tuple[Job, int]]) -> None:
        """Begins to read a batch."""
        self._in_flight += sum(cost for _, cost in batch)
        self._reading.append([_Reading(job, cost, self._pool.submit(self._files.load, job)) for job, cost in batch])

    def advance(self) -> None:
        """Colours the next batch; if there is none, waits for something to be written."""
        if self._reading:
            self._color(self._reading.popleft())
            self._collect()
        else:
            self._collect(FIRST_COMPLETED)

    def finish(self) -> None:
        """Write what is coloured, and leaves the rest."""
        for reading in (one for batch in self._reading for one in batch):
            reading.loaded.cancel()
        self._collect(ALL_COMPLETED)

    def _color(self, batch: list[_Reading]) -> None:
        loaded = []
        for job, cost, future in batch:
            try:
                loaded.append((job, cost, future.result()))
            except PhotoError as error:
                self._fail(job, cost, error)
                continue
            photo = loaded[-1][2].photo
            if photo.format == 'TIFF' and photo.others and self._files.takes_pages(job):
                self._color_pages(*loaded.pop())
                continue
            if photo.lacking:
                self.tally.incomplete += 1
                percent = photos.percent(photo.lacking)
                self._say(
                    f'{job.source}: the file ends too early; the last {percent} are missing, the rest is coloured'
                )
            if others := photo.others:
                self._say(f'{job.source}: the first picture alone is coloured; {others} more in it are left out')
        given = [job.hints for job, _, _ in loaded]
        results = self._colorings([each.pixels for _, _, each in loaded], given)
        for (job, cost, each), colorings in zip(loaded, results, strict=True):
            self._writing[self._pool.submit(self._files.save, job, each, colorings)] = job, cost

    def _color_pages(self, job: Job, cost: int, first: Loaded) -> None:
        """Colour a TIFF of several pages, one at a time while the next is read, into one that has as many."""
        if job.hints:
            self._say(f'{job.source}: the hints are those of the first of {1 + first.photo.others} pages')
        upcoming: Future[Loaded] = Future()
        upcoming.set_result(first)
        count, written = 1 + first.photo.others, 0
        try:
            with self._files.open_pages(job) as pages:
                for number in range(count):
                    if self._signals:
                        raise _StoppedError
                    page = upcoming
                    if number + 1 < count:
                        upcoming = self._pool.submit(self._files.load, job, number + 1)
                    try:
                        loaded = page.result()
                    except PhotoError as error:
                        self._say(f'page {number + 1} of {count} is left out: {error}')
                        continue
                    (colorings,) = self._colorings([loaded.pixels], [job.hints if number == 0 else ()])
                    pages.add(loaded, colorings)
                    written += 1
        except _StoppedError:
            return
        except PhotoError as error:
            self._fail(job, cost, error)
            return
        self.tally.colored += 1
        self.tally.incomplete += written < count
        self._leave(cost)

    def _colorings(self, pictures: Sequence[np.ndarray], hints: Sequence[tuple[Hint, ...]]) -> list[list[np.ndarray]]:
        """Return the colourings of each picture: its samples, its variants, or one."""
        results: list[list[np.ndarray]] = [[] for _ in pictures]
        for options in self._files.settings.colorings:
            colored = self._colorizer(list(pictures), hints=list(hints), **options._asdict())
            for each, one in zip(results, colored, strict=True):
                each += [one] if options.samples is None else one
        return results

    def _collect(self, until: str | None = None) -> None:
        """Take note of what has been written, after waiting for one (FIRST_COMPLETED) or all of it."""
        if until is not None:
            wait(self._writing, return_when=until)
        for future in [future for future in self._writing if future.done()]:
            job, cost = self._writing.pop(future)
            try:
                scores = future.result()
            except PhotoError as error:
                self._fail(job, cost, error)
                continue
            gray_test = self._files.gray_test
            if gray_test is not None and scores is not None:
                with explain_refusal(gray_test.scores.path, '--output'):
                    gray_test.scores.add(job.name, scores)
            self.tally.colored += 1
            self._leave(cost)

    def _fail(self, job: Job, cost: int, error: PhotoError) -> None:
        self._say(f'failed: {error}')
        self.tally.failed += 1
        self._leave(cost)

    def _say(self, line: str) -> None:
        self._bar.write(' '.join(line.splitlines()), file=sys.stderr)  # the name of a file may have two lines

    def _leave(self, cost: int) -> None:
        self._in_flight -= cost
        self._bar.update()


@contextlib.contextmanager
def _threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that end with what they are doing when the block ends, however it ends."""
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _batches(jobs: Sequence[Job], settings: Settings) -> Iterator[list[tuple[Job, int]]]:
    """Small pictures together, large ones alone; each with the pixels that it and its results will have."""
    batch: list[tuple[Job, int]] = []
    for job in jobs:
        cost = _count_pixels(job.source, settings.limits) * (1 + len(job.outputs))
        if batch and (len(batch) == settings.batch_size or cost + sum(c for _, c in batch) > _BATCH_PIXELS):
            yield batch
            batch = []
        batch.append((job, cost))
    if batch:
        yield batch


def _count_pixels(path: Path, limits: Limits) -> int:
    try:
        with formats.CountedFile(path.open('rb', buffering=0)) as file:
            return math.prod(formats.open_picture(file, limits.pixels).size)
    except Exception:  # whatever it is, reading the file will say it
        return 0
