"""The evaluation over devices, batches and padding, of a network simple enough for NumPy and scikit-image."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.color
import skimage.data
from flax import linen as nn
from jaxtyping import Array, Float

from jaxcolor.color.palette import Palette
from jaxcolor.color.spaces import Lab, Luv, Rgb, Space
from jaxcolor.evaluation.evaluate import add_scores, colorize, evaluate, score_names
from jaxcolor.evaluation.scores import SCORES

PALETTE = Palette(size=4, centers=((20.0, 20.0, 25.0), (91.0, 85.0, 80.0), (170.0, 120.0, 90.0), (220.0, 215.0, 210.0)))
SPACES = [Lab(), Luv(scale=100.0), Rgb(), Rgb(signed=False), PALETTE]
each_space = pytest.mark.parametrize('space', SPACES, ids=lambda s: f'{s.name} signed={s.signed}')
AXIS = 'data'


class Straight(nn.Module):
    """Every channel a straight line over the input, and dropout where there is something to draw from."""

    channels: int

    @nn.compact
    def __call__(self, x: Float[Array, 'b h w 1'], train: bool) -> Float[Array, 'b h w c']:
        slope = jnp.linspace(-1.0, 1.0, self.channels).reshape(1, 1, 1, -1)
        y = slope * x + 0.25 * slope[..., ::-1]
        return nn.Dropout(0.5)(y, deterministic=not self.has_rng('dropout'))


def photos() -> np.ndarray:
    """Seven crops of a photograph, uint8 [7, 16, 16, 3]."""
    photo = skimage.data.astronaut()[::4, ::4]
    return np.stack([photo[16 * i : 16 * i + 16, 40:56] for i in range(7)])


def batches(images: np.ndarray, devices: int) -> list[dict[str, np.ndarray]]:
    """Two batches over the devices, the last one padded with pictures that would spoil the scores."""
    rows = np.concatenate([images, np.full((1, *images.shape[1:]), 255, np.uint8)]).reshape(2, devices, -1, 16, 16, 3)
    mask = (np.arange(8) < 7).reshape(2, devices, -1)
    return [{'image': image, 'mask': m} for image, m in zip(rows, mask, strict=True)]


@functools.cache
def mapped(space: Space, devices: int, sampling: bool) -> Callable:
    return jax.pmap(
        functools.partial(add_scores, space, Straight(space.channels), AXIS),
        AXIS,
        in_axes=(None, None, None, 0, 0, *(None,) * sampling),
        out_axes=None,
        devices=jax.local_devices()[:devices],
    )


def run(space: Space, *, devices: int = 2, seed: int | None = None, repeat: int = 1) -> dict[str, int | float]:
    """Scores `photos`, `repeat` times over; with dropout if there is a seed for it."""
    rng = None if seed is None else jax.random.key(seed)
    add = mapped(space, devices, rng is not None)
    return evaluate(space, add, jax.device_get, {}, repeat * batches(photos(), devices), rng)


def straight_output(space: Space) -> tuple[np.ndarray, np.ndarray]:
    """What `Straight` says of each picture, in float64, and the lightness that it was shown, by scikit-image."""
    L = skimage.color.rgb2lab(photos())[..., :1]
    slope = np.linspace(-1, 1, space.channels)
    return slope * (L / 50 - 1) + 0.25 * slope[::-1], L


@each_space
def test_every_name_has_a_score(space):
    scores = run(space)
    assert scores.pop('pictures') == 7
    assert tuple(scores) == score_names(space)
    assert {name for name in scores if not name.startswith(('grey_', 'true_'))} <= set(SCORES)
    assert np.isfinite(list(scores.values())).all()


def test_scores_do_not_depend_on_the_number_of_devices():
    two, four = run(Lab()), run(Lab(), devices=4)
    for name in two:
        np.testing.assert_allclose(four[name], two[name], rtol=1e-4, err_msg=name)


@pytest.mark.parametrize(
    ('space', 'convert'),
    [(Lab(), skimage.color.rgb2lab), (Luv(scale=100.0), skimage.color.rgb2luv)],
    ids=['lab', 'luv'],
)
def test_errors_of_chroma_in_the_networks_scale(space, convert):
    scores = run(space)
    output, _ = straight_output(space)
    target = convert(photos())[..., 1:] / space.scale
    np.testing.assert_allclose(scores['target_mae'], np.abs(output - target).mean(), rtol=1e-4)
    np.testing.assert_allclose(scores['target_mse'], np.square(output - target).mean(), rtol=1e-4)
    np.testing.assert_allclose(scores['grey_target_mae'], np.abs(target).mean(), rtol=1e-3)
    np.testing.assert_allclose(scores['grey_target_mse'], np.square(target).mean(), rtol=1e-3)
    assert 'accuracy' not in scores


@pytest.mark.parametrize('signed', [True, False])
def test_errors_of_rgb_in_the_networks_scale(signed):
    scores = run(Rgb(signed=signed))
    output, L = straight_output(Rgb())
    rgb = photos() / 255
    baseline = skimage.color.lab2rgb(np.concatenate([L, np.zeros((*L.shape[:-1], 2))], axis=-1))
    target, baseline = (2 * rgb - 1, 2 * baseline - 1) if signed else (rgb, baseline)
    np.testing.assert_allclose(scores['target_mae'], np.abs(output - target).mean(), rtol=1e-4)
    np.testing.assert_allclose(scores['target_mse'], np.square(output - target).mean(), rtol=1e-4)
    np.testing.assert_allclose(scores['grey_target_mae'], np.abs(baseline - target).mean(), rtol=1e-3)
    np.testing.assert_allclose(scores['grey_target_mse'], np.square(baseline - target).mean(), rtol=1e-3)
    agree = output.argmax(axis=-1) == photos().argmax(axis=-1)
    np.testing.assert_allclose(scores['accuracy'], agree.mean(), atol=2e-3)


def test_scores_of_classes():
    scores = run(PALETTE)
    logits, L = straight_output(PALETTE)
    centers = np.array(PALETTE.centers)
    image = photos().astype(np.float64)
    distances = np.linalg.norm(image[..., None, :] - centers, axis=-1)
    nearest, second, *_ = np.moveaxis(np.sort(distances, axis=-1), -1, 0)
    assert (second - nearest).min() > 1e-3  # of two equally near, float32's rounding would choose
    labels = distances.argmin(axis=-1)
    chosen = logits.argmax(axis=-1)
    np.testing.assert_allclose(scores['accuracy'], (chosen == labels).mean(), atol=2e-3)
    terms = np.log(np.exp(logits).sum(axis=-1)) - np.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]
    np.testing.assert_allclose(scores['cross_entropy'], terms.mean(), rtol=1e-4)
    distance = np.linalg.norm(centers[chosen] - image, axis=-1)
    np.testing.assert_allclose(scores['rgb_distance'], distance.mean(), rtol=1e-3)
    baseline = 255 * skimage.color.lab2rgb(np.concatenate([L, np.zeros((*L.shape[:-1], 2))], axis=-1))
    np.testing.assert_allclose(scores['grey_rgb_distance'], np.linalg.norm(baseline - image, axis=-1).mean(), rtol=1e-3)
    grey_labels = np.linalg.norm(baseline[..., None, :] - centers, axis=-1).argmin(axis=-1)
    np.testing.assert_allclose(scores['grey_accuracy'], (grey_labels == labels).mean(), atol=2e-3)


def test_a_key_turns_dropout_on_and_decides_it():
    still, one, again, other = (run(Lab(), seed=seed) for seed in (None, 0, 0, 1))
    assert one == again
    assert len({scores['target_mae'] for scores in (still, one, other)}) == 3
    assert one['grey_target_mae'] == still['grey_target_mae']


def test_batches_do_not_share_their_dropout():
    once, twice = run(Lab()), run(Lab(), repeat=2)
    assert twice['pictures'] == 14
    np.testing.assert_allclose(twice['target_mae'], once['target_mae'], rtol=1e-5)
    once, twice = (run(Lab(), seed=0, repeat=repeat) for repeat in (1, 2))
    assert abs(twice['target_mae'] / once['target_mae'] - 1) > 1e-4


def test_colorize_is_what_is_scored():
    space, image = Lab(), jnp.asarray(photos())
    grey, generated, true = colorize(space, Straight(2), {}, image)
    scores = run(space)
    np.testing.assert_allclose(jnp.abs(generated - true).mean(), scores['mae'], rtol=1e-5)
    np.testing.assert_allclose(jnp.abs(grey - true).mean(), scores['grey_mae'], rtol=1e-5)
    _, dropped, _ = colorize(space, Straight(2), {}, image, jax.random.key(0))
    assert not np.array_equal(dropped, generated)
