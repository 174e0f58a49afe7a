"""The guided filter against least squares, the gamut and lightness against scikit-image."""

import jax.numpy as jnp
import numpy as np
import pytest
from skimage import color, transform

from jaxcolor.color.spaces import build_space
from jaxcolor.inference import render


def grey_level(lightness: np.ndarray) -> np.ndarray:
    """The 8-bit level, with fractions, of the grey of this lightness."""
    lab = np.stack([lightness, np.zeros_like(lightness), np.zeros_like(lightness)], axis=-1)
    return 255 * color.lab2rgb(lab)[..., 1]


def colorize(pixels, functions, saturation=1.0):
    """Whole pictures [n, h, w, c], each as one stretch of pixels."""
    _, height, width, channels = pixels.shape
    _, rows, columns, _ = functions.shape
    place = render.Place(*(jnp.asarray(x, jnp.int32) for x in ((0, 0), (height, width), (rows, columns), columns)))
    colored = [
        render.to_rgb(
            *render.to_lab(jnp.asarray(p.reshape(-1, channels)), f.reshape(-1, 4), place, jnp.float32(saturation)),
            pixels.dtype.name,
        )
        for p, f in zip(pixels, jnp.asarray(functions), strict=True)
    ]
    return np.stack(colored).reshape(*pixels.shape[:3], 3)


def test_guide_is_ridge_regression_in_windows():
    rng = np.random.default_rng(0)
    lightness = rng.random((1, 9, 11, 1), np.float32)
    chroma = rng.normal(0, 30, (1, 9, 11, 2)).astype(np.float32)
    slope, offset = np.zeros((9, 11, 2)), np.zeros((9, 11, 2))
    for i, j in np.ndindex(9, 11):
        window = np.s_[0, max(0, i - 2) : i + 3, max(0, j - 2) : j + 3]
        light, values = lightness[window].reshape(-1, 1).astype(float), chroma[window].reshape(-1, 2).astype(float)
        # The slope alone is penalised, by the number of pixels.
        penalty = np.sqrt(len(light)) * np.array([[render.CONTRAST, 0.0]])
        rows = np.concatenate([np.concatenate([light - light.mean(), np.ones_like(light)], axis=1), penalty])
        fit = np.linalg.lstsq(rows, np.concatenate([values, np.zeros((1, 2))]), rcond=None)[0]
        slope[i, j], offset[i, j] = fit[0], fit[1] - fit[0] * light.mean()
    expected = np.zeros((9, 11, 4))
    for i, j in np.ndindex(9, 11):
        window = np.s_[max(0, i - 2) : i + 3, max(0, j - 2) : j + 3]
        expected[i, j] = *slope[window].mean((0, 1)), *offset[window].mean((0, 1))
    found = np.asarray(render.guide(jnp.asarray(lightness), jnp.asarray(chroma)))[0]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-2)


def test_edges_of_the_photograph_are_edges_of_its_color():
    # 16 x 16 cells of 16 pixels; the edge lies inside a cell, so the small picture knows it only as a mixture.
    whole = np.full((256, 256), 90, np.uint8)
    whole[:, 137:] = 170
    small = whole.reshape(16, 16, 16, 16).mean((1, 3))
    share = (small - 90) / 80
    chroma = (share[..., None] * [-40.0, 50.0] + (1 - share[..., None]) * [30.0, -20.0]).astype(np.float32)
    lightness = color.rgb2lab(np.repeat(small[..., None], 3, axis=-1) / 255)[..., :1] / 100
    functions = render.guide(jnp.asarray(lightness[None], jnp.float32), jnp.asarray(chroma[None]))
    lab = color.rgb2lab(colorize(whole[None, ..., None], functions)[0])
    blurred = transform.resize(chroma, (256, 256, 2), order=1, mode='edge')

    def unsure(b: np.ndarray) -> int:
        """How many pixels of a row are neither one colour nor the other."""
        low, high = b[96], b[176]
        return int(((b - low) / (high - low) > 0.1)[:137].sum() + ((high - b) / (high - low) > 0.1)[137:].sum())

    assert unsure(blurred[128, :, 1]) >= 12
    assert unsure(lab[128, :, 2]) <= 1


def test_color_without_edges_is_interpolated():
    rng = np.random.default_rng(1)
    chroma = rng.normal(0, 10, (1, 8, 12, 2)).astype(np.float32)
    functions = render.constant(jnp.asarray(chroma))
    lab = color.rgb2lab(colorize(np.full((1, 32, 48, 1), 0.5, np.float32), functions)[0])
    expected = transform.resize(chroma[0], (32, 48, 2), order=1, mode='edge', anti_aliasing=False)
    np.testing.assert_allclose(lab[..., 1:], expected, atol=0.05)


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize('channels', [1, 3])
def test_lightness_is_kept_whatever_the_color(dtype, channels):
    rng = np.random.default_rng(2)
    levels = rng.random((1, 256, 256, channels), np.float32)
    levels[0, :, 0] = np.arange(256, dtype=np.float32)[:, None] / 255  # every grey
    whole = 1 if dtype == np.float32 else np.iinfo(dtype).max
    pixels = (levels * whole).round().astype(dtype) if whole > 1 else levels
    functions = render.constant(jnp.asarray(rng.normal(0, 60, (1, 256, 256, 2)).astype(np.float32)))
    result = colorize(pixels, functions)
    assert result.dtype == dtype
    rgb = np.broadcast_to(pixels, (1, 256, 256, 3)) / whole
    before, after = (grey_level(color.rgb2lab(image[0].astype(float))[..., 0]) for image in (rgb, result / whole))
    assert np.abs(after - before).max() <= {np.uint8: 0.5, np.uint16: 0.02, np.float32: 0.02}[dtype] + 0.01


def test_colors_out_of_gamut_lose_chroma_not_hue():
    lightness = np.linspace(2, 98, 64).repeat(64).reshape(1, 64, 64)
    hue = np.tile(np.linspace(0, 2 * np.pi, 64, endpoint=False), 64).reshape(1, 64, 64)
    chroma = np.stack([150 * np.cos(hue), 150 * np.sin(hue)], axis=-1).astype(np.float32)
    pixels = color.lab2rgb(np.stack([lightness, 0 * hue, 0 * hue], axis=-1))[..., :1].astype(np.float32)
    result = colorize(pixels, render.constant(jnp.asarray(chroma)))
    lab = color.rgb2lab(result.astype(float))
    found = np.hypot(lab[..., 1], lab[..., 2])
    turned = np.angle(np.exp(1j * (np.arctan2(lab[..., 2], lab[..., 1]) - hue)))
    assert np.abs(turned * found).max() < 1.0  # units of Lab
    np.testing.assert_allclose(lab[..., 0], lightness, atol=0.15)
    # No more than half a per cent of 150, or a step of a byte, could have been added.
    more = np.concatenate([lightness[..., None], chroma * ((found + 2) / 150)[..., None]], axis=-1)
    linear = color.lab2xyz(more) @ np.linalg.inv(color.colorconv.xyz_from_rgb).T
    outside = (linear.min(-1) < -1e-4) | (linear.max(-1) > 1 + 1e-4)
    assert outside.all()


def test_saturation():
    functions = render.constant(jnp.full((1, 4, 4, 2), 10.0))
    pixels = np.full((1, 8, 8, 1), 0.5, np.float32)
    lab = {s: color.rgb2lab(colorize(pixels, functions, s)[0]) for s in (0.0, 1.0, 2.5)}
    for saturation, found in lab.items():
        np.testing.assert_allclose(found[..., 1:], 10 * saturation, atol=0.02)


@pytest.mark.parametrize('space', [{'name': 'luv'}, {'name': 'rgb'}, {'name': 'rgb', 'signed': False}, {'name': 'lab'}])
def test_chroma_of_every_space(space):
    space = build_space(space)
    image = np.random.default_rng(3).integers(0, 256, (2, 5, 6, 3), np.uint8)
    x, y = space.split(jnp.asarray(image))
    np.testing.assert_allclose(render.chroma(space, x, y), color.rgb2lab(image)[..., 1:], atol=0.02)


def test_chroma_of_a_palette():
    space = build_space(
        {
            'name': 'palette',
            'size': 2,
            'basis': 'lab',
            'centers': ((20.0, -10.0), (0.0, 5.0)),
            'frequencies': (0.5, 0.5),
        }
    )
    logits = jnp.asarray(np.array([[[[1.0, 0.0], [0.0, 1.0]]]], np.float32))
    found = render.chroma(space, jnp.zeros((1, 1, 2, 1)), logits)
    np.testing.assert_allclose(found[0, 0], [[20, -10], [0, 5]], atol=0.02)
