import dm_pix
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.color
import skimage.data
import skimage.metrics
from scipy.special import log_softmax

from jaxcolor.evaluation import metrics

# L1 a1 b1, L2 a2 b2, and their difference: table 1 of Sharma, Wu and Dalal 2005.
SHARMA = np.array(
    [
        [50.0000, 2.6772, -79.7751, 50.0000, 0.0000, -82.7485, 2.0425],
        [50.0000, 3.1571, -77.2803, 50.0000, 0.0000, -82.7485, 2.8615],
        [50.0000, 2.8361, -74.0200, 50.0000, 0.0000, -82.7485, 3.4412],
        [50.0000, -1.3802, -84.2814, 50.0000, 0.0000, -82.7485, 1.0000],
        [50.0000, -1.1848, -84.8006, 50.0000, 0.0000, -82.7485, 1.0000],
        [50.0000, -0.9009, -85.5211, 50.0000, 0.0000, -82.7485, 1.0000],
        [50.0000, 0.0000, 0.0000, 50.0000, -1.0000, 2.0000, 2.3669],
        [50.0000, -1.0000, 2.0000, 50.0000, 0.0000, 0.0000, 2.3669],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0009, 7.1792],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0010, 7.1792],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0011, 7.2195],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0012, 7.2195],
        [50.0000, -0.0010, 2.4900, 50.0000, 0.0009, -2.4900, 4.8045],
        [50.0000, -0.0010, 2.4900, 50.0000, 0.0010, -2.4900, 4.8045],
        [50.0000, -0.0010, 2.4900, 50.0000, 0.0011, -2.4900, 4.7461],
        [50.0000, 2.5000, 0.0000, 50.0000, 0.0000, -2.5000, 4.3065],
        [50.0000, 2.5000, 0.0000, 73.0000, 25.0000, -18.0000, 27.1492],
        [50.0000, 2.5000, 0.0000, 61.0000, -5.0000, 29.0000, 22.8977],
        [50.0000, 2.5000, 0.0000, 56.0000, -27.0000, -3.0000, 31.9030],
        [50.0000, 2.5000, 0.0000, 58.0000, 24.0000, 15.0000, 19.4535],
        [50.0000, 2.5000, 0.0000, 50.0000, 3.1736, 0.5854, 1.0000],
        [50.0000, 2.5000, 0.0000, 50.0000, 3.2972, 0.0000, 1.0000],
        [50.0000, 2.5000, 0.0000, 50.0000, 1.8634, 0.5757, 1.0000],
        [50.0000, 2.5000, 0.0000, 50.0000, 3.2592, 0.3350, 1.0000],
        [60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644],
        [63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.2630],
        [61.2901, 3.7196, -5.3901, 61.4292, 2.2480, -4.9620, 1.8731],
        [35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901, 1.8645],
        [22.7233, 20.0904, -46.6940, 23.0331, 14.9730, -42.5619, 2.0373],
        [36.4612, 47.8580, 18.3852, 36.2715, 50.5065, 21.2231, 1.4146],
        [90.8027, -2.0831, 1.4410, 91.1528, -1.6435, 0.0447, 1.4441],
        [90.9257, -0.5406, -0.9208, 88.6381, -0.8985, -0.7239, 1.5381],
        [6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377],
        [2.0776, 0.0795, -1.1350, 0.9033, -0.0636, -0.5514, 0.9082],
    ]
)
PAIRWISE = [metrics.mae, metrics.psnr, metrics.ssim, metrics.delta_e]


@pytest.fixture
def truth() -> np.ndarray:
    """Crops of a photograph, float32 [4, 48, 40, 3] in [0, 1]."""
    photo = skimage.data.astronaut()[::2, ::2].astype(np.float32) / 255
    return np.stack([photo[top : top + 48, 60:100] for top in (0, 60, 120, 180)])


@pytest.fixture
def generated(truth) -> np.ndarray:
    """The truth with a cast and noise."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(truth.shape).astype(np.float32)
    return np.clip(truth * np.float32([0.9, 1.0, 0.8]) + noise, 0, 1)


def test_mae_and_psnr_by_hand():
    truth = jnp.full((2, 4, 4, 3), 0.5)
    generated = truth + jnp.array([0.1, 0.01]).reshape(2, 1, 1, 1)
    np.testing.assert_allclose(metrics.mae(generated, truth), [0.1, 0.01], rtol=1e-5)
    np.testing.assert_allclose(metrics.psnr(generated, truth), [20, 40], rtol=1e-5)


def test_mse_is_in_the_scale_of_what_is_compared():
    target = jnp.zeros((2, 4, 4, 2))
    output = target + jnp.array([3.0, -0.5]).reshape(2, 1, 1, 1)
    np.testing.assert_allclose(metrics.mse(output, target), [9, 0.25])
    np.testing.assert_allclose(metrics.mae(output, target), [3, 0.5])


def test_psnr_agrees_with_scikit_image(generated, truth):
    oracle = [
        skimage.metrics.peak_signal_noise_ratio(t, g, data_range=1) for t, g in zip(truth, generated, strict=True)
    ]
    np.testing.assert_allclose(jax.jit(metrics.psnr)(generated, truth), oracle, rtol=1e-5)


def test_ssim_agrees_with_scikit_image(generated, truth):
    # scikit-image averages over the pixels whose window lies inside, as we do.
    oracle = [
        skimage.metrics.structural_similarity(
            g, t, gaussian_weights=True, use_sample_covariance=False, data_range=1, channel_axis=-1
        )
        for g, t in zip(generated, truth, strict=True)
    ]
    np.testing.assert_allclose(jax.jit(metrics.ssim)(generated, truth), oracle, atol=1e-4)


@pytest.mark.parametrize(('height', 'width', 'window'), [(8, 20, 7), (9, 9, 9), (12, 3, 3), (1, 1, 1)])
def test_ssim_of_tiny_pictures_shrinks_the_window(generated, truth, height, width, window):
    g, t = jnp.array(generated[:, :height, :width]), jnp.array(truth[:, :height, :width])
    with jax.numpy_dtype_promotion('standard'):  # dm-pix's own filter divides an integer range
        oracle = dm_pix.ssim(g, t, filter_size=window)
    np.testing.assert_allclose(metrics.ssim(g, t), oracle, atol=1e-5)


def test_ciede2000_of_the_published_pairs():
    pairs = jnp.float32(SHARMA)
    for one, two in ((pairs[:, :3], pairs[:, 3:6]), (pairs[:, 3:6], pairs[:, :3])):
        for difference in (metrics.ciede2000, jax.jit(metrics.ciede2000)):
            np.testing.assert_allclose(difference(one, two), SHARMA[:, 6], atol=1.5e-4)


@pytest.mark.parametrize('spread', [100.0, 1.0, 0.01])
def test_ciede2000_agrees_with_scikit_image(spread):
    rng = np.random.default_rng(0)
    one, two = np.float32(rng.uniform([0, -1, -1], [100, 1, 1], (2, 20000, 3)))
    one[:, 1:] *= spread
    two[:, 1:] *= spread
    oracle = skimage.color.deltaE_ciede2000(np.float64(one), np.float64(two))
    np.testing.assert_allclose(jax.jit(metrics.ciede2000)(one, two), oracle, rtol=1e-4, atol=1e-3)


def test_ciede2000_where_hue_wraps_around():
    angle = np.deg2rad(np.linspace(-10, 10, 81))
    one = np.float32(np.stack([np.full(81, 60), 40 * np.cos(angle), 40 * np.sin(angle)], axis=-1))
    two = one[::-1] * np.float32([1, 1.1, 1.1])
    oracle = skimage.color.deltaE_ciede2000(np.float64(one), np.float64(two))
    np.testing.assert_allclose(jax.jit(metrics.ciede2000)(one, two), oracle, atol=1e-3)


def test_delta_e_agrees_with_scikit_image(generated, truth):
    lab = skimage.color.rgb2lab
    oracle = skimage.color.deltaE_ciede2000(lab(generated), lab(truth)).mean(axis=(1, 2))
    np.testing.assert_allclose(jax.jit(metrics.delta_e)(generated, truth), oracle, atol=1e-3)


def hasler_suesstrunk(image: np.ndarray) -> float:
    """The paper's formula for one picture, in float64."""
    red, green, blue = np.moveaxis(255 * np.float64(image), -1, 0)
    rg, yb = red - green, 0.5 * (red + green) - blue
    return np.sqrt(rg.var() + yb.var()) + 0.3 * np.sqrt(rg.mean() ** 2 + yb.mean() ** 2)


def test_colorfulness_is_the_papers(truth):
    red = np.zeros_like(truth[:1]) + np.float32([1, 0, 0])
    pictures = np.concatenate([truth, red])
    oracle = [hasler_suesstrunk(picture) for picture in pictures]
    np.testing.assert_allclose(jax.jit(metrics.colorfulness)(pictures), oracle, rtol=1e-4)
    np.testing.assert_allclose(oracle[-1], 0.3 * 255 * np.sqrt(1.25))


def test_grey_is_not_colorful(truth):
    grey = truth[..., :1].repeat(3, axis=-1)
    np.testing.assert_allclose(jax.jit(metrics.colorfulness)(grey), 0, atol=1e-4)


def test_rgb_distance_by_hand():
    truth = jnp.zeros((2, 1, 2, 3))
    generated = jnp.asarray([[[[3.0, 4.0, 0.0], [0.0, 0.0, 0.0]]], [[[255.0] * 3, [1.0, 2.0, 2.0]]]]) / 255
    expected = [(5 + 0) / 2, (255 * np.sqrt(3) + 3) / 2]
    np.testing.assert_allclose(metrics.rgb_distance(generated, truth), expected, rtol=1e-5)


def test_channel_accuracy_is_kerass():
    """`keras.metrics.categorical_accuracy`: whether the largest channel agrees, the first of several counting."""
    rng = np.random.default_rng(0)
    output, target = np.float32(rng.integers(0, 3, (2, 4, 16, 16, 3)))  # with many ties
    expected = (output.argmax(axis=-1) == target.argmax(axis=-1)).mean(axis=(1, 2))
    assert ((expected > 0.3) & (expected < 0.6)).all()
    np.testing.assert_allclose(jax.jit(metrics.channel_accuracy)(output, target), expected, rtol=1e-6)
    np.testing.assert_array_equal(metrics.channel_accuracy(jnp.zeros((1, 1, 1, 3)), jnp.zeros((1, 1, 1, 3))), [1])


def test_accuracy_and_cross_entropy_of_classes():
    rng = np.random.default_rng(0)
    logits, labels = 3 * rng.standard_normal((4, 8, 8, 5)), rng.integers(0, 5, (4, 8, 8, 1))
    logits[0] = 0.5  # knows nothing
    terms = -np.take_along_axis(log_softmax(logits, axis=-1), labels, axis=-1)
    np.testing.assert_allclose(terms[0].mean(), np.log(5))
    jaxed = jnp.float32(logits), jnp.int32(labels)
    np.testing.assert_allclose(metrics.cross_entropy(*jaxed), terms.mean(axis=(1, 2, 3)), rtol=1e-5)
    right = logits.argmax(axis=-1) == labels[..., 0]
    np.testing.assert_allclose(metrics.class_accuracy(*jaxed), right.mean(axis=(1, 2)), rtol=1e-6)


def test_identical_pictures_are_perfect(truth):
    flat = jnp.concatenate([truth, np.zeros_like(truth), np.ones_like(truth)])
    for metric, perfect in zip(PAIRWISE, [0, 100, 1, 0], strict=True):
        np.testing.assert_allclose(metric(flat, flat), perfect, atol=1e-6)


@pytest.mark.parametrize('metric', PAIRWISE, ids=lambda metric: metric.__name__)
def test_each_picture_has_its_own_score(metric, generated, truth):
    generated, truth = jnp.asarray(generated), jnp.asarray(truth)
    together = metric(generated, truth)
    assert together.shape == (len(truth),)
    alone = [metric(generated[i : i + 1], truth[i : i + 1])[0] for i in range(len(truth))]
    np.testing.assert_allclose(together, alone, rtol=1e-5)
    np.testing.assert_allclose(metric(truth, generated), together, rtol=1e-4)


def test_score_names_every_metric_and_its_floor(generated, truth):
    generated, truth = jnp.asarray(generated), jnp.asarray(truth)
    grey = truth.mean(axis=-1, keepdims=True).repeat(3, axis=-1)
    scores = jax.jit(metrics.score)(generated, truth, grey)
    for metric in PAIRWISE:
        name = metric.__name__
        np.testing.assert_allclose(scores.pop(name), metric(generated, truth), rtol=1e-4)
        np.testing.assert_allclose(scores.pop(f'grey_{name}'), metric(grey, truth), rtol=1e-4)
    np.testing.assert_allclose(scores.pop('colorfulness'), metrics.colorfulness(generated), rtol=1e-4)
    np.testing.assert_allclose(scores.pop('true_colorfulness'), metrics.colorfulness(truth), rtol=1e-4)
    assert not scores
