"""FID's network and LPIPS against their authors' own code (models/golden/metric_networks_make.py), at full width.

The files that a config names are checked on the way, and what may be wrong with them.
"""

import hashlib
import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from jaxcolor import config as configs
from jaxcolor.errors import UserError
from jaxcolor.evaluation import measures
from jaxcolor.models.inception import FidInception

GOLDEN = Path(__file__).parents[1] / 'models' / 'golden'
MAKE = runpy.run_path(str(GOLDEN / 'metric_networks_make.py'))
BACKBONES = {'lpips_alex': 'alex', 'lpips_vgg': 'vgg'}


def pictures(name):
    return jnp.asarray(MAKE['draw_pictures'](name))


def save(path, entries):
    save_file(entries, path)
    return path


@pytest.fixture(scope='module')
def fid_entries():
    return MAKE['draw_state_dict'](np.load(GOLDEN / 'fid_inception.npz')['entries'])


@pytest.fixture(scope='module')
def lpips_entries():
    golden = np.load(GOLDEN / 'lpips.npz')
    return {
        f'{network} {which}': MAKE['draw_state_dict'](golden[f'{network} {which}'])
        for network in BACKBONES.values()
        for which in ('backbone', 'heads')
    }


@pytest.fixture
def config():
    config = configs.default()
    config.data.image_size = 32
    return config


@pytest.fixture
def lpips_config(config, tmp_path, lpips_entries):
    """A config with the files of AlexNet."""
    for which in ('backbone', 'heads'):
        path = save(tmp_path / f'{which}.safetensors', lpips_entries[f'alex {which}'])
        config.metric_weights[f'lpips_{which}'] = str(path)
    config.metrics = ('lpips_alex',)
    return config


def test_features_of_fid_are_those_of_pytorch_fid(config, tmp_path, fid_entries):
    config.metrics = ('fid',)
    path = save(tmp_path / 'inception.safetensors', fid_entries)
    config.metric_weights.inception = str(path)
    config.metric_weights.inception_sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    loaded = measures.load(config)
    assert loaded.names == ('fid',)
    golden = np.load(GOLDEN / 'fid_inception.npz')['features']
    (params,) = loaded.on_device.sets['fid'].args
    features = jax.jit(FidInception().apply)({'params': params}, pictures('generated'))
    np.testing.assert_allclose(features, golden, atol=1e-4 * np.abs(golden).max())


@pytest.mark.parametrize('name', BACKBONES)
def test_lpips_is_that_of_its_authors(config, tmp_path, lpips_entries, name):
    config.metrics = (name,)
    for which in ('backbone', 'heads'):
        path = save(tmp_path / f'{which}.safetensors', lpips_entries[f'{BACKBONES[name]} {which}'])
        config.metric_weights[f'lpips_{which}'] = str(path)
    metric = measures.load(config).on_device.pictures[name]
    apply = jax.jit(lambda metric, *pair: metric(*pair))
    golden = np.load(GOLDEN / 'lpips.npz')[f'{BACKBONES[name]} distance']
    np.testing.assert_allclose(apply(metric, pictures('generated'), pictures('true')), golden, rtol=1e-4)
    np.testing.assert_array_equal(apply(metric, pictures('true'), pictures('true')), [0, 0])


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            lambda e: {n: v for n, v in e.items() if n != 'Mixed_6c.branch7x7_2.bn.bias'},
            'it lacks Mixed_6c.branch7x7_2.bn.bias$',
        ),
        (lambda e: e | {'AuxLogits.conv0.bn.bias': e['fc.bias']}, 'it also has AuxLogits.conv0.bn.bias$'),
        (lambda e: e | {'fc.bias': np.zeros(1000, np.float32)}, 'tells 1000 classes apart, not 1008$'),
        (
            lambda e: e | {'Conv2d_3b_1x1.bn.weight': np.zeros(64, np.float32)},
            r'Conv2d_3b_1x1.bn.weight has shape \(64,\), not \(80,\)$',
        ),
    ],
)
def test_weights_that_are_not_those_of_fid(config, tmp_path, fid_entries, change, message):
    config.metrics = ('fid',)
    path = save(tmp_path / 'inception.safetensors', change(fid_entries))
    config.metric_weights.inception = str(path)
    with pytest.raises(UserError, match=f"^metric_weights.inception='{path}': not the weights of FID's .*{message}"):
        measures.load(config)


def test_weights_that_are_not_those_of_lpips(lpips_config, tmp_path, lpips_entries):
    lpips_config.metrics = ('lpips_vgg',)
    with pytest.raises(UserError, match=r"^metric_weights.lpips_backbone='.*not the weights of VGG-16 .* it lacks"):
        measures.load(lpips_config)
    lpips_config.metrics = ('lpips_alex',)
    save(tmp_path / 'heads.safetensors', lpips_entries['vgg heads'])
    with pytest.raises(
        UserError, match=r"lpips_heads='.*: not LPIPS' heads for AlexNet: lin1.model.1.weight has shape"
    ):
        measures.load(lpips_config)
    save(tmp_path / 'heads.safetensors', lpips_entries['alex backbone'])
    with pytest.raises(UserError, match=r"lpips_heads='.*: not LPIPS' heads for AlexNet, lin0.model.1.weight to lin4"):
        measures.load(lpips_config)


def test_files_that_are_not_there_or_not_as_they_should_be(lpips_config, tmp_path):
    weights = lpips_config.metric_weights
    digest = hashlib.sha256((tmp_path / 'heads.safetensors').read_bytes()).hexdigest()
    weights.lpips_heads_sha256 = digest
    assert measures.load(lpips_config).names == ('lpips_alex',)
    weights.lpips_heads_sha256 = '0' * 64
    with pytest.raises(UserError, match=f'lpips_heads=.* has SHA-256 {digest}, not {"0" * 64} as given'):
        measures.load(lpips_config)
    weights.lpips_heads_sha256 = 'abc'
    with pytest.raises(UserError, match=r"^metric_weights.lpips_heads_sha256='abc' is not 64 hexadecimal digits"):
        measures.load(lpips_config)
    weights.update(lpips_heads_sha256='', lpips_heads=str(tmp_path / 'none.pth'))
    with pytest.raises(UserError, match=r'lpips_heads=.*no such file; use the path of one, or leave lpips_alex out'):
        measures.load(lpips_config)
    weights.lpips_heads = ''
    with pytest.raises(UserError, match=r"^metrics='lpips_alex' needs weights: metric_weights.lpips_heads is not set;"):
        measures.load(lpips_config)


def test_pictures_too_small_for_a_backbone(lpips_config):
    measures.load(lpips_config)
    for name, least in (('lpips_alex', 31), ('lpips_vgg', 16)):
        lpips_config.data.image_size = least - 1
        lpips_config.metrics = (name,)
        with pytest.raises(UserError, match=f'data.image_size={least - 1} is too small .*; use {least} or more'):
            measures.load(lpips_config)
