"""The programs of a server: a closed set, compiled on a thread of its own, so that no picture waits for another's."""

import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future

from jaxcolor import compilation_cache
from jaxcolor.inference.colorizer import Colorizer, NetworkProgram, StretchProgram
from jaxcolor.inference.network import SmallCopy
from jaxcolor.inference.rendering import SIZES
from jaxcolor.server.metrics import Metrics

_LOG = logging.getLogger(__name__)

_KINDS = ((1, 'uint8'), (3, 'uint8'), (1, 'uint16'))  # what `photos.read` returns: channels, dtype
_COMMON = 3  # shapes: square, and landscape and portrait of about 4:3

Program = NetworkProgram | StretchProgram


class Programs:
    """Compile all programs that pictures may need, the commonest first, and those that somebody waits for before them.

    Attributes:
      batches: the sizes of batches that go through the network: 1, 4, 16, …
      ready: is done once common pictures need not wait, or has the error that keeps them from it.
    """

    def __init__(self, colorizer: Colorizer, batch_size: int, metrics: Metrics, changed: Callable[[], None]):
        """Begin.

        Args:
          batch_size: the most pictures of a batch.
          changed: is called whenever a program is ready.
        """
        self._colorizer, self._metrics, self._changed = colorizer, metrics, changed
        self.batches = [4**power for power in range(8) if 4**power <= batch_size]
        self.ready: Future[None] = Future()
        shapes = colorizer.shapes.all()
        common: list[Program] = [*_stretches(_KINDS[:2]), *self.networks(shapes[:_COMMON])]
        rare: list[Program] = [*self.networks(shapes[_COMMON:]), *_stretches(_KINDS[2:])]
        hinted = self.networks(shapes, hints=True) if colorizer.takes_hints else []
        batches = [program for size in self.batches[1:] for program in self.networks(shapes, size)]
        self._left: list[Program] = [*common, *rare, *hinted, *batches]
        self._demanded: list[Program] = []
        self._common = frozenset(common)
        self._wanted = threading.Condition()
        self._failed: set[Program] = set()
        self._closed = False
        self.ready.set_running_or_notify_cancel()  # from now on, who stops waiting for it cancels nothing
        self._thread = threading.Thread(target=self._compile, name='compile', daemon=True)
        self._thread.start()

    def networks(
        self, shapes: Iterable[tuple[int, int]], batch: int = 1, *, hints: bool = False
    ) -> list[NetworkProgram]:
        """Return the programs by which pictures of some shapes go through the network, with hints or without."""
        return [NetworkProgram(shape, batch, self._colorizer.has_noise, hints) for shape in shapes]

    def needed(self, copy: SmallCopy, channels: int, dtype: str) -> list[Program]:
        """Return what a picture needs that has this small copy."""
        return [*self.networks([copy.plan.shape], hints=copy.hints is not None), *_stretches([(channels, dtype)])]

    def are_ready(self, programs: Iterable[Program]) -> bool:
        """Whether all are compiled, or can't be, which whoever runs them will see."""
        return all(self._colorizer.is_compiled(program) or program in self._failed for program in programs)

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
                self._colorizer.compile(program)
            except Exception as error:
                self._failed.add(program)
                if program in self._common:
                    self.ready.set_exception(error)
                    return
                _LOG.exception('a program can not be compiled: %s', program)
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


def _stretches(kinds: Iterable[tuple[int, str]]) -> list[StretchProgram]:
    return [StretchProgram(size, channels, dtype) for channels, dtype in kinds for size in SIZES]
