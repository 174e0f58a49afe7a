"""Levin et al. 2004 against cases that can be worked out by hand."""

import numpy as np
import pytest

from jaxcolor.evaluation import levin


def test_on_even_grey_colour_is_harmonic():
    """One row between two given ends: each pixel is the mean of its neighbours, so chroma is linear."""
    given = np.zeros((1, 9), bool)
    given[0, [0, 8]] = True
    chroma = np.zeros((1, 9, 2))
    chroma[0, 0], chroma[0, 8], chroma[0, 4] = (40, -8), (-40, 8), (99, 99)
    found = levin.colorize(np.full((1, 9), 0.5), chroma, given)
    np.testing.assert_allclose(found[0, :, 0], np.linspace(40, -40, 9), atol=1e-9)
    np.testing.assert_allclose(found[0, :, 1], np.linspace(-8, 8, 9), atol=1e-9)


def test_weights_by_hand():
    """Three pixels, the outer ones given: the middle is nearer in lightness to the left one."""
    lightness = np.array([[0.4, 0.5, 0.8]])
    given = np.array([[True, False, True]])
    chroma = np.array([[[10.0, 0.0], [0.0, 0.0], [-10.0, 30.0]]])
    variance = np.var([0.4, 0.5, 0.8])
    left, right = np.exp(-0.01 / (0.6 * variance)), np.exp(-0.09 / (0.6 * variance))
    expected = (left * chroma[0, 0] + right * chroma[0, 2]) / (left + right)
    np.testing.assert_allclose(levin.colorize(lightness, chroma, given)[0, 1], expected, atol=1e-9)


def test_colour_stays_on_its_side_of_an_edge():
    lightness = np.where(np.arange(20) < 10, 0.2, 0.9) * np.ones((12, 1))
    lightness += 0.002 * np.random.default_rng(0).standard_normal((12, 20))
    given = np.zeros((12, 20), bool)
    given[5, 3] = given[5, 16] = True
    chroma = np.zeros((12, 20, 2))
    chroma[5, 3], chroma[5, 16] = (50, 0), (0, 50)
    found = levin.colorize(lightness, chroma, given)
    np.testing.assert_allclose(found[5, 3], (50, 0), atol=1e-9)
    assert found[:, :9, 0].min() > 40
    assert found[:, 11:, 1].min() > 40


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_no_point_leaves_a_picture_grey(dtype):
    none = levin.colorize(np.full((4, 5), 0.5, dtype), np.ones((4, 5, 2), dtype), np.zeros((4, 5), bool))
    assert none.dtype == dtype
    assert not none.any()
    one = np.zeros((4, 5), bool)
    one[0, 0] = True
    everywhere = levin.colorize(np.full((4, 5), 0.5, dtype), np.ones((4, 5, 2), dtype), one)
    np.testing.assert_allclose(everywhere, 1, atol=1e-5)


def test_is_the_solution_of_the_dense_system():
    """Built pixel by pixel, and solved by LAPACK."""
    rng = np.random.default_rng(0)
    lightness, chroma = rng.uniform(0.3, 0.7, (5, 6)), rng.uniform(-50, 50, (5, 6, 2))
    given = np.zeros((5, 6), bool)
    given[0, 1] = given[3, 4] = given[4, 0] = True
    system = np.eye(30)
    for row, column in np.ndindex(5, 6):
        if given[row, column]:
            continue
        around = [
            (down, across)
            for down in range(max(row - 1, 0), min(row + 2, 5))
            for across in range(max(column - 1, 0), min(column + 2, 6))
        ]
        variance = 0.6 * np.var([lightness[place] for place in around])
        around.remove((row, column))
        squares = np.array([(lightness[place] - lightness[row, column]) ** 2 for place in around])
        weights = np.exp(-squares / max(variance, squares.min() / -np.log(0.01), 2e-6))
        for place, weight in zip(around, weights / weights.sum(), strict=True):
            system[6 * row + column, 6 * place[0] + place[1]] = -weight
    wanted = np.where(given[..., None], chroma, 0).reshape(-1, 2)
    expected = np.linalg.solve(system, wanted).reshape(5, 6, 2)
    np.testing.assert_allclose(levin.colorize(lightness, chroma, given), expected, atol=1e-8)
