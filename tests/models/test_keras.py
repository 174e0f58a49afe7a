"""Mehani23 and Akshat23 against Keras (golden/make_keras.py): values at tiny widths, parameters at full size."""

import json
import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcolor.models import DISCRIMINATORS, GENERATORS, build_discriminator, build_generator
from jaxcolor.models.layers import Conv, ConvTranspose

FOLDER = Path(__file__).parent / 'golden'
MAKE = runpy.run_path(str(FOLDER / 'make_keras.py'))
LISTINGS = json.loads((FOLDER / 'listings.json').read_text())


def draw(name, shape):
    return jnp.asarray(MAKE['draw'](name, shape))


def flat(tree):
    return {'/'.join(key.key for key in path): leaf for path, leaf in jax.tree.leaves_with_path(tree)}


def build(config, out_channels):
    return build_generator(config, out_channels) if config['name'] in GENERATORS else build_discriminator(config)


@pytest.mark.parametrize('kind', MAKE['NETWORKS'])
def test_values_gradients_and_statistics_equal_keras(kind):
    config, _, gradients = MAKE['NETWORKS'][kind]
    golden = np.load(FOLDER / f'{kind}.npz')
    model = build(config, golden['train'].shape[-1])
    channels = (1, 2) if config['name'] in DISCRIMINATORS else (1,)
    size = MAKE['SIZE']
    inputs = [draw(n, (MAKE['BATCH'], size, size, c)) for n, c in zip('xy', channels, strict=False)]
    variables = jax.eval_shape(lambda: model.init(jax.random.key(0), *inputs, False))
    drawn = lambda path, p: draw('/'.join(k.key for k in path), p.shape)  # noqa: E731
    params = jax.tree_util.tree_map_with_path(drawn, variables['params'])
    start = {'mean': lambda _: 0.0, 'var': lambda _: 1.0, 'u': lambda name: leading(params[name]['kernel'])}
    stats = {
        name: {what: jnp.broadcast_to(start[what](name), v.shape) for what, v in layer.items()}
        for name, layer in variables.get('batch_stats', {}).items()
    }

    def loss(params, inputs):
        output, new = model.apply({'params': params, 'batch_stats': stats}, *inputs, True, mutable=['batch_stats'])
        return jnp.sum(output * draw('cotangent', output.shape)), (output, new.get('batch_stats', {}))

    grads, (output, stats) = jax.jit(jax.grad(loss, (0, 1), has_aux=True))(params, inputs)
    evaluated = jax.jit(lambda: model.apply({'params': params, 'batch_stats': stats}, *inputs, False))()
    got = {'train': output, 'eval': evaluated, 'grad input': grads[1][-1]}
    got |= {f'grad {name}': grad for name, grad in flat(grads[0]).items() if name in gradients}
    got |= {f'{name.split("/")[1]} {name.split("/")[0]}': v for name, v in flat(stats).items() if name[-2:] != '/u'}
    assert got.keys() == set(golden.files)
    for key, value in got.items():
        scale = np.abs(golden[key]).max()
        assert scale > 0, key
        np.testing.assert_allclose(value / scale, golden[key] / scale, atol=2e-4, err_msg=key)


def leading(kernel):
    return MAKE['leading_vector'](np.asarray(kernel))


@pytest.mark.parametrize('kind', ['conv', 'conv_transpose'])
def test_spectral_norm_equals_keras(kind):
    golden = np.load(FOLDER / 'keras_spectral_norm.npz')
    options = {'use_bias': False, 'spectral_norm': 10}
    layer = Conv(5, **options) if kind == 'conv' else ConvTranspose(5, spectral_axis=3, **options)
    shape = {'conv': (4, 4, 3, 5), 'conv_transpose': (4, 4, 5, 3)}[kind]
    u = draw('u', (shape[-1],))
    variables = {'params': {'kernel': draw(kind, shape)}, 'batch_stats': {'u': u / jnp.linalg.norm(u)}}
    output, new = layer.apply(variables, draw('x', (2, 4, 4, 3)), True, mutable=['batch_stats'])
    np.testing.assert_allclose(new['batch_stats']['u'], golden[f'{kind} u'], atol=1e-5)
    # Keras divides by what it knows half an iteration earlier.
    np.testing.assert_allclose(output, golden[f'{kind} train'], rtol=1e-3, atol=1e-4)


SPECTRAL = {'spectral_norm': 10, 'initializer': 'glorot', 'style': 'keras'}
# The seed's figure, our config, the picture's size, parameters as Keras counts them.
LISTED = [
    ('000 Fig. 4', {'name': 'dcgan'}, 32, 924_582),
    (
        '000 Fig. 5',
        {
            'name': 'unet',
            'style': 'keras',
            'depth': 5,
            'widths': (32, 64, 128, 256, 256),
            'last_kernel_size': 3,
            'dropout_layers': 1,
        },
        32,
        4_165_570,
    ),
    ('000 Fig. 6', {'name': 'dense'}, 32, 2_164_769),
    ('000 Fig. 18', {'name': 'valid'}, 32, 1_406_403),
    (
        '000 Fig. 19',
        {
            'name': 'dense',
            'widths': (16, 32, 64, 64, 128, 128, 256, 256),
            'kernel_sizes': (5, 5, 5, 5, 3, 3, 3, 3),
            'pool': 'max',
            'dropout': 0.0,
            'hidden': (512, 128, 16),
            'activation': 'relu',
            'hidden_norm': 'none',
            'hidden_dropout': 0.0,
            'conditional': False,
        },
        32,
        1_867_009,
    ),
    ('000 Fig. 28-29', {'name': 'conv_unet'}, 32, 31_042_499),
    (
        '004 Fig. 3.10',
        SPECTRAL
        | {
            'name': 'unet',
            'depth': 7,
            'widths': (32, 64, 128, 128, 256, 256, 512),
            'up_widths': (512, 256, 256, 128, 128, 64),
            'up_norm': 'none',
            'dropout_layers': 4,
        },
        128,
        15_046_786,
    ),
    ('004 Fig. 3.11', SPECTRAL | {'name': 'patchgan', 'filters': 32, 'strided_layers': 2}, 128, 694_657),
]


@pytest.mark.parametrize(('figure', 'config', 'size', 'count'), LISTED, ids=[row[0] for row in LISTED])
def test_parameters_and_output_shape_are_those_of_the_listing(figure, config, size, count):
    listing = LISTINGS[figure]
    colour = 3 if figure in ('000 Fig. 18', '000 Fig. 19', '000 Fig. 28-29') else 2
    model = build(config, colour)
    inputs = [jax.ShapeDtypeStruct((1, size, size, c), jnp.float32) for c in (1, colour)]
    inputs = inputs if config['name'] in DISCRIMINATORS else inputs[:1]
    output, variables = jax.eval_shape(lambda *xs: model.init_with_output(jax.random.key(0), *xs, False), *inputs)
    assert output.shape[1:] == tuple(listing['output'])
    assert {name: p.size for name, p in flat(variables['params']).items()} == listing['layers']
    assert sum(listing['layers'].values()) == count
