"""One thread for the device: in small steps, between which smaller pictures pass larger ones, and all pass films."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from jaxcolor.inference.colorizer import Colorizer
from jaxcolor.inference.network import SmallCopy
from jaxcolor.inference.options import Options
from jaxcolor.inference.rendering import Rendering
from jaxcolor.server.metrics import Metrics
from jaxcolor.server.programs import Program, Programs

_RANKS = (2**20, 2**24)  # pixels, from which on a picture lets smaller ones pass
_FILM = len(_RANKS) + 1  # the rank of a film, which lets all of them pass
_T = TypeVar('_T')
_SHARE = 0.25  # of the time of smaller ones that larger ones have meanwhile, or they might wait for ever


@dataclass(frozen=True, eq=False)
class Colored:
    """A picture in colour, and the seconds of the device that it took."""

    pixels: np.ndarray
    seconds: float


@dataclass(eq=False)
class _Job:
    colorizer: Colorizer
    pixels: np.ndarray
    options: Options
    copies: Sequence[SmallCopy]
    programs: list[Program]
    question: Callable[[], Any] | None = None  # of one step, in place of a picture in colour
    of_film: bool = False
    result: Future[Any] = field(default_factory=Future)
    work: Rendering | None = None  # once it has been through the network
    seconds: float = 0.0

    @property
    def kind(self) -> tuple[Any, ...]:
        """What jobs have in common that may go through the network together."""
        first = self.copies[0]
        return (
            self.colorizer,
            first.plan.shape,
            first.hints is not None,
            self.options._replace(saturation=1.0, warmth=0.0),
        )

    @property
    def rank(self) -> int:
        if self.of_film:
            return _FILM
        return sum(self.pixels.shape[0] * self.pixels.shape[1] >= pixels for pixels in _RANKS)


class Batcher:
    """Colour pictures on a thread of its own, step by step; those of one shape go through the network together.

    A step is a batch through the network or a stretch of a picture. Of pictures of about a size the oldest is first;
    smaller ones pass larger ones, but for a share of the time. What is cancelled gets no further step, and what needs a
    program that is not compiled has none until it is.
    """

    def __init__(self, colorizers: Sequence[Colorizer], batch_size: int, metrics: Metrics):
        self._metrics = metrics
        self._jobs: list[_Job] = []
        self._changed = threading.Condition()
        self._credit: dict[int, float] = {}  # rank -> seconds that it is due while smaller ones have theirs
        self._first = 0  # the first of the ranks that are here
        self._closed = False
        self.programs = Programs(colorizers, batch_size, metrics, self._notify)
        # A daemon: a model that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name='device', daemon=True)
        self._thread.start()

    def submit(
        self, colorizer: Colorizer, pixels: np.ndarray, options: Options, copies: Sequence[SmallCopy]
    ) -> Future[Colored]:
        """Enqueue a picture.

        Args:
          colorizer: one of the models.
          pixels: [h, w, 1 | 3].
          options: that the model has.
          copies: `Colorizer.small_copies` of them: what is work of the host is done on other threads.

        Returns:
          The future of the picture in colour; cancelled, it takes no more of the device's time.
        """
        programs = self.programs.needed(colorizer, copies[0], pixels.shape[2], pixels.dtype.name)
        return self._enqueue(_Job(colorizer, pixels, options, copies, programs))

    def ask(self, colorizer: Colorizer, copy: SmallCopy, question: Callable[[], _T]) -> Future[_T]:
        """Enqueue what takes one step: something about a picture, by the network's program for its small copy."""
        programs = self.programs.networks(colorizer, [copy.plan.shape], hints=copy.hints is not None)
        return self._enqueue(_Job(colorizer, copy.pixels, Options(), [copy], programs, question))

    def between(self, colorizer: Colorizer, work: Callable[[], _T]) -> Future[_T]:
        """Enqueue a step of a film, for when pictures let it pass; what it needs is compiled."""
        nothing = np.empty((0, 0, 1), np.uint8)
        return self._enqueue(_Job(colorizer, nothing, Options(), [], [], work, of_film=True))

    def close(self, timeout: float) -> bool:
        """Drop what waits and end both threads; return whether they ended within `timeout` seconds."""
        end = time.monotonic() + timeout
        with self._changed:
            self._closed = True
            for job in self._jobs:
                job.result.cancel()
            self._changed.notify()
        self._thread.join(timeout)
        return self.programs.close(max(0.0, end - time.monotonic())) and not self._thread.is_alive()

    def _enqueue(self, job: _Job) -> Future[Any]:
        self.programs.demand(job.programs)
        with self._changed:
            self._jobs.append(job)
            if self._closed:
                job.result.cancel()
            self._changed.notify()
        return job.result

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify()

    def _run(self) -> None:
        while jobs := self._next():
            self._step(jobs)
            jobs.clear()  # or the last pictures would stay in memory until the next come

    def _next(self) -> list[_Job]:
        """Wait for work; return the jobs whose step is next. None: closed."""
        with self._changed:
            while not self._closed:
                self._jobs = [job for job in self._jobs if not job.result.done()]
                self._metrics.waiting.set(sum(not job.of_film for job in self._jobs))
                if ready := [job for job in self._jobs if self.programs.are_ready(job.programs)]:
                    return self._choose(ready)
                self._changed.wait()
        return []

    def _choose(self, ready: list[_Job]) -> list[_Job]:
        ranks = {job.rank for job in ready}
        # A film is not here between two of its steps, but owes what it has had.
        owed = {rank: credit for rank, credit in self._credit.items() if credit < 0}
        self._credit = owed | {rank: self._credit.get(rank, 0.0) for rank in sorted(ranks)}
        self._first = min(ranks)
        rank = max((rank for rank in ranks if self._credit[rank] > 0), default=self._first)
        first = next(job for job in ready if job.rank == rank)
        if first.work is not None or first.question is not None:
            return [first]
        others = [
            job
            for job in ready
            if job is not first
            and job.work is None
            and job.question is None
            and job.rank == rank
            and job.kind == first.kind
        ]
        return [first, *others][: self.programs.batches[-1]]

    def _step(self, jobs: list[_Job]) -> None:
        start = time.perf_counter()
        work, question, answer = jobs[0].work, jobs[0].question, None
        try:
            if question is not None:
                answer = question()
            elif work is None:
                self._predict(jobs)
            elif not work.step():
                answer = work.result
        except Exception as error:
            if len(jobs) == 1:
                if jobs[0].result.set_running_or_notify_cancel():
                    jobs[0].result.set_exception(error)
                return
            for job in jobs:  # alone, so that one picture's failure is not its neighbours'
                self._step([job])
            return
        seconds = time.perf_counter() - start
        for job in jobs:
            job.seconds += seconds / len(jobs)
        self._charge(jobs[0].rank, seconds)
        if answer is not None and jobs[0].result.set_running_or_notify_cancel():
            jobs[0].result.set_result(answer if question else Colored(answer, jobs[0].seconds))

    def _charge(self, rank: int, seconds: float) -> None:
        for other in self._credit:
            if other > rank:
                self._credit[other] += _SHARE * seconds
        if rank > self._first:
            self._credit[rank] -= seconds

    def _predict(self, jobs: list[_Job]) -> None:
        self._metrics.batch_size.observe(len(jobs))
        colorizer = jobs[0].colorizer
        copies = [copy for job in jobs for copy in job.copies]
        predictions: list[Any] = []
        while left := copies[len(predictions) :]:
            size = max(size for size in self.programs.batches if size == 1 or self._fills(colorizer, size, left))
            predictions += colorizer.predict(left[:size], jobs[0].options, size)
        for job in jobs:
            functions, predictions = predictions[: len(job.copies)], predictions[len(job.copies) :]
            job.work = colorizer.render(job.pixels, job.copies[0].plan, functions, job.options)

    def _fills(self, colorizer: Colorizer, size: int, copies: Sequence[SmallCopy]) -> bool:
        """Whether there is a program for so many, of which so few would not leave too much empty."""
        first = copies[0]
        programs = self.programs.networks(colorizer, [first.plan.shape], size, hints=first.hints is not None)
        return 4 * len(copies) >= 3 * size and all(program.is_compiled for program in programs)
