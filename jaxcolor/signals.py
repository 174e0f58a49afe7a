"""Being asked to stop, without being torn away from what must not be left half done."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def catch_signals() -> Iterator[list[int]]:
    """Gathers SIGTERM and SIGINT in a list; a second Ctrl-C acts as ever, for a person may be in a hurry.

    SIGTERM comes from launchers, some of which send it more than once.
    """
    received: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, before[signal.SIGINT])

    for number in before:
        signal.signal(number, note)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
