"""Nearest colours against scipy's and scikit-image's, decoding and weights against what NumPy says."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.color
import skimage.data
from scipy.optimize import minimize
from scipy.spatial import cKDTree
from scipy.special import softmax

from jaxcolor.color.palette import Palette, geometric_median
from jaxcolor.color.spaces import Space, build_space, default_fields, grey
from jaxcolor.errors import UserError

CENTERS = {
    'rgb': ((0.0, 0.0, 0.0), (255.0, 255.0, 255.0), (200.5, 30.25, 10.0), (20.0, 90.0, 210.0), (120.0, 118.0, 122.0)),
    'lab': ((0.0, 0.0), (40.0, 30.0), (-20.0, 25.5), (5.0, -40.0), (-35.0, -10.0)),
    'luv': ((0.0, 0.0), (70.0, 20.0), (-15.0, 35.5), (-20.0, -60.0), (30.0, -25.0)),
}
FREQUENCIES = (0.5, 0.25, 0.15, 0.1, 0.0)
each_basis = pytest.mark.parametrize('basis', CENTERS)


def palette(basis: str = 'rgb', **fields) -> Palette:
    return Palette(size=5, basis=basis, centers=CENTERS[basis], frequencies=FREQUENCIES, **fields)


def coordinates(basis: str, image: np.ndarray) -> np.ndarray:
    """Where bytes lie in the basis, by scikit-image in float64."""
    if basis == 'rgb':
        return image.astype(np.float64)
    return {'lab': skimage.color.rgb2lab, 'luv': skimage.color.rgb2luv}[basis](image)[..., 1:]


@pytest.fixture
def image() -> np.ndarray:
    """A crop of a photograph, and noise; uint8 [2, 32, 32, 3]."""
    photo = skimage.data.astronaut()[:256:8, 100:356:8]
    return np.stack([photo, np.random.default_rng(0).integers(0, 256, photo.shape, dtype=np.uint8)])


@pytest.fixture
def logits() -> jax.Array:
    return 2 * jax.random.normal(jax.random.key(1), (2, 32, 32, 5))


@each_basis
def test_labels_are_the_nearest_centres(basis, image):
    space = palette(basis)
    assert isinstance(space, Space)
    x, labels = jax.jit(space.split)(image)
    assert labels.shape == (2, 32, 32, 1)
    assert labels.dtype == jnp.int32
    np.testing.assert_allclose(x, skimage.color.rgb2lab(image)[..., :1] / 50 - 1, atol=1e-4)
    tree = cKDTree(CENTERS[basis])
    points = coordinates(basis, image)
    _, nearest = tree.query(points)
    distances, _ = tree.query(points, k=2)
    clear = distances[..., 1] - distances[..., 0] > 1e-3
    assert clear.mean() > 0.99
    np.testing.assert_array_equal(labels[..., 0][clear], nearest[clear])
    assert len(np.unique(labels)) == 5
    np.testing.assert_array_equal(space.target(jnp.float32(image) / 255), labels)


def test_the_first_of_equally_near_centres_is_the_class():
    space = Palette(size=3, centers=((0.0, 0.0, 0.0), (20.0, 0.0, 0.0), (0.0, 20.0, 0.0)))
    _, labels = space.split(jnp.asarray(np.uint8([[[[30, 30, 0], [30, 30, 0]]]])))
    np.testing.assert_array_equal(labels, [[[[1], [1]]]])


@each_basis
def test_join_undoes_split_of_the_palettes_own_colours(basis):
    """Every class is shown as a colour that is nearest to itself, whatever the lightness that it is given."""
    space = palette(basis)
    classes = np.arange(5).reshape(1, 1, 5)
    x = jnp.full((1, 1, 5, 1), 0.2)
    shown = space.join(x, jax.nn.one_hot(classes, 5))
    labels = space.target(shown)
    np.testing.assert_array_equal(labels[..., 0], classes)
    if basis == 'rgb':
        np.testing.assert_allclose(shown[0, 0] * 255, CENTERS['rgb'], atol=1e-3)
    else:
        back = {'lab': skimage.color.lab2rgb, 'luv': skimage.color.luv2rgb}[basis]
        L = np.full((5, 1), 60.0)
        np.testing.assert_allclose(shown[0, 0], back(np.concatenate([L, CENTERS[basis]], axis=-1)), atol=1e-4)


def inside(rgb: np.ndarray) -> np.ndarray:
    """Which colours are within the gamut, so that nothing was clipped; most must be."""
    unclipped = ((rgb > 0.01) & (rgb < 0.99)).all(axis=-1)
    assert unclipped.mean() > 0.5
    return unclipped


@pytest.mark.parametrize('basis', ['lab', 'luv'])
def test_chroma_keeps_the_lightness_of_the_picture(basis, image, logits):
    x, _ = palette(basis).split(jnp.asarray(image // 4 + 96))
    shown = np.asarray(palette(basis, temperature=1.0).join(x, logits))
    lightness = skimage.color.rgb2lab(shown)[..., :1] / 50 - 1
    np.testing.assert_allclose(lightness[inside(shown)], x[inside(shown)], atol=1e-3)
    neutral = jnp.zeros_like(logits).at[..., 0].set(1)
    np.testing.assert_allclose(palette(basis).join(x, neutral), grey(x), atol=1e-4)


@pytest.mark.filterwarnings('ignore:.*negative Z values')  # outside the gamut
@pytest.mark.parametrize('temperature', [0.38, 1.0])
@each_basis
def test_annealed_mean_is_softmax_over_the_centres(basis, temperature, image, logits):
    x, _ = palette(basis).split(jnp.asarray(image // 4 + 96))
    color = softmax(np.float64(logits) / temperature, axis=-1) @ np.array(CENTERS[basis])
    if basis == 'rgb':
        expected = color / 255
    else:
        back = {'lab': skimage.color.lab2rgb, 'luv': skimage.color.luv2rgb}[basis]
        expected = back(np.concatenate([50 * (np.float64(x) + 1), color], axis=-1))
    shown = np.asarray(palette(basis, temperature=temperature).join(x, logits))
    np.testing.assert_allclose(shown[inside(expected)], expected[inside(expected)], atol=1e-4)


@each_basis
def test_annealed_mean_goes_to_the_likeliest_as_it_cools(basis, logits):
    x = jnp.zeros((2, 32, 32, 1))
    first, second = np.sort(logits, axis=-1)[..., :-3:-1].transpose(3, 0, 1, 2)
    clear = first - second > 0.05
    likeliest = np.asarray(palette(basis).join(x, logits))
    cold = np.asarray(palette(basis, temperature=1e-3).join(x, logits))
    np.testing.assert_allclose(cold[clear], likeliest[clear], atol=1e-6)
    warm = np.asarray(palette(basis, temperature=1.0).join(x, logits))
    assert np.abs(warm - likeliest).mean() > 0.02


@each_basis
@pytest.mark.parametrize('temperature', [1e-6, 0.38, 10.0])
def test_gradients_of_the_annealed_mean_are_finite(basis, temperature, logits):
    space = palette(basis, temperature=temperature)
    for lightness in (-1.0, 0.0, 1.0):
        x = jnp.full((2, 32, 32, 1), lightness)
        gradient = jax.jit(jax.grad(lambda y, x=x: space.join(x, y).sum()))
        for y in (logits, jnp.zeros_like(logits), 1e4 * logits):
            assert np.isfinite(gradient(y)).all()


@each_basis
@pytest.mark.parametrize('temperature', [0.0, 0.38])
def test_join_widens_bfloat16(basis, temperature, logits):
    space = palette(basis, temperature=temperature)
    x, y = jnp.full((2, 32, 32, 1), 0.3, jnp.bfloat16), logits.astype(jnp.bfloat16)
    shown = space.join(x, y)
    assert shown.dtype == jnp.float32
    assert ((shown >= 0) & (shown <= 1)).all()
    np.testing.assert_array_equal(shown, space.join(x.astype(jnp.float32), y.astype(jnp.float32)))


def test_class_weights_by_hand():
    assert palette().class_weights() is None
    weights = np.asarray(palette(rebalance=0.5).class_weights())
    # 1 / (p/2 + 1/10) of p = 0.5, 0.25, 0.15, 0.1, 0
    raw = np.array([1 / 0.35, 1 / 0.225, 1 / 0.175, 1 / 0.15, 1 / 0.1])
    np.testing.assert_allclose(weights / weights[0], raw / raw[0], rtol=1e-6)
    np.testing.assert_allclose(weights @ np.array(FREQUENCIES), 1, rtol=1e-6)
    nearly_even = np.asarray(palette(rebalance=1e-6).class_weights())
    np.testing.assert_allclose(nearly_even, 1, rtol=1e-5)


def test_a_config_file_brings_it_back():
    space = palette('lab', temperature=0.38, rebalance=0.5)
    fields = {field: getattr(space, field) for field in default_fields('palette')}
    again = build_space(json.loads(json.dumps({'name': 'palette', **fields})))
    assert again == space
    assert hash(again) == hash(space)
    assert again.channels == 5
    assert build_space({'name': 'palette', 'size': 2, 'centers': [[0, 0, 0], [255, 255, 255]]}).channels == 2


@pytest.mark.parametrize('use', [lambda s: s.split(jnp.zeros((1, 2, 2, 3), jnp.uint8)), lambda s: s.class_weights()])
def test_colours_that_are_not_learned_can_not_be_used(use):
    with pytest.raises(UserError, match=r'space.centers is None: the colours .* have not been learned'):
        use(Palette(rebalance=0.5))


@pytest.mark.parametrize(
    ('fields', 'message'),
    [
        ({'size': 1}, 'space.size is 1: a palette needs 2 colours or more'),
        ({'size': 2.5}, 'space.size is 2.5: it must be a whole number'),
        ({'size': True}, 'space.size is True: it must be a whole number'),
        ({'basis': 'hsv'}, "space.basis is 'hsv': no such basis. Known: rgb, lab, luv"),
        ({'temperature': -0.1}, 'space.temperature is -0.1'),
        ({'temperature': float('nan')}, 'space.temperature is nan'),
        ({'temperature': 'hot'}, "space.temperature is 'hot': it must be a number"),
        ({'rebalance': 1}, r'space.rebalance is 1.0: it must be in \[0, 1\)'),
        ({'size': 3, 'centers': [[0, 0, 0]] * 2}, r'space.centers must be 3 \(space.size\) rows of 3 finite numbers'),
        ({'size': 2, 'centers': [[0, 0], [1, 1]]}, 'rows of 3 finite numbers'),
        ({'size': 2, 'basis': 'lab', 'centers': [[0, 0, 0], [1, 1, 1]]}, 'rows of 2 finite numbers'),
        ({'size': 2, 'centers': [[0, 0, 0], [1, 1, float('inf')]]}, 'rows of 3 finite numbers'),
        ({'size': 2, 'centers': [[0, 0, 0], [1, 1, 'x']]}, 'space.centers must hold nothing but numbers'),
        ({'size': 2, 'centers': 'learn'}, 'space.centers must hold nothing but numbers'),
        ({'size': 2, 'centers': 7}, 'space.centers must hold nothing but numbers'),
        ({'size': 2, 'centers': [[0] * 3, [1] * 3], 'rebalance': 0.5}, 'space.frequencies must be 2'),
        ({'size': 2, 'centers': [[0] * 3, [1] * 3], 'frequencies': [0.5, 0.6]}, 'shares that add up to 1'),
        ({'size': 2, 'centers': [[0] * 3, [1] * 3], 'frequencies': [1.5, -0.5]}, 'shares that add up to 1'),
        ({'size': 2, 'centers': [[0] * 3, [1] * 3], 'frequencies': [1.0]}, 'space.frequencies must be 2'),
        ({'colours': 24}, 'space.colours: the palette space has no such field. Known: name, size, basis'),
    ],
)
def test_user_mistakes_are_named(fields, message):
    with pytest.raises(UserError, match=message):
        build_space({'name': 'palette', **fields})


def test_shares_are_a_gaussian_around_the_mean_of_a_block():
    soft = palette('lab', sigma=10.0)
    target = jax.random.uniform(jax.random.key(0), (2, 4, 6, 2), minval=-50, maxval=50)
    means = np.asarray(target).reshape(2, 2, 2, 3, 2, 2).mean((2, 4))
    distances = ((means[..., None, :] - np.asarray(CENTERS['lab'])) ** 2).sum(-1)
    shares = soft.shares(target, (2, 3))
    np.testing.assert_allclose(shares, softmax(-distances / 200, axis=-1), atol=1e-6)
    labels = soft.labels(target, (2, 3))
    np.testing.assert_array_equal(labels[..., 0], distances.argmin(-1))
    np.testing.assert_array_equal(labels[..., 0], np.asarray(shares).argmax(-1))


def test_the_target_of_a_soft_palette_is_the_colour_itself():
    image = jax.random.randint(jax.random.key(0), (1, 4, 4, 3), 0, 256).astype(jnp.uint8)
    _, target = palette('lab', sigma=5.0).split(image)
    np.testing.assert_allclose(target, skimage.color.rgb2lab(np.asarray(image))[..., 1:], atol=1e-3)


def test_vividness_takes_the_prior_from_the_logits():
    y = jax.random.normal(jax.random.key(0), (1, 3, 3, 5))
    vivid = palette('lab', temperature=1.0, vividness=0.4)
    prior = np.log(np.maximum(FREQUENCIES, 1e-5))
    shares = softmax(np.asarray(y) - 0.4 * prior, axis=-1)
    np.testing.assert_allclose(vivid.color(y), shares @ np.asarray(CENTERS['lab']), rtol=1e-4, atol=1e-4)
    # At 1 every colour counts as if all were equally frequent: what says the frequencies alone says nothing.
    logits = jnp.asarray(prior, jnp.float32)[None, None, None]
    even = np.mean(CENTERS['lab'], axis=0)
    np.testing.assert_allclose(palette('lab', temperature=1.0, vividness=1.0).color(logits)[0, 0, 0], even, atol=1e-4)


def test_compression_takes_the_mean_where_steps_in_chroma_look_alike():
    compressed = palette('lab', temperature=1.0, compression=0.045)
    # A colour that is certain stays itself, the neutral one too.
    certain = 1e4 * jnp.eye(5)[None, None]
    np.testing.assert_allclose(compressed.color(certain)[0, 0], CENTERS['lab'], rtol=1e-4, atol=1e-4)
    # Grey, which is likely, and a vivid colour: the mean has less of it, and differs less from what is true.
    centers = (0.0, 0.0), (30.0, 40.0)
    two = Palette(size=2, basis='lab', temperature=1.0, centers=centers)
    logits = jnp.log(jnp.asarray([0.7, 0.3]))[None, None, None]
    plain = np.asarray(two.color(logits)[0, 0, 0])
    mean = np.asarray(dataclasses.replace(two, compression=0.045).color(logits)[0, 0, 0])
    np.testing.assert_allclose(plain, (9, 12), rtol=1e-5)
    chroma = np.expm1(0.3 * np.log1p(0.045 * 50)) / 0.045
    np.testing.assert_allclose(mean, (0.6 * chroma, 0.8 * chroma), rtol=1e-5)

    def difference(color: np.ndarray) -> float:
        to_each = [skimage.color.deltaE_ciede2000((50, *color), (50, *center)) for center in centers]
        return float(np.dot((0.7, 0.3), to_each))

    assert difference(mean) < 0.97 * difference(plain)


@pytest.mark.parametrize('compression', [0.0, 0.045])
def test_the_median_is_nearer_to_the_colours_than_the_mean(compression):
    fields = {'temperature': 1.0, 'compression': compression}
    y = 2 * jax.random.normal(jax.random.key(0), (1, 4, 5, 5))
    shares = softmax(np.asarray(y, np.float64), axis=-1)

    def flat(color):  # where means are taken
        chroma = np.linalg.norm(color, axis=-1, keepdims=True)
        return color * np.log1p(compression * chroma) / np.maximum(compression * chroma, 1e-9) if compression else color

    centers = flat(np.asarray(CENTERS['lab'], np.float64))

    def distance(color, share):
        return share @ np.sqrt(np.sum(np.square(color - centers), axis=-1) + 9)

    mean, median = (
        flat(np.asarray(palette('lab', estimate=estimate, **fields).color(y), np.float64)[0])
        for estimate in ('mean', 'median')
    )
    np.testing.assert_allclose(mean, shares[0] @ centers, atol=1e-3)
    for place in np.ndindex(4, 5):
        share = shares[0][place]
        least = minimize(distance, mean[place], share, tol=1e-9).fun
        before, after = (distance(color[place], share) - least for color in (mean, median))
        assert -1e-3 < after < 0.5 * before + 1e-3


def test_many_steps_come_to_the_median():
    centers = np.asarray(CENTERS['lab'], np.float64)
    shares = softmax(np.random.default_rng(0).standard_normal((1, 4, 5, 5)), axis=-1)
    median = geometric_median(jnp.asarray(shares, jnp.float32), jnp.asarray(centers, jnp.float32), steps=300)
    for place in np.ndindex(4, 5):
        share = shares[0][place]
        want = minimize(lambda c, s=share: s @ np.sqrt(np.sum(np.square(c - centers), axis=-1) + 9), (0, 0), tol=1e-10)
        np.testing.assert_allclose(median[0][place], want.x, atol=0.02)


def test_the_median_of_two_colours_takes_a_side_and_that_of_one_is_itself():
    median = palette('lab', temperature=1.0, estimate='median')
    np.testing.assert_allclose(median.color(1e4 * jnp.eye(5)[None, None])[0, 0], CENTERS['lab'], atol=1e-4)
    two = Palette(size=2, basis='lab', temperature=1.0, estimate='median', centers=((0.0, 0.0), (30.0, 40.0)))
    logits = jnp.log(jnp.asarray([0.7, 0.3]))[None, None, None]
    assert jnp.linalg.norm(two.color(logits)) < 5
    np.testing.assert_allclose(jnp.linalg.norm(dataclasses.replace(two, estimate='mean').color(logits)), 15, rtol=1e-5)


def test_saturation_is_of_means_and_medians_where_they_are_taken():
    y = jax.random.normal(jax.random.key(0), (1, 3, 3, 5))
    plain = palette('lab', temperature=1.0, estimate='median')
    np.testing.assert_allclose(dataclasses.replace(plain, saturation=1.25).color(y), 1.25 * plain.color(y), rtol=1e-6)
    certain = 1e4 * jnp.eye(5)[None, None]
    more = np.asarray(palette('lab', temperature=1.0, compression=0.045, saturation=1.2).color(certain)[0, 0])
    chroma = np.linalg.norm(CENTERS['lab'], axis=-1)
    np.testing.assert_allclose(np.linalg.norm(more, axis=-1), ((1 + 0.045 * chroma) ** 1.2 - 1) / 0.045, rtol=1e-4)


def test_logits_of_a_quarter_of_the_size_are_interpolated():
    soft = palette('lab', sigma=5.0, temperature=1.0)
    x, y = jnp.zeros((1, 16, 8, 1)), jax.random.normal(jax.random.key(0), (1, 4, 2, 5))
    want = jax.image.resize(soft.color(y), (1, 16, 8, 2), 'linear')
    lab = skimage.color.rgb2lab(np.asarray(soft.join(x, y), np.float64))
    np.testing.assert_allclose(lab[..., 1:], want, atol=0.05)
    np.testing.assert_allclose(lab[..., 0], 50, atol=0.05)


def test_how_colours_are_shown_is_checked():
    with pytest.raises(UserError, match=r"space.estimate is 'mode': it must be mean or median"):
        palette('lab', estimate='mode')
    with pytest.raises(UserError, match=r'space.saturation is -1.0: it must be 0 or above; 1 leaves colours alone'):
        palette('lab', saturation=-1.0)
    with pytest.raises(UserError, match=r'space.saturation is 2.0: basis rgb has none'):
        palette('rgb', saturation=2.0)


@pytest.mark.parametrize('field', ['spacing', 'sigma', 'vividness', 'compression'])
def test_soft_fields_are_checked(field):
    with pytest.raises(UserError, match=f'space.{field} is -1.0: it must be 0 or above'):
        palette('lab', **{field: -1.0})
    with pytest.raises(UserError, match=f'space.{field} is 1.0: basis rgb has none'):
        palette('rgb', **{field: 1.0})
