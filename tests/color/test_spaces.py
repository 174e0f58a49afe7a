import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.color
import skimage.data

from jaxcolor.color import spaces
from jaxcolor.errors import UserError

SPACES = [spaces.Lab(), spaces.Lab(scale=127.5), spaces.Luv(), spaces.Rgb(), spaces.Rgb(signed=False)]
each_space = pytest.mark.parametrize('space', SPACES, ids=repr)


@pytest.fixture
def image() -> np.ndarray:
    """A crop of a photograph, noise, and one grey picture; uint8 [3, 32, 32, 3]."""
    photo = skimage.data.astronaut()[:256:8, 100:356:8]
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    return np.stack([photo, noise, noise[..., :1].repeat(3, axis=-1)])


@each_space
def test_join_undoes_split(space, image):
    x, y = jax.jit(space.split)(image)
    assert x.shape == (3, 32, 32, 1)
    assert y.shape == (3, 32, 32, space.channels)
    assert x.dtype == y.dtype == jnp.float32
    np.testing.assert_allclose(jax.jit(space.join)(x, y) * 255, image, atol=0.1)


@each_space
def test_input_and_target_lie_in_the_range_of_tanh(space):
    axis = np.linspace(0, 255, 18, dtype=np.uint8)
    cube = np.stack(np.meshgrid(axis, axis, axis), axis=-1)
    x, y = space.split(jnp.asarray(cube))
    np.testing.assert_allclose([x.min(), x.max()], [-1, 1], atol=1e-5)
    assert jnp.abs(y).max() < 1.0002  # u* of red is 175.01
    assert space.signed == bool(y.min() < 0)


def test_the_default_scales_waste_no_range():
    """A cube of colours comes within 13 % of the ends of tanh (Lab; b* of blue) and 1 % (Luv; u* of red)."""
    axis = np.linspace(0, 255, 18, dtype=np.uint8)
    cube = jnp.asarray(np.stack(np.meshgrid(axis, axis, axis), axis=-1))
    assert jnp.abs(spaces.Lab().split(cube)[1]).max() > 0.87
    assert jnp.abs(spaces.Luv().split(cube)[1]).max() > 0.99


def test_lab_is_scaled_lab(image):
    lab = skimage.color.rgb2lab(image)
    x, y = spaces.Lab().split(jnp.asarray(image))
    np.testing.assert_allclose(x, lab[..., :1] / 50 - 1, atol=1e-4)
    np.testing.assert_allclose(y, lab[..., 1:] / 110, atol=1e-4)


def test_luv_is_scaled_luv(image):
    luv = skimage.color.rgb2luv(image)
    x, y = spaces.Luv().split(jnp.asarray(image))
    np.testing.assert_allclose(x, luv[..., :1] / 50 - 1, atol=1e-4)
    np.testing.assert_allclose(y, luv[..., 1:] / 175, atol=1e-4)


@pytest.mark.parametrize(('signed', 'ends'), [(True, [-1, 1]), (False, [0, 1])])
def test_rgb_is_in_the_range_of_what_says_it(signed, ends):
    image = jnp.asarray(np.uint8([0, 255]).reshape(1, 1, 2, 1).repeat(3, axis=-1))
    _, y = spaces.Rgb(signed=signed).split(image)
    np.testing.assert_allclose(y, np.reshape(ends, (1, 1, 2, 1)).repeat(3, axis=-1), atol=1e-6)


@each_space
def test_target_of_the_picture_and_of_its_grey(space, image):
    x, y = space.split(jnp.asarray(image))
    np.testing.assert_allclose(space.target(jnp.float32(image) / 255), y, atol=1e-6)
    baseline = space.target(spaces.grey(x))
    np.testing.assert_allclose(space.join(x, baseline), spaces.grey(x), atol=1e-4)


def test_every_space_shows_the_generator_the_same_picture(image):
    inputs = [space.split(jnp.asarray(image))[0] for space in SPACES]
    for x in inputs[1:]:
        np.testing.assert_allclose(x, inputs[0], atol=1e-5)


def test_grey_is_the_picture_without_chroma(image):
    x, y = spaces.Lab().split(jnp.asarray(image))
    grey = spaces.grey(x)
    np.testing.assert_array_equal(grey, grey[..., :1].repeat(3, axis=-1))
    np.testing.assert_allclose(grey, spaces.Lab().join(x, jnp.zeros_like(y)), atol=1e-4)
    np.testing.assert_allclose(grey[2] * 255, image[2], atol=0.01)


@each_space
def test_join_clips_and_keeps_gradients_finite(space, image):
    x, _ = space.split(jnp.asarray(image))
    y = jnp.full((*x.shape[:-1], space.channels), 1.0)
    rgb = space.join(x, y)
    assert ((rgb >= 0) & (rgb <= 1)).all()
    gradient = jax.jit(jax.grad(lambda y: space.join(x, y).sum()))
    for value in (-1.0, 0.0, 1.0):
        assert np.isfinite(gradient(jnp.full_like(y, value))).all()


@each_space
def test_join_widens_bfloat16(space, image):
    x, y = (a.astype(jnp.bfloat16) for a in space.split(jnp.asarray(image)))
    rgb = space.join(x, y)
    assert rgb.dtype == jnp.float32
    np.testing.assert_array_equal(rgb, space.join(x.astype(jnp.float32), y.astype(jnp.float32)))


def test_build_by_name():
    assert spaces.build_space({'name': 'lab'}) == spaces.Lab(scale=110.0)
    assert spaces.build_space({'name': 'lab', 'scale': 128}) == spaces.Lab(scale=128.0)
    assert spaces.build_space({'name': 'luv', 'scale': 100}) == spaces.Luv(scale=100.0)
    assert spaces.build_space({'name': 'rgb'}) == spaces.Rgb()
    assert spaces.build_space({'name': 'rgb', 'signed': False}) == spaces.Rgb(signed=False)


def test_default_fields_are_those_that_a_config_may_set():
    assert spaces.default_fields('luv') == {'scale': (float, 175.0)}
    assert spaces.default_fields('rgb') == {'signed': (bool, True)}
    for name, space in spaces.SPACES.items():
        defaults = {field: default for field, (_, default) in spaces.default_fields(name).items()}
        assert spaces.build_space({'name': name, **defaults}) == space()


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        ({'name': 'hsv'}, r"space.name is 'hsv': no such space. Known: lab, luv, rgb, palette\."),
        ({}, 'space.name is None'),
        ({'name': 'lab', 'scal': 1}, r'space.scal: the lab space has no such field. Known: name, scale'),
        ({'name': 'rgb', 'scale': 1}, r'space.scale: the rgb space has no such field. Known: name, signed\.'),
        ({'name': 'lab', 'scale': 0}, r'space.scale is 0.0: it must be a positive number, such as 110\.'),
        ({'name': 'luv', 'scale': -1}, r'space.scale is -1.0: .* such as 175\.'),
        ({'name': 'luv', 'scale': float('nan')}, 'space.scale is nan'),
        ({'name': 'lab', 'scale': True}, 'space.scale is True: it must be a number'),
        ({'name': 'rgb', 'signed': 1}, 'space.signed is 1: it must be True or False'),
        ({'name': 'lab', 'scale': '110'}, "space.scale is '110': it must be a number"),
        ({'name': ['lab']}, 'space.name is'),
    ],
)
def test_user_mistakes_are_named(config, message):
    with pytest.raises(UserError, match=message):
        spaces.build_space(config)


def test_flip_mirrors_some_pictures_whole(image):
    batch = np.tile(image, (20, 1, 1, 1))
    flipped = np.asarray(jax.jit(spaces.flip)(batch, jax.random.key(0)))
    assert flipped.dtype == np.uint8
    kept = (flipped == batch).all(axis=(1, 2, 3))
    mirrored = (flipped == batch[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (kept ^ mirrored).all()
    assert 15 < kept.sum() < 45


def test_flip_follows_the_key(image):
    batch = np.tile(image, (10, 1, 1, 1))
    first, again, other = (spaces.flip(jnp.asarray(batch), jax.random.key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
