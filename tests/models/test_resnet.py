"""ResNet-18 and its U-Net against values from PyTorch (golden/resnet_make.py), and their convolutions' forms."""

import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxcolor.errors import UserError
from jaxcolor.models import torch_weights
from jaxcolor.models.conv import conv
from jaxcolor.models.resnet import ResNet18
from jaxcolor.models.resnet_unet import ResNetUNet, icnr_init

FOLDER = Path(__file__).parent / 'golden'
MAKE = runpy.run_path(str(FOLDER / 'resnet_make.py'))


def draw(name, shape):
    return jnp.asarray(MAKE['draw'](name, shape))


def picture(channels):
    return draw('x', (MAKE['BATCH'], MAKE['SIZE'], MAKE['SIZE'], channels))


def encoder(channels):
    """A tiny ResNet-18, the golden values and the variables that made them."""
    golden = np.load(FOLDER / f'resnet_{channels}.npz')
    model = ResNet18(MAKE['FILTERS'])
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), picture(channels), False))
    params, stats = torch_weights.to_flax(MAKE['draw_state_dict'](golden), shapes['params'], shapes['batch_stats'])
    return model, golden, {'params': params, 'batch_stats': stats}


def assert_close(got, want, message='', tolerance=1e-4):
    scale = np.abs(want).max()
    np.testing.assert_allclose(np.asarray(got) / scale, want / scale, atol=tolerance, err_msg=message)


def under_torch_names(params):
    names = {'kernel': 'weight', 'scale': 'weight', 'bias': 'bias'}
    paths = (([key.key for key in path], leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(params))
    return {'.'.join((*layers, names[kind])).replace('_', '.'): leaf for (*layers, kind), leaf in paths}


@pytest.mark.parametrize('channels', [1, 3])
def test_encoder_equals_pytorch(channels):
    model, golden, variables = encoder(channels)
    x = picture(channels)
    features = jax.jit(lambda v: model.apply(v, x, False))(variables)
    assert [f.shape[1] for f in features] == [MAKE['SIZE'] // 2**i for i in range(1, 6)]
    for i, feature in enumerate(features):
        assert_close(feature, golden[f'eval {i}'], f'features {i}')

    def loss(params):
        features, _ = model.apply(variables | {'params': params}, x, True, mutable=['batch_stats'])
        return sum(jnp.sum(f * draw(f'cotangent_{i}', f.shape)) for i, f in enumerate(features)), features[-1]

    gradients, last = jax.jit(jax.grad(loss, has_aux=True))(variables['params'])
    assert_close(last, golden['train'])
    gradients = under_torch_names(gradients)
    for name in MAKE['GRADIENTS'][channels]:
        assert_close(gradients[name], golden[f'grad {name}'], name, tolerance=1e-3)


def test_unet_equals_pytorch():
    golden = np.load(FOLDER / 'resnet_unet.npz')
    model = ResNetUNet(2, MAKE['FILTERS'])
    x = picture(1)
    _, _, backbone = encoder(1)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), x, False))
    params = jax.tree_util.tree_map_with_path(
        lambda path, p: draw('/'.join(k.key for k in path), p.shape), shapes['params']
    )
    stats = {
        name: {'mean': jnp.zeros(s['mean'].shape), 'var': jnp.ones(s['var'].shape)}
        for name, s in shapes['batch_stats'].items()
        if name != 'backbone'
    }
    variables = {
        'params': params | {'backbone': backbone['params']},
        'batch_stats': stats | {'backbone': backbone['batch_stats']},
    }
    assert_close(jax.jit(lambda v: model.apply(v, x, False))(variables), golden['eval'])

    def loss(params):
        output, _ = model.apply(variables | {'params': params}, x, True, mutable=['batch_stats'])
        return jnp.sum(output * draw('cotangent', output.shape)), output

    gradients, output = jax.jit(jax.grad(loss, has_aux=True))(variables['params'])
    assert_close(output, golden['train'])
    assert_close(gradients['backbone']['conv1']['kernel'], golden['grad conv1'], tolerance=1e-3)
    for name in MAKE['DECODER_GRADIENTS']:
        layer, leaf = name.split('/')
        assert_close(gradients[layer][leaf], golden[f'grad {name}'], name, tolerance=1e-3)


def test_parameter_counts_are_those_of_torchvision_and_fastai():
    def count(model, channels):
        x = jax.ShapeDtypeStruct((1, 256, 256, channels), jnp.float32)
        variables = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, False), x)
        return sum(p.size for p in jax.tree.leaves(variables['params']))

    assert count(ResNet18(), 3) + 512 * 1000 + 1000 == 11_689_512  # with torchvision's classifier
    # Of the reference, which for RGB pictures has the 31,113,008 of DynamicUnet(resnet18, n_out=2).
    assert count(ResNetUNet(), 1) == np.load(FOLDER / 'resnet_unet.npz')['parameters'] == 31_099_672


@pytest.mark.parametrize('dtype', [jnp.float32, jnp.bfloat16])
def test_unet_takes_any_multiple_of_32_and_keeps_parameters_in_float32(dtype):
    model = ResNetUNet(3, filters=1, dtype=dtype)
    x = jax.ShapeDtypeStruct((1, 32, 96, 1), jnp.float32)
    output, variables = jax.eval_shape(lambda x: model.init_with_output(jax.random.key(0), x, False), x)
    assert output.shape == (1, 32, 96, 3)
    assert output.dtype == jnp.float32
    assert {p.dtype for p in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}
    assert not model.has_dropout()
    with pytest.raises(UserError, match='image size 48 is not divisible by 32; use 32 or 64'):
        model.check_size(64, 48)


def test_pixel_shuffles_start_by_repeating_pixels():
    model = ResNetUNet(2, filters=2)
    x = draw('x', (1, 32, 32, 1))
    variables = jax.jit(lambda: model.init(jax.random.key(0), x, False))()
    kernel = variables['params']['double_3']['kernel']
    blocks = np.asarray(kernel).reshape(*kernel.shape[:3], 4, -1)
    np.testing.assert_array_equal(blocks, np.broadcast_to(blocks[:, :, :, :1], blocks.shape))
    kernel = icnr_init(jax.random.key(0), (1, 1, 128, 4 * 128))
    assert np.std(kernel) == pytest.approx(np.sqrt(2 / 128), rel=0.02)
    assert np.std(np.asarray(kernel).reshape(128, 4, 128)[0, 0]) > 0


# What ResNet-18 convolves, batch 2 at 64 px: kernel size, stride, padding, picture, channels in and out.
SHAPES = [
    (7, 2, (3, 3), 64, 1, 8),
    (7, 2, (3, 3), 64, 3, 8),
    (7, 2, (3, 3), 8, 1, 64),
    (3, 2, (1, 1), 16, 8, 16),
    (3, 2, (1, 1), 4, 32, 64),
    (3, 2, (1, 1), 2, 64, 64),
    (1, 2, (0, 0), 16, 8, 16),
    (1, 2, (0, 0), 2, 64, 128),
    (1, 2, (0, 0), 64, 16, 3),
    (1, 1, (0, 0), 2, 128, 256),
    (1, 1, (0, 0), 64, 13, 2),
    (3, 1, (1, 1), 32, 13, 13),
    (3, 1, (1, 1), 2, 64, 128),
]


@pytest.mark.parametrize(('size', 'stride', 'padding', 'pixels', 'c', 'd'), SHAPES)
def test_convolutions_equal_native_ones(size, stride, padding, pixels, c, d):
    x, kernel = draw('pixels', (2, pixels, 2 * pixels, c)), draw('taps', (size, size, c, d))

    def native(x, kernel):
        layout = ('NHWC', 'HWIO', 'NHWC')
        return lax.conv_general_dilated(x, kernel, (stride, stride), (padding, padding), dimension_numbers=layout)

    def value_and_gradients(function):
        y, pull = jax.vjp(function, x, kernel)
        return y, *pull(draw('cotangent', y.shape))

    want = jax.jit(lambda: value_and_gradients(native))()
    got = jax.jit(lambda: value_and_gradients(lambda x, kernel: conv(x, kernel, stride, padding)))()
    for a, b in zip(got, want, strict=True):
        assert a.shape == b.shape
        assert_close(a, np.asarray(b))
