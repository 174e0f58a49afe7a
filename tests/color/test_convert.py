import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.color

from jaxcolor.color import convert

CORNERS = np.array(list(itertools.product([0.0, 1.0], repeat=3)), np.float32)
SPACES = {
    'lab': (convert.rgb_to_lab, convert.lab_to_rgb, skimage.color.rgb2lab, skimage.color.lab2rgb),
    'luv': (convert.rgb_to_luv, convert.luv_to_rgb, skimage.color.rgb2luv, skimage.color.luv2rgb),
}
each_space = pytest.mark.parametrize('name', SPACES)


def colors() -> np.ndarray:
    """Corners, the grey axis, a neighbourhood of black and 20,000 random colours."""
    rng = np.random.default_rng(0)
    greys = np.repeat(np.linspace(0, 1, 256, dtype=np.float32)[:, None], 3, axis=1)
    dark = rng.uniform(0, 0.05, (2000, 3)).astype(np.float32)
    return np.concatenate([CORNERS, greys, dark, rng.random((20000, 3), dtype=np.float32)])


@each_space
def test_agrees_with_scikit_image(name):
    forward, backward, oracle, inverse_oracle = SPACES[name]
    expected = oracle(colors().astype(np.float64))
    np.testing.assert_allclose(jax.jit(forward)(colors()), expected, atol=1e-3)
    np.testing.assert_allclose(jax.jit(backward)(jnp.float32(expected)), inverse_oracle(expected), atol=1e-4)


@each_space
def test_round_trip_returns_every_byte(name):
    forward, backward, *_ = SPACES[name]
    axis = np.linspace(0, 255, 52, dtype=np.uint8)
    image = np.stack(np.meshgrid(axis, axis, axis, indexing='ij'), axis=-1)
    back = jax.jit(lambda rgb: backward(forward(rgb)))(image.astype(np.float32) / 255)
    np.testing.assert_allclose(back * 255, image, atol=0.1)


@each_space
@pytest.mark.parametrize('jacobian', [jax.jacrev, jax.jacfwd])
def test_gradients_are_finite_everywhere_in_the_cube(name, jacobian):
    forward, backward, *_ = SPACES[name]
    edges = np.array([0.0, 1e-8, 0.04045, 0.5, 1.0], np.float32)
    rgb = jnp.array(list(itertools.product(edges, repeat=3)))
    assert np.isfinite(jax.jit(jax.vmap(jacobian(forward)))(rgb)).all()
    assert np.isfinite(jax.jit(jax.vmap(jacobian(backward)))(forward(rgb))).all()


@each_space
def test_gradients_are_finite_outside_the_gamut(name):
    _, backward, *_ = SPACES[name]
    color = jnp.array(list(itertools.product([0.0, 1.0, 50.0, 100.0], [-128.0, 0.0, 127.0], [-128.0, 0.0, 127.0])))
    rgb = backward(color)
    assert ((rgb >= 0) & (rgb <= 1)).all()
    assert np.isfinite(jax.jit(jax.vmap(jax.jacrev(backward)))(color)).all()


def test_luv_of_impossible_chromaticities_does_not_jump():
    # v* that makes v' of the white point's 0.4683 this small, zero and negative.
    chromaticity = np.array([0.01, 0.005, 0.0, -0.005, -1.0])
    v = 13 * 50 * (chromaticity - 0.4683199)
    rgb = convert.luv_to_rgb(jnp.float32(np.stack([np.full(5, 50), np.zeros(5), v], axis=-1)))
    np.testing.assert_allclose(rgb, rgb[:1].repeat(5, axis=0), atol=1e-3)


@each_space
def test_gradient_is_the_slope(name):
    forward, _, oracle, _ = SPACES[name]
    rgb, step = np.array([0.2, 0.5, 0.8]), 1e-5
    slopes = [(oracle(rgb + step * e) - oracle(rgb - step * e)) / (2 * step) for e in np.eye(3)]
    np.testing.assert_allclose(jax.jacrev(forward)(jnp.float32(rgb)), np.stack(slopes, axis=-1), rtol=1e-3, atol=1e-2)


@each_space
def test_bfloat16_is_widened_before_it_loses_more(name):
    forward, *_ = SPACES[name]
    rgb = jnp.asarray(colors()[:1000], jnp.bfloat16)
    assert forward(rgb).dtype == jnp.float32
    np.testing.assert_array_equal(forward(rgb), forward(rgb.astype(jnp.float32)))


@pytest.mark.parametrize('shape', [(3,), (4, 3), (2, 5, 7, 3)])
@each_space
def test_any_batch_shape(name, shape):
    forward, backward, *_ = SPACES[name]
    rgb = jnp.full(shape, 0.25)
    assert forward(rgb).shape == backward(forward(rgb)).shape == shape


def test_lightness_is_that_of_lab_and_back_is_neutral():
    rgb = colors()
    lightness = convert.rgb_to_lightness(jnp.asarray(rgb))
    assert lightness.shape == (len(rgb), 1)
    np.testing.assert_allclose(lightness, skimage.color.rgb2lab(rgb)[:, :1], atol=1e-3)
    back = convert.lightness_to_rgb(lightness)
    np.testing.assert_array_equal(back, back[:, :1].repeat(3, axis=1))
    np.testing.assert_allclose(convert.rgb_to_lightness(back), lightness, atol=1e-3)


def test_black_and_white_are_hit_exactly():
    ends = np.asarray(convert.lightness_to_rgb(convert.rgb_to_lightness(jnp.array([[0.0] * 3, [1.0] * 3]))))
    np.testing.assert_allclose(ends, [[0.0] * 3, [1.0] * 3], atol=1e-6)


def test_linear_light_says_how_far_outside_the_gamut_a_color_is():
    lab = np.array([[50, 120, -90], [30, -80, 10], [97, 5, 90]], np.float32)
    expected = skimage.color.lab2xyz(lab.astype(float)) @ np.linalg.inv(skimage.color.colorconv.xyz_from_rgb).T
    assert expected.min() < -0.01
    np.testing.assert_allclose(convert.lab_to_linear(jnp.asarray(lab)), expected, atol=1e-4)


def test_green_of_lightness_completes_a_color():
    rgb = colors()
    lightness = skimage.color.rgb2lab(rgb.astype(float))[..., 0].astype(np.float32)
    green = convert.green_of_lightness(*(jnp.asarray(a) for a in (lightness, rgb[:, 0], rgb[:, 2])))
    np.testing.assert_allclose(green, rgb[:, 1], atol=1e-4)
