"""Pixels that may be decoded at a time: as many as there are, first come first served."""

import asyncio

from jaxcolor.server.lanes import Lane


def _run(wanted: list[int], most: int = 10, cancelled: int | None = None) -> tuple[list[int], int]:
    """Returns in which order holders of so many pixels had their turn, and the most that were held at a time."""
    lane = Lane('test', 1, most)
    order: list[int] = []
    held = peak = 0

    async def hold(number: int, pixels: int) -> None:
        nonlocal held, peak
        async with lane.hold(pixels):
            order.append(number)
            held += min(pixels, most)
            peak = max(peak, held)
            await asyncio.sleep(0.01)
            held -= min(pixels, most)

    async def run() -> None:
        tasks = [asyncio.create_task(hold(*one)) for one in enumerate(wanted)]
        await asyncio.sleep(0)
        if cancelled is not None:
            tasks[cancelled].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with asyncio.timeout(1), lane.hold(most):  # all of it has been given back
            pass

    asyncio.run(run())
    lane.pool.shutdown()
    return order, peak


def test_no_more_at_a_time_than_there_are():
    assert _run([4, 4, 4, 4, 2]) == ([0, 1, 2, 3, 4], 10)


def test_first_come_first_served():
    assert _run([6, 9, 1, 1]) == ([0, 1, 2, 3], 10)  # the small ones do not keep the large one waiting


def test_one_that_is_larger_than_all_is_alone():
    assert _run([3, 50, 3]) == ([0, 1, 2], 10)


def test_cancelled_ones_take_nothing():
    assert _run([6, 9, 1, 1], cancelled=1) == ([0, 2, 3], 8)
    assert _run([6, 9, 1, 1], cancelled=0)[0] == [0, 1, 2, 3]
