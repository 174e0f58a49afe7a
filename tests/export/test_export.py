"""Exports, each reloaded in a fresh process of its own runtime, against the Flax model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from PIL import Image

from jaxcolor import cli
from jaxcolor import config as configs
from jaxcolor.checkpoints.restore import Model
from jaxcolor.color.spaces import build_space
from jaxcolor.errors import UserError
from jaxcolor.export import export, metadata
from jaxcolor.export.network import Network
from jaxcolor.inference.colorizer import Colorizer
from jaxcolor.models import build_generator

ROOT = Path(__file__).parents[2]

PACKAGES = {'stablehlo': (), 'savedmodel': ('tensorflow',), 'onnx': ('jax2onnx', 'onnx', 'onnxruntime')}
GENERATORS = {
    'unet': {'depth': 4, 'filters': 4},
    'dcgan': {'filters': 4},
    'valid': {'filters': 2, 'output_activation': 'tanh'},
    'conv_unet': {'filters': 4, 'depth': 3},
    'resnet_unet': {'filters': 4},
    'efficientnet_unet': {'width': 0.1, 'widths': (8, 8, 8, 8), 'enlarge': 2},
}
NOISY = {'sampling': 'dropout', 'dtype': 'bfloat16'}


@pytest.fixture(autouse=True)
def symbolic_sizes():
    """Lets sizes be symbols, which are no `int` to beartype."""
    jaxtyping.config.update('jaxtyping_disable', True)
    yield
    jaxtyping.config.update('jaxtyping_disable', False)


def export_or_skip(colorizer, path, file_format, **options):
    """`export`, where TensorFlow is not older than JAX; that it is, is said and nothing written."""
    try:
        return export(colorizer, path, file_format, **options)
    except UserError as error:
        if 'can not read the StableHLO of JAX' not in str(error):
            raise
        assert not path.exists()
        pytest.skip(str(error))


def forward(colorizer, x):
    return np.asarray(jax.jit(lambda x: colorizer.generator.apply(colorizer.variables, x, train=False))(x))


@pytest.fixture(scope='module')
def colorizers():
    return {name: build(name, weights=True, **fields) for name, fields in GENERATORS.items()}


def build(name='unet', space='lab', space_fields=None, weights=False, **fields):
    config = configs.default()
    configs.choose(config, 'space', space, **(space_fields or {}))
    configs.choose(config, 'generator', name, **fields)
    config.data.image_size = 32
    space = build_space(config.space.to_dict())
    generator = build_generator(config.generator.to_dict(), space.channels)
    variables = draw(generator) if weights else {}
    return Colorizer(Model(config, 7, space, generator, variables))


def draw(generator):
    """Weights and running statistics, none of which is as it starts."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: generator.init(jax.random.key(0), jnp.zeros((1, 32, 32, 1)), False))

    def leaf(path, shape):
        if path[-1].key in ('scale', 'var'):
            return rng.uniform(0.5, 1.5, shape.shape).astype(np.float32)
        spread = 0.1 if len(shape.shape) == 1 else np.sqrt(2 / np.prod(shape.shape[:3]))
        return (spread * rng.standard_normal(shape.shape)).astype(np.float32)

    return jax.tree_util.tree_map_with_path(leaf, shapes)


@pytest.fixture(scope='module')
def cases(colorizers):
    """By name: whose generator, the size of the export, pictures and what the Flax model says to them."""
    rng = np.random.default_rng(0)
    # Exports that leave sizes open favour none, so one that is not square, of an odd batch, is enough; two for some.
    wide, square = (rng.uniform(-1, 1, shape).astype(np.float32) for shape in ((3, 32, 64, 1), (1, 48, 48, 1)))
    pictures = {name: (name, None, [wide, square] if name in ('unet', 'dcgan') else [wide]) for name in colorizers}
    pictures['fixed'] = ('dcgan', 32, [wide[:, :, :32], wide[:1, :, 32:]])
    cases = {}
    for case, (name, size, xs) in pictures.items():
        ys = [forward(colorizers[name], x) for x in xs]
        assert min(np.abs(y).max() for y in ys) > 0.1, 'too faint to be compared'
        cases[case] = (name, size, xs, ys)
    return cases


@pytest.mark.parametrize('file_format', PACKAGES)
def test_each_export_says_what_the_flax_model_says_in_its_own_runtime(file_format, colorizers, cases, tmp_path):
    for package in PACKAGES[file_format]:
        pytest.importorskip(package)
    for case, (name, size, xs, ys) in cases.items():
        arrays = {f'{letter}{i}': array for letter, all_ in (('x', xs), ('y', ys)) for i, array in enumerate(all_)}
        np.savez(tmp_path / f'{case}.npz', **arrays)
        written = export_or_skip(colorizers[name], tmp_path / f'{case}.{file_format}', file_format, size=size)
        assert json.loads(written.notes.read_text()) == written.description
        programs = written.path.rglob('*') if written.path.is_dir() else [written.path]
        here = str(Path(cli.__file__).parents[1]).encode()
        assert not any(here in program.read_bytes() for program in programs if program.is_file())
    picture = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / 'unet.png')
    differences = reload(file_format, tmp_path)
    assert differences.keys() == cases.keys()
    assert max(differences.values()) < 1e-4, differences
    if file_format == 'savedmodel':
        colored = np.asarray(Image.open(tmp_path / 'colored.png')).astype(int)
        space = colorizers['unet'].space
        x, _ = space.split(picture[None])
        joined = np.asarray(space.join(x, forward(colorizers['unet'], x)))[0]
        assert np.abs(colored - 255 * joined).max() <= 1.5


def reload(file_format, folder):
    script = ROOT / 'tests/helpers/reload.py'
    environment = {k: v for k, v in os.environ.items() if not k.startswith(('JAX_NUMPY', 'PYTHONPATH'))}
    done = subprocess.run(
        [sys.executable, script, file_format, folder], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_an_onnx_file_is_whole_and_for_browsers(colorizers, tmp_path):
    onnx = pytest.importorskip('onnx')
    pytest.importorskip('jax2onnx')
    written = export(colorizers['resnet_unet'], tmp_path / 'net.onnx', 'onnx')
    assert sorted(path.name for path in tmp_path.iterdir()) == ['net.onnx', 'net.onnx.json']
    model = onnx.load(written.path)
    onnx.checker.check_model(model, full_check=True)
    assert [(o.domain, o.version) for o in model.opset_import] == [('', 17)]
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    assert {node.domain for node in model.graph.node} == {''}
    assert not {node.op_type for node in model.graph.node} & {'If', 'Loop', 'Scan'}
    (properties,) = model.metadata_props
    assert json.loads(properties.value) == written.description


@pytest.mark.parametrize(
    ('name', 'fields', 'least', 'step'),
    [
        ('unet', {'depth': 8}, 256, 256),
        ('dcgan', {}, 4, 4),
        ('valid', {}, 25, 1),
        ('conv_unet', {'depth': 3}, 4, 4),
        ('resnet_unet', {}, 32, 32),
        ('efficientnet_unet', {'width': 0.1}, 32, 32),
        ('efficientnet_unet', {'width': 0.1, 'enlarge': 4}, 8, 8),
    ],
)
def test_the_sizes_are_those_that_the_network_takes(name, fields, least, step):
    colorizer = build(name, **fields)
    described = metadata.describe(colorizer, Network.of(colorizer), 'onnx', Path('net'))
    assert described['sizes'] == {'batch': 'any', 'height_and_width': {'multiple_of': step, 'at_least': least}}


@pytest.mark.parametrize(
    ('space', 'fields', 'channels', 'meaning'),
    [
        ('lab', {'scale': 127.5}, 2, 'a* = 127.5 * y[..., 0], b* = 127.5 * y[..., 1]; L* = 50 * (x + 1)'),
        ('luv', {}, 2, 'u* = 175 * y[..., 0], v* = 175 * y[..., 1]; L* = 50 * (x + 1)'),
        ('rgb', {'signed': True}, 3, 'sRGB in [0, 1] = clip((y + 1) / 2, 0, 1)'),
        ('rgb', {'signed': False}, 3, 'sRGB in [0, 1] = clip(y, 0, 1)'),
        (
            'palette',
            {'size': 2, 'centers': ((0.0, 0.0, 0.0), (255.0, 255.0, 255.0))},
            2,
            'logits: a pixel has the sRGB in [0, 255] of space.centers[argmax(y)]',
        ),
        (
            'palette',
            {'size': 2, 'basis': 'lab', 'temperature': 0.38, 'centers': ((0.0, 0.0), (9.0, 9.0))},
            2,
            'logits: a pixel has the a*, b* of softmax(y / 0.38) @ space.centers; L* = 50 * (x + 1)',
        ),
        (
            'palette',
            {
                'size': 2,
                'basis': 'lab',
                'temperature': 1.0,
                'vividness': 0.2,
                'centers': ((0.0, 0.0), (9.0, 9.0)),
                'frequencies': (0.5, 0.5),
            },
            2,
            'logits: a pixel has the a*, b* of softmax((y - 0.2 * log(max(space.frequencies, 1e-5))) / 1) '
            '@ space.centers; L* = 50 * (x + 1)',
        ),
        (
            'palette',
            {
                'size': 2,
                'basis': 'lab',
                'temperature': 1.0,
                'compression': 0.045,
                'centers': ((0.0, 0.0), (9.0, 9.0)),
            },
            2,
            'logits: a pixel has the a*, b* of softmax(y / 1) @ space.centers, whose lengths C are '
            'ln(1 + 0.045 C) / 0.045 for the mean, and that of the mean (exp(0.045 C) - 1) / 0.045; L* = 50 * (x + 1)',
        ),
        (
            'palette',
            {
                'size': 2,
                'basis': 'lab',
                'temperature': 1.0,
                'estimate': 'median',
                'saturation': 1.2,
                'centers': ((0.0, 0.0), (9.0, 9.0)),
            },
            2,
            'logits: a pixel has the a*, b* of softmax(y / 1) @ space.centers; instead of the mean m, where that is '
            'after four times m = sum(w centers) / sum(w), w = softmax(…) / sqrt(|m - centers|^2 + 9); '
            'median times 1.2; L* = 50 * (x + 1)',
        ),
    ],
)
def test_the_description_says_what_the_numbers_mean(space, fields, channels, meaning):
    colorizer = build(space=space, space_fields=fields, depth=2)
    described = metadata.describe(colorizer, Network.of(colorizer, 64), 'stablehlo', Path('net'))
    assert described['output'] == {
        'name': 'y',
        'dtype': 'float32',
        'shape': ['b', 64, 64, channels],
        'meaning': meaning,
    }
    assert described['input']['shape'] == ['b', 64, 64, 1]
    assert described['sizes'] == {'batch': 'any', 'height_and_width': 64}
    assert (described['step'], described['noise']) == (7, 'none')
    assert json.loads(json.dumps(described['space'])) == json.loads(json.dumps(colorizer.config.space.to_dict()))


def test_the_description_says_that_the_output_is_smaller():
    colorizer = build('efficientnet_unet', width=0.1)
    for size, shape in ((64, ['b', 16, 16, 2]), (None, ['b', 'h/4', 'w/4', 2])):
        described = metadata.describe(colorizer, Network.of(colorizer, size), 'onnx', Path('net'))['output']
        assert described['shape'] == shape
        assert 'y has one for each 4 x 4 pixels of x: interpolate' in described['meaning']


def test_the_command_tells_of_noise_that_is_left_out_and_how_to_call(make_run, tmp_path, capsys):
    run, path = make_run('unet', **NOISY), tmp_path / 'net.stablehlo'
    assert cli.main(['export', f'--model={run}', f'--output={path}', '--format=stablehlo', '--size=32']) == 0
    first, shapes, _, *usage = capsys.readouterr().out.splitlines()
    assert first.startswith(f'{path} (0.')
    assert shapes == 'x float32 [b, 32, 32, 1] -> y float32 [b, 32, 32, 2]'
    assert 'without that noise' in json.loads(path.with_name('net.stablehlo.json').read_text())['noise']
    names = {'x': np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 1)).astype(np.float32)}
    exec('\n'.join(line.strip() for line in usage), names)
    colorizer = Colorizer.restore(run)
    assert colorizer.generator.dtype == 'bfloat16'
    single = colorizer.generator.clone(dtype=np.float32)
    y = jax.jit(lambda x: single.apply(colorizer.variables, x, train=False))(names['x'])
    np.testing.assert_allclose(names['y'], y, atol=1e-5)


def test_nothing_is_overwritten_unless_asked(colorizers, tmp_path, capsys):
    path = tmp_path / 'net.stablehlo'
    path.write_text('something of mine')
    with pytest.raises(UserError, match=r'net\.stablehlo is there; choose another --output, or add --overwrite'):
        export(colorizers['dcgan'], path, 'stablehlo')
    assert path.read_text() == 'something of mine'
    export(colorizers['dcgan'], path, 'stablehlo', overwrite=True)
    assert path.stat().st_size > 10_000
    path.unlink()
    with pytest.raises(UserError, match=r'net\.stablehlo\.json is there'):
        export(colorizers['dcgan'], path, 'stablehlo')


@pytest.mark.parametrize('file_format', ['savedmodel', 'onnx'])
def test_a_folder_that_is_no_export_is_never_replaced(colorizers, tmp_path, file_format):
    (tmp_path / 'diary.txt').write_text('dear diary')
    with pytest.raises(UserError, match='is there and no export of this format; choose another --output'):
        export(colorizers['dcgan'], tmp_path, file_format, overwrite=True)
    assert (tmp_path / 'diary.txt').exists()


def test_a_folder_is_whole_or_as_before(colorizers, tmp_path, monkeypatch):
    tf = pytest.importorskip('tensorflow')
    path = tmp_path / 'net'
    export_or_skip(colorizers['dcgan'], path, 'savedmodel')
    before = sorted(file.name for file in path.rglob('*'))

    def disk_full(module, folder, signatures):
        (Path(folder) / 'saved_model.pb').write_bytes(b'half')
        raise OSError(28, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(tf.saved_model, 'save', disk_full)
        for other, overwrite in ((path, True), (tmp_path / 'new', False)):
            with pytest.raises(UserError, match='can not be written: No space left on device'):
                export(colorizers['dcgan'], other, 'savedmodel', overwrite=overwrite)
    assert [file.name for file in tmp_path.iterdir()] == ['net']
    assert sorted(file.name for file in path.rglob('*')) == before
    assert tf.saved_model.load(str(path)).signatures['serving_default'] is not None


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--format=stablehlo', '--size=33'], 'image size 33 is not divisible by 2^depth ='),
        (['--format=stablehlo', '--output=config.json/net'], 'can not be written: File exists; choose another'),
        (['--format=onnx'], '--format=onnx needs jax2onnx, which is not installed for Python 3.'),
        (['--format=savedmodel'], '--format=savedmodel needs tensorflow, which is not installed for Python 3.'),
    ],
)
def test_mistakes_end_in_one_line(make_run, options, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'config.json').write_text('{}')
    for package, part in (('jax2onnx', 'onnx'), ('tensorflow', 'savedmodel')):
        monkeypatch.setitem(sys.modules, package, None)
        monkeypatch.delitem(sys.modules, f'jaxcolor.export.{part}', raising=False)
    assert cli.main(['export', f'--model={make_run("unet", **NOISY)}', '--output=net', *options]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert [path.name for path in tmp_path.iterdir()] == ['config.json']
