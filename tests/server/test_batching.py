"""Pictures that come together go to the device together, and do not harm each other."""

import re
import threading
import time

import numpy as np
import pytest
from helpers.hinted import obedient

from jaxcolor import Colorizer
from jaxcolor.inference.hints import Hint
from jaxcolor.inference.options import Options
from jaxcolor.server.batching import Batcher, _Job
from jaxcolor.server.metrics import Metrics

_PLAIN = Options()
_LONG = Options(saturation=0.5)  # of the picture that the others wait for


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def batcher(colorizer, metrics):
    """With all programs, so that what a batch is does not depend on how far the compiler has got."""
    batcher = Batcher([colorizer], 4, metrics)
    while 'jaxcolor_programs_left 0.0' not in metrics.exposition().decode():
        time.sleep(0.02)
    yield batcher
    assert batcher.close(timeout=60.0)


@pytest.fixture
def submit(colorizer, batcher):
    """Returns a function that enqueues a picture, as the server does."""

    def enqueue(pixels, options=_PLAIN):
        return batcher.submit(colorizer, pixels, options, colorizer.small_copies(pixels, options))

    return enqueue


@pytest.fixture
def paused(batcher, monkeypatch):
    """The device waits until the event is set, so that all that is enqueued before is there at its next step."""
    event, step = threading.Event(), batcher._step

    def wait(jobs):
        event.wait()
        step(jobs)

    monkeypatch.setattr(batcher, '_step', wait)
    return event


def _batches(metrics: Metrics) -> list[int]:
    """How many batches there were of at most 1, 2 and 4 pictures."""
    counts = re.findall(r'batch_size_bucket\{le="[124]\.0"\} (\d+)', metrics.exposition().decode())
    return [int(count) for count in counts]


def _pictures(count: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (count, 24, 20, 1), np.uint8))


def test_groups_what_waits_by_its_options(colorizer, submit, paused, metrics):
    pictures = _pictures(6)
    first = submit(np.zeros((256, 256, 1), np.uint8), _LONG)
    vivid = Options(flip_average=True)
    results = [submit(p, vivid if i % 2 else Options(saturation=2.0)) for i, p in enumerate(pictures)]
    paused.set()
    for i, (picture, result) in enumerate(zip(pictures, results, strict=True)):
        wanted = colorizer(picture, flip_average=True) if i % 2 else colorizer(picture, saturation=2.0)
        # Batches of other sizes are other programs; what rounds up in one may round down in the other.
        np.testing.assert_allclose(result.result(60).pixels.astype(int), wanted, atol=1)
    assert first.result(60).pixels.shape == (256, 256, 3)
    assert _batches(metrics) == [1, 1, 3]  # the first alone, then three and three


def test_what_has_hints_goes_with_its_like(metrics):
    """And no program with hints is compiled while somebody waits for it: all there are are made before."""
    colorizer = obedient()
    batcher = Batcher([colorizer], 1, metrics)
    pictures, hints = _pictures(2), [Hint(3.0, 5.0, '#aa3322')]
    try:
        plain, hinted = (colorizer.small_copies(pictures[0], _PLAIN, given) for given in ((), hints))
        kinds = {
            _Job(colorizer, pictures[0], Options(warmth=warmth), copies, []).kind
            for warmth in (0.0, 1.0)
            for copies in (plain, hinted)
        }
        assert len(kinds) == 2
        results = [batcher.submit(colorizer, p, _PLAIN, colorizer.small_copies(p, _PLAIN, hints)) for p in pictures]
        for picture, result in zip(pictures, results, strict=True):
            np.testing.assert_array_equal(result.result(60).pixels, colorizer(picture, hints=hints))
        while 'jaxcolor_programs_left 0.0' not in metrics.exposition().decode():
            time.sleep(0.02)
        programs = batcher.programs.networks(colorizer, colorizer.shapes.all(), hints=True)
        assert all(program.is_compiled for program in programs)
    finally:
        assert batcher.close(timeout=60.0)


def test_a_bad_neighbour_fails_alone(colorizer, submit, paused, monkeypatch):
    good, bad = _pictures(2)
    bad[0, 0] = 77
    copy = colorizer.small_copies(bad, Options())[0].pixels
    predict = colorizer.predict

    def fail(copies, *arguments):
        if any((one.pixels == copy).all() for one in copies):
            raise MemoryError
        return predict(copies, *arguments)

    monkeypatch.setattr(colorizer, 'predict', fail)
    results = [submit(p) for p in (good, bad, good)]
    paused.set()
    assert results[0].result(60).pixels.shape == results[2].result(60).pixels.shape == (24, 20, 3)
    with pytest.raises(MemoryError):
        results[1].result(60)


def test_skips_what_nobody_waits_for(submit, paused, metrics):
    first = submit(np.zeros((256, 256, 1), np.uint8), _LONG)
    (picture,) = _pictures(1)
    left, stayed = submit(picture), submit(picture)
    assert left.cancel()
    paused.set()
    assert stayed.result(60).pixels.shape == (24, 20, 3)
    first.result(60)
    assert _batches(metrics) == [2, 2, 2]


def test_small_pictures_pass_a_large_one(submit, paused):
    large = submit(np.zeros((1100, 2000, 1), np.uint8))
    ended = []
    large.add_done_callback(lambda _: ended.append('large'))
    small = [submit(np.zeros((40, 60, 1), np.uint8)) for _ in range(3)]
    for job in small:
        job.add_done_callback(lambda _: ended.append('small'))
    paused.set()
    large.result(60)
    assert ended == ['small'] * 3 + ['large']


def test_a_large_picture_has_its_share_of_the_time(colorizer, batcher):
    """While small ones come without end, and each would pass it: a fifth, whatever the lengths of steps."""
    spent = {0: 0.0, 1: 0.0, 2: 0.0}
    jobs = [
        _Job(colorizer, np.broadcast_to(np.uint8(0), (side, side, 1)), Options(), [], []) for side in (10, 1024, 4096)
    ]
    for job in jobs:
        job.work = object()
    for _ in range(5000):
        (job,) = batcher._choose(jobs)
        seconds = (0.002, 0.05, 0.3)[job.rank]
        batcher._charge(job.rank, seconds)
        spent[job.rank] += seconds
    total = sum(spent.values())
    assert spent[0] / total == pytest.approx(0.64, abs=0.03)
    assert spent[1] / total == pytest.approx(0.16, abs=0.03)
    assert spent[2] / total == pytest.approx(0.2, abs=0.03)
    (job,) = batcher._choose(jobs[2:])
    assert job.rank == 2  # alone, at once


def test_what_is_cancelled_on_its_way_takes_no_more_steps(batcher, submit, monkeypatch):
    steps = []
    step, third = batcher._step, threading.Event()

    def count(jobs):
        steps.append(jobs[0])
        step(jobs)
        if len(steps) == 3:
            large.cancel()
            third.set()

    monkeypatch.setattr(batcher, '_step', count)
    large = submit(np.zeros((2000, 2000, 1), np.uint8))  # sixteen stretches
    third.wait(60)
    assert submit(np.zeros((40, 60, 1), np.uint8)).result(60).pixels.shape == (40, 60, 3)
    assert large.cancelled()
    assert len({id(job) for job in steps[3:]}) == 1


def test_the_device_never_compiles(model, metrics, monkeypatch):
    """A picture waits for its programs, which come before those that nobody waits for."""
    colorizer = Colorizer.restore(model)
    submitted, compiled, compile_one = threading.Event(), [], colorizer.programs._compile

    def note(program):
        submitted.wait()
        compiled.append((threading.current_thread().name, program))
        return compile_one(program)

    monkeypatch.setattr(colorizer.programs, '_compile', note)
    batcher = Batcher([colorizer], 1, metrics)
    try:
        shapes = [(40, 160, 1), (160, 40, 1)]
        for shape in shapes:
            pixels = np.zeros(shape, np.uint8)
            job = batcher.submit(colorizer, pixels, Options(), colorizer.small_copies(pixels, Options()))
        submitted.set()
        assert job.result(60).pixels.shape == (160, 40, 3)
    finally:
        assert batcher.close(timeout=60.0)
    assert {name for name, _ in compiled} == {'compile'}
    order = [getattr(program, 'shape', None) for _, program in compiled]
    assert order.index((8, 32)) == 1  # after the one that it was at
    assert order.index((32, 8)) < order.index((8, 8))
