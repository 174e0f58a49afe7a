"""Where the device's part of a film is computed: at once, or when a server's other work lets it."""

from collections.abc import Callable
from typing import Protocol, TypeVar, runtime_checkable

T = TypeVar('T')


@runtime_checkable
class Device(Protocol):
    """Does work of the device, each piece of it short, and returns what that does."""

    def __call__(self, work: Callable[[], T]) -> T:
        """Return what `work` does."""
        ...


def at_once(work: Callable[[], T]) -> T:
    """Do it here and now."""
    return work()
