"""The programs of a server: a closed set, compiled on a thread of its own, so that no picture waits for another's."""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import NamedTuple

from jaxcolor import compilation_cache
from jaxcolor.inference.colorizer import Colorizer
from jaxcolor.inference.network import SmallCopy
from jaxcolor.inference.programs import NetworkProgram, StretchProgram
from jaxcolor.inference.rendering import SIZES
from jaxcolor.server.metrics import Metrics

_LOG = logging.getLogger(__name__)

_KINDS = ((1, 'uint8'), (3, 'uint8'), (1, 'uint16'))  # what `photos.read` returns: channels, dtype
_COMMON = 3  # shapes: square, and landscape and portrait of about 4:3


class Program(NamedTuple):
    """A program of one of the models."""

    colorizer: Colorizer
    program: NetworkProgram | StretchProgram

    @property
    def is_compiled(self) -> bool:
        """Whether it is there."""
        return self.program in self.colorizer.programs


class Programs:
    """Compile all programs that pictures may need, the commonest first, and those that somebody waits for before them.

    Attributes:
      batches: the sizes of batches that go through the network: 1, 4, 16, …
      ready: is done once common pictures need not wait, or has the error that keeps them from it.
    """

    def __init__(self, colorizers: Sequence[Colorizer], batch_size: int, metrics: Metrics, changed: Callable[[], None]):
        """Begin.

        Args:
          colorizers: the models, the commonest first.
          batch_size: the most pictures of a batch.
          changed: is called whenever a program is ready.
        """
        self._metrics, self._changed = metrics, changed
        self.batches = [4**power for power in range(8) if 4**power <= batch_size]
        self.ready: Future[None] = Future()
        common: list[Program] = []
        others: list[list[Program]] = [[], [], []]  # rare ones, those for hints, and larger batches
        for colorizer in colorizers:
            shapes = colorizer.shapes.all()
            common += [*_stretches(colorizer, _KINDS[:2]), *self.networks(colorizer, shapes[:_COMMON])]
            others[0] += [*self.networks(colorizer, shapes[_COMMON:]), *_stretches(colorizer, _KINDS[2:])]
            others[1] += self.networks(colorizer, shapes, hints=True) if colorizer.takes_hints else []
            for size in self.batches[1:]:
                others[2] += self.networks(colorizer, shapes, size)
        self._left: list[Program] = [*common, *(program for kind in others for program in kind)]
        self._demanded: list[Program] = []
        self._common = frozenset(common)
        self._wanted = threading.Condition()
        self._failed: set[Program] = set()
        self._closed = False
        self.ready.set_running_or_notify_cancel()  # from now on, who stops waiting for it cancels nothing
        self._thread = threading.Thread(target=self._compile, name='compile', daemon=True)
        self._thread.start()

    def networks(
        self, colorizer: Colorizer, shapes: Iterable[tuple[int, int]], batch: int = 1, *, hints: bool = False
    ) -> list[Program]:
        """Return the programs by which pictures of some shapes go through a network, with hints or without."""
        return [Program(colorizer, NetworkProgram(shape, batch, colorizer.has_noise, hints)) for shape in shapes]

    def needed(self, colorizer: Colorizer, copy: SmallCopy, channels: int, dtype: str) -> list[Program]:
        """Return what a picture needs that has this small copy."""
        network = self.networks(colorizer, [copy.plan.shape], hints=copy.hints is not None)
        return [*network, *_stretches(colorizer, [(channels, dtype)])]

    def are_ready(self, programs: Iterable[Program]) -> bool:
        """Whether all are compiled, or can't be, which whoever runs them will see."""
        return all(program.is_compiled or program in self._failed for program in programs)

    def demand(self, programs: Iterable[Program]) -> None:
        """Compile these before what nobody waits for."""
        with self._wanted:
            missing = [program for program in programs if not self.are_ready([program])]
            self._demanded = list(dict.fromkeys([*self._demanded, *missing]))
            self._left = [program for program in self._left if program not in missing]
            self._wanted.notify()

    def close(self, timeout: float) -> bool:
        """End the thread after the program that it is at; return whether it ended within `timeout` seconds."""
        with self._wanted:
            self._closed = True
            self._wanted.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _compile(self) -> None:
        while (program := self._next()) is not None:
            try:
                program.colorizer.programs.compile(program.program)
            except Exception as error:
                self._failed.add(program)
                if program in self._common:
                    self.ready.set_exception(error)
                    return
                _LOG.exception('a program can not be compiled: %s', program.program)
            self._changed()
            is_first = not self.ready.done() and self.are_ready(self._common)
            if is_first or not (self._demanded or self._left):
                compilation_cache.publish()
            if is_first:
                self.ready.set_result(None)

    def _next(self) -> Program | None:
        """Return what to compile next, once there is something; None at the end."""
        with self._wanted:
            self._metrics.programs_left.set(len(self._demanded) + len(self._left))
            self._wanted.wait_for(lambda: self._demanded or self._left or self._closed)
            return None if self._closed else (self._demanded or self._left).pop(0)


def _stretches(colorizer: Colorizer, kinds: Iterable[tuple[int, str]]) -> list[Program]:
    return [Program(colorizer, StretchProgram(size, channels, dtype)) for channels, dtype in kinds for size in SIZES]
