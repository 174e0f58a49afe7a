"""Lanes for small pictures and for large ones: threads and memory that neither takes from the other."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor


class Lane:
    """Threads that decode and encode, and a number of pixels that may be decoded at a time.

    Who comes first is served first, so nobody waits for ever. Belongs to one event loop.
    """

    def __init__(self, name: str, threads: int, pixels: int):
        self.pool = ThreadPoolExecutor(threads, name)
        self._most = self._free = pixels
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @contextlib.asynccontextmanager
    async def hold(self, pixels: int) -> AsyncIterator[None]:
        """Wait until so many pixels may be decoded, or all if they are more; give them back at the end."""
        pixels = min(pixels, self._most)
        if self._waiting or self._free < pixels:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append((pixels, turn))
            try:
                await turn
            except asyncio.CancelledError:
                self._release(0 if turn.cancelled() else pixels)
                raise
        else:
            self._free -= pixels
        try:
            yield
        finally:
            self._release(pixels)

    def _release(self, pixels: int) -> None:
        self._free += pixels
        while self._waiting and (self._waiting[0][1].done() or self._waiting[0][0] <= self._free):
            wanted, turn = self._waiting.popleft()
            if not turn.done():
                self._free -= wanted
                turn.set_result(None)
