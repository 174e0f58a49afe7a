"""The Fréchet distance against SciPy's square root of a matrix, and its moments against NumPy's."""

import logging
import math

import numpy as np
import pytest
import scipy.linalg

from jaxcolor.evaluation import frechet
from jaxcolor.evaluation.frechet import FrechetDistance, Moments, distance


def moments(rows):
    return Moments.none(rows.shape[1]).add(rows)


@pytest.mark.parametrize('count', [40, 4])  # fewer pictures than features: covariances without an inverse
def test_distance_is_that_of_a_matrix_square_root(count):
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((count, 6)) @ rng.standard_normal((6, 6)) + shift for shift in (0, 0.5))
    root = scipy.linalg.sqrtm(np.cov(a, rowvar=False) @ np.cov(b, rowvar=False))
    spread = np.trace(np.cov(a, rowvar=False) + np.cov(b, rowvar=False) - 2 * root.real)
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + spread
    assert distance(moments(a), moments(b)) == pytest.approx(expected, rel=1e-4)
    assert distance(moments(a), moments(a)) == pytest.approx(0, abs=1e-6)


def test_moments_in_parts_are_those_of_the_whole_far_from_zero_too():
    rows = (1e4 + np.random.default_rng(0).standard_normal((100, 3))).astype(np.float32)
    collected = Moments.none(3)
    for start, stop in ((0, 1), (1, 1), (1, 40), (40, 100)):
        collected = collected.add(rows[start:stop])
    assert collected.pictures == 100
    rows = rows.astype(np.float64)
    np.testing.assert_allclose(collected.mean, rows.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(collected.covariance, np.cov(rows, rowvar=False), rtol=1e-9, atol=1e-12)


def test_one_picture_has_no_spread():
    a, b = moments(np.array([[0.0, 3.0]])), moments(np.array([[4.0, 0.0]]))
    assert distance(a, b) == 25


def test_features_that_are_no_numbers_have_no_distance():
    assert math.isnan(distance(moments(np.array([[0.0, np.nan], [1.0, 2.0]])), moments(np.eye(2))))


def test_few_pictures_are_named_once(caplog, monkeypatch):
    logger = logging.getLogger('jaxcolor')
    monkeypatch.setattr(logger, 'propagate', True)
    frechet._warn_of_few.cache_clear()
    measure = FrechetDistance.of('frechet_lite0', 4, lambda params, pictures: pictures, {})
    for count in (3, 4, 4, 5):
        rows = np.random.default_rng(0).standard_normal((count, 4))
        assert math.isfinite(measure.finish(measure.update(measure.init(), {'generated': rows + 1, 'true': rows})))
    assert [record.args for record in caplog.records] == [('frechet_lite0', 3, 4), ('frechet_lite0', 4, 4)]
    frechet._warn_of_few.cache_clear()
