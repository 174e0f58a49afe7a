"""What `quality.py` computes by itself: hints, a generator of PyTorch in our place."""

import argparse
import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.hinted import obedient
from PIL import Image

from jaxcolor.errors import UserError
from jaxcolor.evaluation import quality


def load_benchmark(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f'{name}.py'))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def benchmark():
    return load_benchmark('quality')


def test_hints_are_the_mean_colours_of_patches_the_first_of_more_those_of_fewer(benchmark):
    flat = np.random.default_rng(0).integers(60, 190, (4, 4, 3), np.uint8)
    true = flat.repeat(5, axis=0).repeat(5, axis=1)  # 20 pixels, of a small copy of 16
    hints = benchmark.patches(true, 7, 16, 16)
    assert benchmark.patches(true, 7, 3, 16) == hints[:3]
    assert len({hint[:2] for hint in hints}) == 16
    for x, y, text in hints:
        found = np.array(list(bytes.fromhex(text[1:])))
        np.testing.assert_allclose(found, flat[int(y) // 5, int(x) // 5], atol=1)
        assert true[benchmark.window(x, y, 5)].shape == (5, 5, 3)
        assert np.ptp(true[benchmark.window(x, y, 5)].reshape(-1, 3), axis=0).max() == 0


def test_scores_rise_with_the_hints_of_a_generator_that_obeys(benchmark):
    flat = np.random.default_rng(0).integers(90, 160, (5, 4, 4, 3), np.uint8)
    true = flat.repeat(16, axis=1).repeat(16, axis=2)
    table = benchmark.hint_table('obedient', obedient(16), true, [0, 16])
    rows = [[float(number) for number in line.split('|')[2:-1]] for line in table.splitlines()[2:]]
    names = [line.split('|')[1].strip() for line in table.splitlines()[2:]]
    assert names == ['obedient: PSNR', 'obedient: Delta E', 'Levin et al. 2004: PSNR', 'Levin et al. 2004: Delta E']
    assert [row[0] < row[1] for row in rows] == [True, False, True, False]
    grey = quality.measure(quality.grey(true), true)
    assert rows[2][0] == pytest.approx(grey['psnr'], abs=0.05)
    assert rows[3][1] < 1.5  # a point in every flat square
    with pytest.raises(UserError, match='the generator takes none'):
        benchmark.hint_table('none', obedient(16, hints=False), true, [0])


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


def test_the_nearest_picture_lends_its_colours(benchmark, tmp_path, monkeypatch):
    """One of two references is the picture itself; features that know its lightness find it."""
    rng = np.random.default_rng(0)
    flat = rng.integers(60, 190, (2, 4, 4, 3), np.uint8).repeat(10, axis=1).repeat(10, axis=2)
    for number, picture in enumerate(flat):
        Image.fromarray(picture).save(tmp_path / f'{number}.png')
    monkeypatch.setattr(
        benchmark, 'lite0_features', lambda: lambda images: images.mean(axis=-1).reshape(len(images), -1)
    )
    grey = quality.grey(flat)
    args = argparse.Namespace(size=40, min_colorfulness=8)
    for order in (slice(None), slice(None, None, -1)):
        found = benchmark.welsh_from(str(tmp_path), grey[order], args)
        assert quality.measure(found, flat[order])['delta_e'] < 0.5 * quality.measure(grey, flat)['delta_e']


def test_levin_comes_nearer_with_more_colours(benchmark):
    flat = np.random.default_rng(0).integers(90, 160, (2, 4, 4, 3), np.uint8)
    true = flat.repeat(8, axis=1).repeat(8, axis=2)
    grey = quality.grey(true)
    errors = [quality.measure(benchmark.levin_from(true, grey, count), true)['delta_e'] for count in (0, 8, 64)]
    assert errors[0] == pytest.approx(quality.measure(grey, true)['delta_e'], abs=0.05)
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1


def test_a_folder_is_not_its_own_reference(benchmark, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr('sys.argv', ['quality.py', str(tmp_path), '--welsh', f'{tmp_path}/'])
    with pytest.raises(SystemExit):
        benchmark.main()
    assert 'whose pictures would be their own references; use another' in capsys.readouterr().err
