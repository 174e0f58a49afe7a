"""Pictures that come together go to the device together, and do not harm each other."""

import re

import numpy as np
import pytest

from jaxcolor.errors import UserError
from jaxcolor.inference.colorizer import Options
from jaxcolor.server.batching import Batcher
from jaxcolor.server.metrics import Metrics

_LONG = Options(saturation=0.5)  # of the picture that the others wait for


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def batcher(colorizer, metrics):
    batcher = Batcher(colorizer, 4, metrics)
    yield batcher
    batcher.close(timeout=60.0)


def _batches(metrics: Metrics) -> list[int]:
    """How many batches there were of at most 1, 2 and 4 pictures."""
    counts = re.findall(r'batch_size_bucket\{le="[124]\.0"\} (\d+)', metrics.exposition().decode())
    return [int(count) for count in counts]


def _pictures(count: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (count, 24, 20, 1), np.uint8))


def test_groups_what_waits_by_its_options(colorizer, batcher, metrics):
    pictures = _pictures(6)
    first = batcher.submit(np.zeros((256, 256, 1), np.uint8), _LONG)
    vivid = Options(saturation=2.0)
    results = [batcher.submit(p, vivid if i % 2 else Options()) for i, p in enumerate(pictures)]
    for i, (picture, result) in enumerate(zip(pictures, results, strict=True)):
        wanted = colorizer(picture, saturation=2.0 if i % 2 else 1.0)
        # Batches of other sizes are other programs; what rounds up in one may round down in the other.
        np.testing.assert_allclose(result.result(60).astype(int), wanted, atol=1)
    assert first.result().shape == (256, 256, 3)
    assert _batches(metrics) == [1, 1, 3]  # the first alone, then three and three


def test_a_bad_neighbour_fails_alone(batcher):
    batcher.submit(np.zeros((256, 256, 1), np.uint8), _LONG)
    good, bad = _pictures(2)
    results = [batcher.submit(p, Options()) for p in (good, bad[..., [0, 0]], good)]
    assert results[0].result(60).shape == results[2].result(60).shape == (24, 20, 3)
    with pytest.raises(UserError, match='is no picture'):
        results[1].result(60)


def test_skips_what_nobody_waits_for(batcher, metrics):
    first = batcher.submit(np.zeros((256, 256, 1), np.uint8), _LONG)
    (picture,) = _pictures(1)
    left, stayed = batcher.submit(picture, Options()), batcher.submit(picture, Options())
    assert left.cancel()
    assert stayed.result(60).shape == (24, 20, 3)
    first.result()
    assert _batches(metrics) == [2, 2, 2]
