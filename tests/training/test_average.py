"""The mean of several models: of their weights, with the statistics of pictures of the size that is asked for."""

import jax
import numpy as np
import pytest

from jaxcolor import Colorizer
from jaxcolor import config as configs
from jaxcolor.checkpoints import weights_file
from jaxcolor.checkpoints.load import load
from jaxcolor.checkpoints.model import Model, build
from jaxcolor.data.dataset import Dataset
from jaxcolor.distributed import parallel
from jaxcolor.errors import UserError
from jaxcolor.export import export
from jaxcolor.training import average, batch_statistics
from jaxcolor.training.state import build_system, create_state


def make_model(config, seed):
    space, generator = build(config)
    player = create_state(build_system(config, None), config.data.image_size, jax.random.key(seed)).generator
    return Model(config, seed, space, generator, jax.device_get(player.variables))


@pytest.fixture
def models(config):
    for player in ('generator_optimizer', 'discriminator_optimizer'):
        config[player] = configs.default()[player]  # files have its fields
    return [make_model(config, seed) for seed in (1, 2)]


def test_weights_are_the_mean_by_shares(models):
    mean = average.average(models, [1.0, 3.0], 'bundled', batches=1)
    jax.tree.map(
        lambda a, b, c: np.testing.assert_allclose(c, a / 4 + b * 3 / 4, 1e-6, 1e-7),
        *[model.variables['params'] for model in (*models, mean)],
    )
    assert mean.step == models[-1].step


def test_statistics_are_of_the_mean_and_of_pictures_of_that_size(models):
    """They are what training takes for these weights in such pictures."""
    size = 24
    models[-1].config.data.max_resize = 18  # of 16 pixels; of 24 it is 27
    mean = average.average(models, [1.0, 1.0], 'bundled', size, batches=9)
    config = models[0].config.copy_and_resolve_references()
    config.data.update(source='bundled', image_size=size, max_resize=27)
    system = build_system(config, parallel.AXIS)
    state = create_state(system, size, jax.random.key(0))
    state = state.replace(generator=state.generator.replace(params=mean.variables['params']))
    renew = batch_statistics.over(config, Dataset(config.data), system, 9)
    expected = renew(parallel.replicate(state)).generator.batch_stats
    assert jax.tree.leaves(expected)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-4, 1e-5), mean.variables['batch_stats'], expected)
    other = average.average(models, [1.0, 1.0], 'bundled', 16, batches=9).variables['batch_stats']
    assert max(np.abs(a - b).max() for a, b in zip(*map(jax.tree.leaves, (expected, other)), strict=True)) > 1e-3
    assert mean.config.data.image_size == size


def assert_same(got, want, rtol=1e-5):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol, 1e-6), got, want)


def test_statistics_of_other_sizes_serve_other_render_sizes(tmp_path, models):
    small, middle, large = (
        average.average(models, [1.0, 1.0], 'bundled', size, batches=2).variables['batch_stats'] for size in (8, 16, 32)
    )
    mean = average.average(models, [1.0, 1.0], 'bundled', 16, other_sizes=[32, 8], batches=2)
    file, again = tmp_path / 'mean.safetensors', tmp_path / 'again.safetensors'
    file.write_bytes(weights_file.encode(mean.config, mean.step, mean.variables))
    export(Colorizer.restore(file, render_size=32), again, 'safetensors')
    for model in (mean, load(file), load(again)):
        for size, want in ((8, small), (16, middle), (32, large), (4, small), (64, large)):
            assert_same(model.variables_at(size)['batch_stats'], want)
        share = np.log(24 / 16) / np.log(32 / 16)
        between = jax.tree.map(lambda a, b, share=share: a + share * (b - a), middle, large)
        assert_same(model.variables_at(24)['batch_stats'], between)
        assert_same(Colorizer(model, 24).variables['batch_stats'], between)
        assert_same(Colorizer(model).variables['batch_stats'], middle)
        assert set(model.variables_at(8)) == {'params', 'batch_stats'}


def test_a_single_model_keeps_its_own_statistics(models):
    more = average.average(models[:1], [1.0], 'bundled', other_sizes=[32], batches=2)
    assert_same(more.variables_at(16), models[0].variables, 0)
    assert more.config == models[0].config
    own = average.average(models[:1], [1.0], 'bundled', 32, batches=2).variables['batch_stats']
    assert_same(more.variables_at(32)['batch_stats'], own)


def test_a_file_of_a_model_with_fixed_statistics_can_have_those_of_other_sizes(models):
    """Files do not say what they started from, which training with fixed ones asks for."""
    models[0].config.norm_statistics = 'fixed'
    more = average.average(models[:1], [1.0], 'bundled', other_sizes=[32], batches=1)
    assert jax.tree.leaves(more.variables_at(32)['batch_stats'])
    assert more.config == models[0].config


def test_models_of_the_same_statistics_keep_them(models):
    """As those that were fine-tuned with theirs fixed; others are of other weights."""
    statistics = jax.tree.map(lambda leaf: leaf + 0.5, models[0].variables['batch_stats'])
    alike = [model._replace(variables=model.variables | {'batch_stats': statistics}) for model in models]
    mean = average.average(alike, [1.0, 1.0], 'bundled', batches=1)
    assert_same(mean.variables['batch_stats'], statistics, 0)
    assert mean.config == alike[-1].config
    anew = average.average([alike[0], models[1]], [1.0, 1.0], 'bundled', batches=2).variables['batch_stats']
    assert_same(anew, average.average(models, [1.0, 1.0], 'bundled', 16, batches=2).variables['batch_stats'])


def test_a_model_of_one_size_has_its_statistics_at_any(models):
    assert_same(models[0].variables_at(99), models[0].variables, 0)


@pytest.mark.parametrize(
    ('shares', 'words'),
    [
        ([1.0], 'are 1 for 2 models'),
        ([1.0, -1.0], '0 and more'),
        ([0.0, 0.0], 'not all of them 0'),
        ([1.0, float('nan')], '0 and more'),
    ],
)
def test_shares_that_are_none(models, shares, words):
    with pytest.raises(UserError, match=words):
        average.average(models, shares, 'bundled')


def test_models_that_differ(config, models):
    other = config.copy_and_resolve_references()
    configs.choose(other, 'generator', 'unet', depth=3, filters=8, dropout_layers=0)
    with pytest.raises(UserError, match=r'differ in generator\.filters; use models of one config'):
        average.average([models[0], make_model(other, 0)], [1.0, 1.0], 'bundled')


def test_files_become_one_that_colours(tmp_path, models):
    for number, model in enumerate(models):
        (tmp_path / f'{number}.safetensors').write_bytes(weights_file.encode(*model[:2], model.variables))
    names = [str(tmp_path / f'{number}.safetensors') for number in range(2)]
    output = tmp_path / 'new' / 'mean.safetensors'
    average.main([*names, '--source=bundled', f'--output={output}'])
    picture = np.random.default_rng(0).integers(0, 256, (20, 30), np.uint8)
    assert Colorizer.restore(output)(picture).shape == (20, 30, 3)
    with pytest.raises(SystemExit, match='no file'):
        average.main([*names, '--source=bundled', f'--output={tmp_path / "mean.bin"}'])
    with pytest.raises(SystemExit, match='there is no such file'):
        average.main([f'{names[0]}x.safetensors', '--source=bundled', f'--output={output}'])
