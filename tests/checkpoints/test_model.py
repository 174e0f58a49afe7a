"""Models by name, in files and on the hub; what is wrong with any of them is said."""

import jax
import numpy as np
import pytest
from helpers.data import PHOTOGRAPHS
from helpers.hub_server import Hub, serve
from safetensors.numpy import load_file, save_file

from jaxcolor import Colorizer, cli, compilation_cache, weights
from jaxcolor import config as configs
from jaxcolor.checkpoints import weights_file
from jaxcolor.checkpoints.load import card, load
from jaxcolor.checkpoints.model import OTHER_SIZES
from jaxcolor.errors import UserError
from jaxcolor.evaluation import quality
from jaxcolor.imaging import photos, resize

SMALL = {'depth': 2, 'filters': 2, 'dropout_layers': 0}
GREY = np.linspace(0, 255, 40 * 40).reshape(40, 40).astype(np.uint8)


@pytest.fixture(scope='module')
def run(make_run):
    return make_run(generator_fields=SMALL, image_size=8)


@pytest.fixture
def file(run, tmp_path):
    assert cli.main(['export', f'--model={run}', '--format=safetensors', f'--output={tmp_path}/a.safetensors']) == 0
    return tmp_path / 'a.safetensors'


def change(file, tensors=None, **metadata):
    """The same file with other tensors or metadata."""
    with weights_file.safe_open(file, framework='numpy') as opened:
        before = opened.metadata()
    save_file(load_file(file) if tensors is None else tensors, file, {**before, **metadata})


def test_a_file_is_the_model_of_the_run(run, file):
    before, after = load(run), load(file)
    assert (after.step, after.space, after.generator) == (before.step, before.space, before.generator)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6), before.variables, after.variables)
    assert {leaf.dtype for leaf in jax.tree.leaves(after.variables)} == {np.dtype(np.float32)}
    again = weights_file.encode(after.config, after.step, after.variables)
    file.write_bytes(again)
    jax.tree.map(np.testing.assert_array_equal, load(file).variables, after.variables)


@pytest.mark.skipif(not PHOTOGRAPHS.is_dir(), reason='places128 is not here')
def test_the_model_that_comes_along_serves_other_render_sizes():
    """Its statistics are of several sizes; with those of 128 px alone it is worse at others."""
    model = load()
    assert {*model.variables[OTHER_SIZES]} == {'96', '160', '192', '256'}
    alone = model._replace(variables={key: model.variables[key] for key in ('params', 'batch_stats')})
    scenes = sorted((PHOTOGRAPHS / 'test').rglob('*.jpg'))[::8]
    true = np.stack([resize.fit(photos.read_rgb(path), 192) for path in scenes])
    grey = quality.grey(true)

    def delta_e(model):
        return quality.measure(quality.in_batches(Colorizer(model, 192), grey), true)['delta_e']

    assert delta_e(model) < min(delta_e(alone), quality.measure(grey, true)['delta_e'])


@pytest.mark.parametrize(
    ('source', 'kept'),
    [
        (
            'folder:/home/ann/scans*3 + bundled + parquet:/home/ann/x.parquet',
            'folder:scans*3 + bundled + parquet:x.parquet',
        ),
        ('folder:/home/ann/scans', 'folder:scans'),
        ('folder:scans', 'folder:scans'),
        ('bundled', 'bundled'),
    ],
)
def test_a_file_names_no_folder_of_the_machine(run, tmp_path, source, kept):
    model = load(run)
    config = configs.from_json(configs.to_json(model.config))
    config.data.source, config.pretrained.weights = source, '/home/ann/resnet.pth'
    config.init_from = '/home/ann/runs/first:best'
    (tmp_path / 'a.safetensors').write_bytes(weights_file.encode(config, 1, model.variables))
    read = load(tmp_path / 'a.safetensors').config
    assert (read.data.source, read.pretrained.weights, read.init_from) == (kept, 'resnet.pth', 'first:best')
    assert config.data.source == source


def test_a_file_of_an_older_version_has_defaults_for_what_it_lacks(run, tmp_path):
    model = load(run)
    older = configs.from_json(configs.to_json(model.config))
    del older.ema_decay, older.generator.dropout
    (tmp_path / 'a.safetensors').write_bytes(weights_file.encode(older, 1, model.variables))
    found = load(tmp_path / 'a.safetensors').config
    assert (found.ema_decay, found.generator.dropout) == (configs.default().ema_decay, 0.5)
    del older.generator.name
    (tmp_path / 'a.safetensors').write_bytes(weights_file.encode(older, 1, model.variables))
    with pytest.raises(UserError, match=r'/a.safetensors: its config is no config: generator.name=None is no name'):
        load(tmp_path / 'a.safetensors')


def test_what_is_wrong_with_a_file_is_said(file, run):
    whole = file.read_bytes()
    with pytest.raises(UserError, match=r"checkpoint='best': .* has one alone; leave it out"):
        load(file, 'best')
    with pytest.raises(UserError, match=r'b\.safetensors: there is no such file; name another, or one of photos'):
        load(file.with_name('b.safetensors'))
    change(file, step='7')
    with pytest.raises(UserError, match=r'is damaged: SHA-256 of its content is .*; get it again'):
        load(file)
    change(file, format_version='0')
    with pytest.raises(UserError, match=r"format_version='0', this jaxcolor reads '1'"):
        load(file)
    change(file, {'a': np.zeros(1)}, format='pt')
    with pytest.raises(UserError, match='holds no model of jaxcolor; write one with'):
        load(file)
    file.write_bytes(whole[:-4])
    with pytest.raises(UserError, match=r'can not be read as safetensors: .*get it again'):
        load(file)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--output=net'], '--output=net would not be known as a model again; use net.safetensors'),
        (['--output=a.safetensors', '--size=8'], '--size=8 does not go with --format=safetensors'),
    ],
)
def test_a_file_is_written_under_a_name_that_is_known_again(run, options, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(['export', f'--model={run}', '--format=safetensors', *options]) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_model_that_comes_along(capsys):
    colorizer = Colorizer()
    assert colorizer.has_palette and colorizer.config.generator.name == 'efficientnet_unet'
    colored = colorizer(GREY)
    assert colored.shape == (40, 40, 3)
    entry = weights.entry(weights.DEFAULT)
    assert entry.parameters == colorizer.describe()['parameters']
    assert entry.path.stat().st_size < 30e6
    assert '/' not in colorizer.config.data.source
    assert cli.main(['models']) == 0
    out = capsys.readouterr().out
    assert out.startswith('photos: ') and str(entry.path) in out


def test_vividness_is_one_program_for_all_values():
    colorizer = Colorizer()
    calm, bold = (colorizer(GREY, vividness=v).astype(int) for v in (0.0, 0.6))
    spread = [np.ptp(picture, axis=-1).mean() for picture in (calm, bold)]
    assert spread[1] > spread[0]
    as_configured = colorizer(GREY, vividness=colorizer.space.vividness)
    np.testing.assert_array_equal(as_configured, colorizer(GREY))


def test_a_run_goes_before_a_model_of_the_same_name(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'photos').symlink_to(run)
    assert load('photos').generator.__class__.__name__ == 'UNet'
    assert card('photos') is None
    (tmp_path / 'photos').unlink()
    (tmp_path / 'photos').mkdir()  # of pictures
    assert load('photos').generator.__class__.__name__ == 'EfficientNetUNet'
    assert card('photos').summary == 'photographs of any kind, a U-Net on EfficientNet-Lite0'
    assert card('photos').bad_at.startswith('Interiors, crowds and dark') and '\n' not in card('photos').bad_at


@pytest.fixture
def hub(file, tmp_path, monkeypatch):
    with serve(
        Hub('ann/model', 'v1', {'model.safetensors': file.read_bytes()}), tmp_path / 'cache', monkeypatch
    ) as hub:
        yield hub


def test_a_model_of_the_hub_at_a_revision(hub, file):
    found = load('hf:ann/model@v1')
    jax.tree.map(np.testing.assert_array_equal, found.variables, load(file).variables)
    with pytest.raises(UserError, match=r'hf:ann/other: it is not in the cache, and .*RepositoryNotFoundError'):
        load('hf:ann/other')
    with pytest.raises(UserError, match='is no model of the hub; use hf:OWNER/NAME'):
        load('hf:ann')


def test_what_the_hub_sent_is_checked(hub):
    right = hub.etags['model.safetensors'] = '0' * 64
    with pytest.raises(UserError, match=f'hf:ann/model@v1: .* not {right} as the hub says'):
        load('hf:ann/model@v1')


def test_results_go_beside_the_pictures_and_are_never_inputs(run, tmp_path, monkeypatch, capsys):
    from PIL import Image

    monkeypatch.setattr(compilation_cache, 'use', lambda: None)
    scans = tmp_path / 'scans'
    (scans / 'old').mkdir(parents=True)
    for name in ('a.png', 'old/b.png'):
        Image.fromarray(GREY).save(scans / name)
    for path, expected in (
        (scans, '2 coloured'),
        (scans, '2 skipped'),
        (tmp_path, '2 coloured'),
        (scans / 'a.png', '1 s'),
    ):
        assert cli.main(['colorize', str(path), f'--model={run}']) == 0
        assert expected in capsys.readouterr().out
    assert sorted(file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob('*.png')) == [
        'colorized/scans/a.png',
        'colorized/scans/old/b.png',
        'scans/a.png',
        'scans/colorized/a.png',
        'scans/colorized/old/b.png',
        'scans/old/b.png',
    ]
