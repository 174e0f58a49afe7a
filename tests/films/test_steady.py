"""Colours that keep still: along a known motion, behind what passes, and not over a cut."""

import numpy as np
import pytest
import skimage.color
import skimage.data

pytest.importorskip('cv2')

from jaxcolor.films import steady
from jaxcolor.films.shots import is_cut

HEIGHT, WIDTH = 96, 128
LAB = skimage.color.rgb2lab(skimage.data.coffee()[::3, ::3]).astype(np.float32)  # 134 x 200


def window(number, step=2):
    """Returns luma and chroma of a frame of a pan."""
    lab = LAB[10:, step * number :][:HEIGHT, :WIDTH]
    return np.ascontiguousarray(lab[..., 0] * 2.55).astype(np.uint8), np.ascontiguousarray(lab[..., 1:])


def test_noise_of_the_network_is_averaged_along_the_motion():
    rng, state = np.random.default_rng(0), None
    errors = []
    for number in range(20):
        grey, truth = window(number)
        noisy = truth + 5 * rng.standard_normal((1, 1, 2)).astype(np.float32)
        state = steady.advance(state, grey, noisy)
        inner = np.s_[4:-4, 4:-8]
        errors.append([np.abs((one - truth)[inner]).mean() for one in (state.chroma, noisy)])
    own, of_network = np.mean(errors[5:], axis=0)
    assert own < 0.5 * of_network


def test_what_was_hidden_begins_anew():
    grey, chroma = window(0)
    state = None
    for _ in range(10):
        state = steady.advance(state, grey, chroma)
    other, rest = grey.copy(), chroma.copy()
    other[30:60, 40:80] = 255 - other[30:60, 40:80]  # something else is there
    rest[30:60, 40:80] = 50
    after = steady.advance(state, other, rest)
    assert np.abs(after.chroma[38:52, 48:72] - 50).mean() < 5
    assert after.age[38:52, 48:72].mean() < 3 < after.age[:20].mean()


def test_colours_do_not_cross_a_cut():
    grey, chroma = window(0)
    state = steady.advance(None, grey, chroma)
    other = np.ascontiguousarray(skimage.data.camera()[100:][:HEIGHT, :WIDTH])
    after = steady.advance(state, other, np.full_like(chroma, 7))
    assert (after.chroma == 7).all() and (after.age == 1).all()


def test_cuts():
    grey = window(0)[0]
    assert is_cut(grey, np.ascontiguousarray(skimage.data.camera()[100:][:HEIGHT, :WIDTH]))
    assert not is_cut(grey, window(4)[0])
    assert not is_cut(grey, (grey * 0.7).astype(np.uint8))  # brightness flickers
    noise = np.random.default_rng(0).normal(0, 15, grey.shape)
    assert not is_cut(grey, np.clip(grey + noise, 0, 255).astype(np.uint8))


def test_the_smallest_copies():
    """Of a few pixels no motion is found; what keeps its lightness keeps its colour."""
    rng = np.random.default_rng(0)
    grey = rng.integers(100, 110, (8, 11), dtype=np.uint8)
    first, second = rng.normal(size=(2, 8, 11, 2)).astype(np.float32)
    state = steady.advance(steady.advance(None, grey, first), grey, second)
    np.testing.assert_allclose(state.chroma, (first + second) / 2, atol=1e-6)
