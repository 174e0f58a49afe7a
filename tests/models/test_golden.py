"""U-Net, PatchGAN and spectral norm against values from PyTorch (golden/make.py)."""

import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcolor.models import build_discriminator, build_generator
from jaxcolor.models.layers import Conv, ConvTranspose

FOLDER = Path(__file__).parent / 'golden'
MAKE = runpy.run_path(str(FOLDER / 'make.py'))


def draw(name, shape):
    return jnp.asarray(MAKE['draw'](name, shape))


def drawn_like(params):
    return jax.tree_util.tree_map_with_path(lambda path, p: draw('/'.join(k.key for k in path), p.shape), params)


def network(kind):
    x, y = (draw(n, (MAKE['BATCH'], MAKE['SIZE'], MAKE['SIZE'], c)) for n, c in (('x', 1), ('y', 2)))
    config = {'name': kind, 'filters': MAKE['FILTERS']}
    if kind == 'unet':
        return build_generator(config | {'depth': MAKE['DEPTH']}, 2), [x]
    return build_discriminator(config | {'n_layers': MAKE['N_LAYERS']}), [x, y]


@pytest.mark.parametrize('kind', ['unet', 'patchgan'])
def test_values_gradients_and_statistics_equal_pytorch(kind):
    golden = np.load(FOLDER / f'{kind}.npz')
    model, inputs = network(kind)
    variables = jax.jit(model.init, static_argnums=len(inputs) + 1)(jax.random.key(0), *inputs, False)
    params = drawn_like(variables['params'])

    @jax.jit
    def loss(params, inputs):
        given = {'params': params, 'batch_stats': variables['batch_stats']}
        output, new = model.apply(given, *inputs, True, mutable=['batch_stats'])
        return jnp.sum(output * draw('cotangent', output.shape)), (output, new['batch_stats'])

    (grads, input_grads), (output, stats) = jax.jit(jax.grad(loss, (0, 1), has_aux=True))(params, inputs)
    np.testing.assert_allclose(output, golden['train'], atol=1e-4)
    seen = 0
    for key in golden.files:
        what, _, name = key.partition(' ')
        if what == 'grad':
            got = input_grads[-1] if name == 'input' else grads[name.split('/')[0]][name.split('/')[1]]
            scale = np.abs(golden[key]).max()
            np.testing.assert_allclose(got / scale, golden[key] / scale, atol=1e-4, err_msg=key)
            seen += 1
        if what in ('mean', 'var'):
            np.testing.assert_allclose(stats[name][what], golden[key], rtol=1e-4, atol=1e-5, err_msg=key)
    assert seen == len(MAKE['GRADIENTS'][kind]) + 1
    evaluated = model.apply({'params': params, 'batch_stats': stats}, *inputs, False)
    np.testing.assert_allclose(evaluated, golden['eval'], atol=1e-4)


@pytest.mark.parametrize('kind', ['conv', 'conv_transpose'])
def test_spectral_norm_equals_pytorch(kind):
    golden = np.load(FOLDER / 'spectral_norm.npz')
    layer = {'conv': Conv, 'conv_transpose': ConvTranspose}[kind](5, use_bias=False, spectral_norm=1)
    x = draw('x', (2, 4, 4, 3))
    u = draw('u', (5,))
    shape = {'conv': (4, 4, 3, 5), 'conv_transpose': (4, 4, 5, 3)}[kind]
    variables = {'params': {'kernel': draw(kind, shape)}, 'batch_stats': {'u': u / np.linalg.norm(u)}}
    output, new = layer.apply(variables, x, True, mutable=['batch_stats'])
    np.testing.assert_allclose(output, golden[f'{kind} train'], atol=1e-5)
    np.testing.assert_allclose(new['batch_stats']['u'], golden[f'{kind} u'], atol=1e-5)
    np.testing.assert_allclose(layer.apply(variables | new, x, False), golden[f'{kind} eval'], atol=1e-5)


@pytest.mark.parametrize('kind', ['conv', 'conv_transpose'])
def test_spectral_norm_converges_to_the_largest_singular_value(kind):
    layer = {'conv': Conv, 'conv_transpose': ConvTranspose}[kind](5, use_bias=False, spectral_norm=50)
    x = draw('x', (2, 4, 4, 3))
    variables = layer.init(jax.random.key(0), x, True)
    kernel = variables['params']['kernel']
    matrix = np.moveaxis(np.asarray(kernel), {'conv': 3, 'conv_transpose': 2}[kind], 0).reshape(5, -1)
    output, _ = layer.apply(variables, x, True, mutable=['batch_stats'])
    plain = layer.copy(spectral_norm=0).apply({'params': {'kernel': kernel}}, x, True)
    np.testing.assert_allclose(output * np.linalg.svd(matrix)[1][0], plain, rtol=1e-3, atol=1e-4)


def test_parameter_counts_equal_pytorch():
    counts = np.load(FOLDER / 'parameter_counts.npz')
    x, y = jax.ShapeDtypeStruct((1, 256, 256, 1), jnp.float32), jax.ShapeDtypeStruct((1, 256, 256, 2), jnp.float32)
    key = jax.random.key(0)
    unet = build_generator({'name': 'unet'}, 2)
    patchgan = build_discriminator({'name': 'patchgan'})
    variables = {
        'unet': jax.eval_shape(lambda x: unet.init(key, x, False), x),
        'patchgan': jax.eval_shape(lambda x, y: patchgan.init(key, x, y, False), x, y),
    }
    for kind, tree in variables.items():
        assert sum(p.size for p in jax.tree.leaves(tree['params'])) == counts[kind]
