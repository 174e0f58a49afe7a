"""What `quality.py` computes by itself: the Fréchet distance, hints, a generator of PyTorch in our place."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from flax import linen as nn
from PIL import Image

from jaxcolor.color.convert import to_float
from jaxcolor.color.spaces import Lab
from jaxcolor.errors import UserError
from jaxcolor.evaluation import metrics, quality


def load_benchmark(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f'{name}.py'))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def benchmark():
    return load_benchmark('quality')


@pytest.mark.parametrize('count', [40, 4])  # fewer pictures than features: covariances without an inverse
def test_frechet_distance_is_that_of_a_matrix_square_root(benchmark, count):
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((count, 6)) @ rng.standard_normal((6, 6)) + shift for shift in (0, 0.5))
    root = scipy.linalg.sqrtm(np.cov(a, rowvar=False) @ np.cov(b, rowvar=False))
    spread = np.trace(np.cov(a, rowvar=False) + np.cov(b, rowvar=False) - 2 * root.real)
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + spread
    a, b = benchmark.statistics(a), benchmark.statistics(b)
    assert benchmark.frechet_distance(a, b) == pytest.approx(expected, rel=1e-4)
    assert benchmark.frechet_distance(a, a) == pytest.approx(0, abs=1e-6)


class Obedient(nn.Module):
    """Shows its hints, and grey elsewhere."""

    hints: bool = True

    def __call__(self, x, train, hints):
        return hints[..., :2].repeat(4, axis=1).repeat(4, axis=2)


def test_each_hint_is_one_patch_of_the_truth(benchmark):
    flat = np.random.default_rng(0).integers(90, 160, (19, 4, 4, 3), np.uint8).repeat(4, axis=1).repeat(4, axis=2)
    colorizer = SimpleNamespace(space=Lab(), generator=Obedient(), variables={})
    error = benchmark.error_with_hints(colorizer)
    errors = [error(flat, np.arange(19), np.full(19, count)) for count in (0, 8, 16)]
    grey = metrics.delta_e(*(to_float(jnp.asarray(images)) for images in (quality.grey(flat), flat)))
    np.testing.assert_allclose(errors[0], grey, atol=0.2)
    assert (errors[1] < errors[0]).all()
    np.testing.assert_allclose(errors[2], 0, atol=0.01)


def test_grey_pictures_are_left_out(benchmark, tmp_path):
    rng = np.random.default_rng(0)
    for number in range(4):
        pixels = rng.integers(0, 256, (40, 50, 1 if number % 2 else 3), np.uint8)
        Image.fromarray(np.broadcast_to(pixels, (40, 50, 3))).save(tmp_path / f'{number}.png')
    assert benchmark.read(str(tmp_path), 32, 10, 8).shape == (2, 32, 32, 3)
    assert benchmark.read(str(tmp_path), 32, 10, 0).shape == (4, 32, 32, 3)
    assert len(benchmark.read(str(tmp_path), 32, 2, 0)) == 2
    with pytest.raises(UserError, match='--min-colorfulness=300 leaves no picture'):
        benchmark.read(str(tmp_path), 32, 10, 300)


def test_a_generator_of_pytorch_says_the_same_here(monkeypatch):
    torch = pytest.importorskip('torch')
    pix2pix = load_benchmark('pix2pix_torch')
    monkeypatch.setattr(pix2pix, 'FILTERS', 4)
    networks = pix2pix.torch_networks()
    network = networks.UNet(4, pix2pix.DEPTH)
    x = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 1)).astype(np.float32)
    network.train()(networks.to_torch(x))  # statistics
    with torch.no_grad():
        expected = networks.to_numpy(network.eval()(networks.to_torch(x)))
    model = pix2pix.to_flax(networks, network, 1)
    got = jax.jit(lambda x: model.generator.apply(model.variables, x, train=False))(jnp.asarray(x))
    np.testing.assert_allclose(got, expected, atol=1e-4)
