"""Building by name, shapes, sizes that cannot be taken, and the architectures' own rules."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcolor.errors import UserError
from jaxcolor.models import build_discriminator, build_generator


def grey_and_colour(size, batch=2):
    key = jax.random.key(0)
    return jax.random.uniform(key, (batch, size, size, 1)), jax.random.uniform(key, (batch, size, size, 2))


def init(model, *inputs):
    return jax.jit(lambda: model.init(jax.random.key(0), *inputs, False))()


def step(model, variables, *inputs, seed=0):
    """Apply in training, with dropout; return the output and the new state."""
    rngs = {'dropout': jax.random.key(seed)}
    return jax.jit(lambda v: model.apply(v, *inputs, True, rngs=rngs, mutable=['batch_stats']))(variables)


GENERATORS = [
    {'name': 'unet', 'filters': 2, 'depth': 1},
    {'name': 'unet', 'filters': 2, 'depth': 2, 'input_skip': True},
    {'name': 'unet', 'filters': 2, 'depth': 3, 'norm': 'instance'},
    {'name': 'unet', 'widths': [3, 5, 4, 2, 2], 'depth': 5, 'norm': 'none', 'spectral_norm': 1},
    {
        'name': 'unet',
        'filters': 2,
        'depth': 2,
        'kernel_size': 3,
        'upsampling': 'nearest',
        'skips': False,
        'norm': 'none',
    },
    {'name': 'unet', 'filters': 2, 'depth': 2, 'style': 'keras', 'kernel_size': 3, 'last_kernel_size': 5},
    {'name': 'dcgan', 'filters': 2},
    {'name': 'valid', 'filters': 1, 'output_activation': 'tanh'},
    {'name': 'conv_unet', 'filters': 2, 'depth': 2, 'output_activation': 'sigmoid'},
]
DISCRIMINATORS = [
    ({'name': 'patchgan', 'filters': 2, 'n_layers': 1}, (14, 14, 1)),
    ({'name': 'patchgan', 'filters': 2, 'n_layers': 3, 'spectral_norm': 1, 'norm': 'none'}, (2, 2, 1)),
    ({'name': 'patchgan', 'filters': 2, 'n_layers': 2, 'strided_layers': 3, 'style': 'keras'}, (4, 4, 1)),
    ({'name': 'dense', 'widths': (2, 2, 3, 3), 'hidden': (4,)}, (1,)),
    (
        {
            'name': 'dense',
            'widths': [2] * 5,
            'kernel_sizes': [4] * 5,
            'convs_per_pool': 1,
            'pool': 'stride',
            'norm': 'batch',
            'hidden': [],
        },
        (1,),
    ),
]


@pytest.mark.parametrize('config', GENERATORS)
@pytest.mark.parametrize('dtype', [jnp.float32, jnp.bfloat16])
def test_generators(config, dtype):
    x, _ = grey_and_colour(32)
    model = build_generator(config, 3, dtype=dtype)
    variables = init(model, x)
    y, new = step(model, variables, x)
    assert y.shape == (2, 32, 32, 3)
    assert y.dtype == jnp.float32
    assert jnp.abs(y).max() <= 1
    assert {p.dtype for p in jax.tree.leaves((variables, new))} == {jnp.dtype(jnp.float32)}


@pytest.mark.parametrize(('config', 'shape'), DISCRIMINATORS)
@pytest.mark.parametrize('dtype', [jnp.float32, jnp.bfloat16])
def test_discriminators(config, shape, dtype):
    x, y = grey_and_colour(32)
    model = build_discriminator(config, dtype=dtype)
    logits, _ = step(model, init(model, x, y), x, y)
    assert logits.shape == (2, *shape)
    assert logits.dtype == jnp.float32


def test_the_70_pixel_patchgan_judges_30_x_30_patches():
    x, y = (jax.ShapeDtypeStruct((1, 256, 256, c), jnp.float32) for c in (1, 2))
    model = build_discriminator({'name': 'patchgan'})
    logits, _ = jax.eval_shape(lambda x, y: model.init_with_output(jax.random.key(0), x, y, False), x, y)
    assert logits.shape == (1, 30, 30, 1)


def test_a_patch_sees_34_pixels_with_two_layers():
    x, y = grey_and_colour(64, batch=1)
    model = build_discriminator({'name': 'patchgan', 'filters': 4, 'n_layers': 2})
    variables = init(model, x, y)
    middle = jax.jit(jax.grad(lambda x: model.apply(variables, x, y, False)[0, 7, 7, 0]))(x)
    rows = np.flatnonzero(np.asarray(middle).any((0, 2, 3)))
    assert rows[-1] - rows[0] + 1 == 34


def test_unet_norms_biases_and_widths_are_those_of_the_seed():
    x, _ = grey_and_colour(64)
    model = build_generator({'name': 'unet', 'filters': 1, 'depth': 6}, 2)
    params = jax.eval_shape(lambda: model.init(jax.random.key(0), x, False))['params']
    assert [params[f'down_{i}']['kernel'].shape[2:] for i in range(6)] == [
        (1, 1), (1, 2), (2, 4), (4, 8), (8, 8), (8, 8),
    ]  # fmt: skip
    assert [params[f'up_{i}']['kernel'].shape[2:] for i in range(6)] == [
        (2, 2), (1, 4), (2, 8), (4, 16), (8, 16), (8, 8),
    ]  # fmt: skip
    assert {name for name in params if 'norm' in name} == {
        *(f'down_norm_{i}' for i in range(1, 5)),
        *(f'up_norm_{i}' for i in range(1, 6)),
    }
    assert {name for name, layer in params.items() if 'bias' in layer and 'norm' not in name} == {'up_0'}


@pytest.mark.parametrize(
    ('options', 'dropped'),
    [({}, False), ({'dropout_layers': 2}, True), ({'depth': 6}, True), ({'depth': 6, 'dropout': 0.0}, False)],
)
def test_unet_dropout_follows_depth_unless_given(options, dropped):
    x, _ = grey_and_colour(64)
    model = build_generator({'name': 'unet', 'filters': 2, 'depth': 5} | options, 2)
    variables = init(model, x)
    (one, _), (other, _) = (step(model, variables, x, seed=seed) for seed in (1, 2))
    assert np.allclose(one, other) != dropped


def named(config):
    return {'name': 'unet', 'filters': 2, 'dropout_layers': 0} | config


@pytest.mark.parametrize(
    ('config', 'has'),
    [
        (named({'depth': 6, 'dropout_layers': 1}), True),
        (named({'depth': 6, 'dropout_layers': 1, 'dropout': 0.0}), False),
        (named({'depth': 2}), False),
        (named({'depth': 1, 'encoder_dropout': 0.1}), True),
        (named({'depth': 2, 'style': 'keras', 'dropout_layers': 1}), True),
        ({'name': 'dcgan', 'filters': 1}, False),
        ({'name': 'valid', 'filters': 1}, False),
        ({'name': 'conv_unet', 'filters': 1, 'depth': 2}, False),
    ],
)
def test_dropout_needs_an_rng_and_no_training(config, has):
    x, _ = grey_and_colour(64)
    model = build_generator(config, 2)
    assert model.has_dropout() == has
    variables = init(model, x)
    evaluate = jax.jit(lambda rngs: model.apply(variables, x, False, rngs=rngs))
    one, other = (evaluate({'dropout': jax.random.key(seed)}) for seed in (1, 2))
    assert np.array_equal(one, other) != has
    assert np.array_equal(evaluate({}), one) != has


def test_a_unet_without_skips_is_an_autoencoder():
    x, _ = grey_and_colour(8)
    config = {'name': 'unet', 'style': 'keras', 'depth': 2, 'widths': [4, 8], 'kernel_size': 3, 'norm': 'none'}
    model = build_generator(config | {'skips': False, 'upsampling': 'nearest', 'dropout_layers': 1}, 3)
    params = init(model, x)['params']
    shapes = {name: layer['kernel'].shape for name, layer in params.items()}
    assert shapes == {'down_0': (3, 3, 1, 4), 'down_1': (3, 3, 4, 8), 'up_1': (3, 3, 8, 4), 'up_0': (3, 3, 4, 3)}
    assert all('bias' in layer for layer in params.values())


def test_the_last_convolution_of_a_unet_may_see_the_picture_itself():
    """With nothing else to see, it is a convolution of the picture: what it says of a pixel knows its neighbours."""
    x, _ = grey_and_colour(8)
    model = build_generator({'name': 'unet', 'filters': 1, 'depth': 2, 'input_skip': True}, 3)
    params = jax.tree.map(jnp.zeros_like, init(model, x)['params'])
    kernel = jax.random.normal(jax.random.key(1), (3, 3, 2, 3))
    params['last']['kernel'] = kernel
    variables = {'params': params, 'batch_stats': init(model, x)['batch_stats']}
    seen = jax.lax.conv_general_dilated(x, kernel[:, :, 1:], (1, 1), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC'))
    np.testing.assert_allclose(model.apply(variables, x, False), jnp.tanh(seen), atol=1e-5)


@pytest.mark.parametrize('style', ['pytorch', 'keras'])
def test_the_innermost_level_of_a_unet_follows_style(style):
    x, _ = grey_and_colour(8)
    model = build_generator({'name': 'unet', 'style': style, 'filters': 1, 'depth': 3}, 2)
    params = jax.eval_shape(lambda: model.init(jax.random.key(0), x, False))['params']
    assert ('down_norm_2' in params) == (style == 'keras')
    assert 'down_norm_0' not in params


def test_spectral_norm_spares_the_last_layers():
    x, y = grey_and_colour(16)
    generator = build_generator({'name': 'unet', 'filters': 1, 'depth': 2, 'spectral_norm': 1}, 2)
    stats = jax.eval_shape(lambda: generator.init(jax.random.key(0), x, False))['batch_stats']
    assert {name for name, layer in stats.items() if 'u' in layer} == {'down_0', 'down_1', 'up_1'}
    for style, normed in (('keras', {'conv_0'}), ('pytorch', {'conv_0', 'conv_1', 'logits'})):
        config = {'name': 'patchgan', 'style': style, 'filters': 1, 'n_layers': 1, 'spectral_norm': 1}
        model = build_discriminator(config)
        stats = jax.eval_shape(lambda m=model: m.init(jax.random.key(0), x, y, False))['batch_stats']
        assert {name for name, layer in stats.items() if 'u' in layer} == normed


@pytest.mark.parametrize('conditional', [True, False])
def test_a_dense_discriminator_sees_grey_if_conditional(conditional):
    x, y = grey_and_colour(8)
    config = {'name': 'dense', 'widths': [2, 2], 'kernel_sizes': [3, 3], 'hidden': [4], 'pool': 'max'}
    model = build_discriminator(config | {'conditional': conditional})
    variables = init(model, x, y)
    gradient = jax.jit(jax.grad(lambda x: model.apply(variables, x, y, False).sum()))(x)
    assert bool(gradient.any()) == conditional


def test_six_strided_blocks_leave_three_pixels_of_224():
    x, y = (jax.ShapeDtypeStruct((1, 224, 224, c), jnp.float32) for c in (1, 2))
    options = {'widths': [2] * 6, 'kernel_sizes': [4] * 6, 'convs_per_pool': 1, 'pool': 'stride', 'hidden': []}
    model = build_discriminator({'name': 'dense', 'norm': 'batch'} | options)
    params = jax.eval_shape(lambda x, y: model.init(jax.random.key(0), x, y, False), x, y)['params']
    assert params['Dense_0']['kernel'].shape == (3 * 3 * 2, 1)
    assert 'bias' not in params['Conv_0']
    assert 'ConvNorm_5' in params


def test_dcgan_upsamples_by_repeating_and_starts_from_glorot_uniform():
    x, _ = grey_and_colour(8)
    model = build_generator({'name': 'dcgan'}, 2)
    params = init(model, x)['params']
    shapes = [params[f'Conv_{i}']['kernel'].shape for i in range(9)]
    widths = [1, 32, 64, 128, 128, 256, 128, 64, 32, 2]
    assert shapes == [(3, 3, c, d) for c, d in itertools.pairwise(widths)]
    limit = np.sqrt(6 / (9 * (128 + 256)))
    assert 0.99 * limit < np.abs(params['Conv_4']['kernel']).max() <= limit
    assert len([name for name in params if name.startswith('Norm')]) == 6


@pytest.mark.parametrize(
    ('config', 'size', 'message'),
    [
        (
            {'name': 'unet', 'depth': 5},
            36,
            r'image size 36 is not divisible by 2\^depth = 32; use 32 or 64, or depth 2$',
        ),
        ({'name': 'unet', 'depth': 5}, 33, r'use 32 or 64$'),
        ({'name': 'unet', 'depth': 5}, 16, r'use 32, or depth 4$'),
        ({'name': 'dcgan'}, 30, r'image size 30 is not divisible by 4; use 28 or 32$'),
        ({'name': 'valid'}, 24, r'image size 24 is too small for unpadded convolutions; use 25 or more$'),
        ({'name': 'conv_unet'}, 24, r'image size 24 is not divisible by 2\^\(depth - 1\) = 16; use 16 or 32$'),
    ],
)
def test_sizes_that_a_generator_cannot_take(config, size, message):
    with pytest.raises(UserError, match=message):
        build_generator(config, 2).check_size(64, size)


def test_the_least_picture_of_unpadded_convolutions():
    x, _ = grey_and_colour(25)
    model = build_generator({'name': 'valid', 'filters': 1}, 3)
    model.check_size(25, 25)
    y = model.apply(init(model, x), x, False)
    assert y.shape == (2, 25, 25, 3)
    assert y.min() >= 0


@pytest.mark.parametrize(
    ('config', 'size', 'message'),
    [
        ({'name': 'patchgan', 'strided_layers': 2}, 15, r'too small .* use pictures of at least 16$'),
        ({'name': 'patchgan', 'style': 'keras'}, 36, r'image size 36 is not divisible by 2\^3 = 8; use 32 or 40$'),
        ({'name': 'dense', 'pool': 'stride'}, 3, r'image size 3 is too small for 2 strided convolutions; use 4'),
        ({'name': 'dense'}, 6, r'image size 6 is not divisible by 4; use 4 or 8'),
    ],
)
def test_sizes_that_a_discriminator_cannot_take(config, size, message):
    with pytest.raises(UserError, match=message):
        build_discriminator(config).check_size(64, size)


def test_sizes_that_a_patchgan_cannot_take():
    model = build_discriminator({'name': 'patchgan', 'n_layers': 3})
    model.check_size(24, 24)
    with pytest.raises(UserError, match=r'image size 16 is too small .* n_layers 3; use n_layers 2 or pictures'):
        model.check_size(32, 16)
    x, y = grey_and_colour(24)
    assert model.apply(init(model, x, y), x, y, False).shape == (2, 1, 1, 1)


@pytest.mark.parametrize(
    ('build', 'config', 'message'),
    [
        (
            'generator',
            {'name': 'resnet'},
            "^generator.name='resnet' is unknown; known: unet, dcgan, .*, efficientnet_unet; did you mean resnet_unet?",
        ),
        ('generator', {'name': 'unet', 'dept': 3}, "generator 'unet' has no field 'dept'; known: filters, depth"),
        ('generator', {'name': 'unet', 'out_channels': 3}, r'out_channels=3: leave it out, the space .*\(2 here'),
        ('generator', {'name': 'unet', 'depth': 3, 'widths': (1, 2)}, 'has 2 entries, depth is 3'),
        ('generator', {'name': 'unet', 'depth': 5, 'dropout_layers': 4}, 'dropout_layers 4 .* use 0 to 3'),
        ('generator', {'name': 'unet', 'activation': 'swish'}, "unknown activation 'swish'"),
        ('generator', {'name': 'unet', 'style': 'jax'}, "unknown style 'jax'; known: pytorch, keras"),
        ('generator', {'name': 'unet', 'initializer': 'he'}, "unknown initializer 'he'; known: normal, glorot"),
        (
            'generator',
            {'name': 'unet', 'upsampling': 'cubic'},
            "unknown upsampling 'cubic'; known: transposed, nearest",
        ),
        ('generator', {'name': 'unet', 'upsampling': 'nearest'}, "kernel_size 4 is even, but .* 'nearest' .* use 3"),
        ('generator', {'name': 'unet', 'depth': 3, 'up_widths': [1]}, 'has 1 entries, depth - 1 is 2'),
        ('generator', {'name': 'unet', 'encoder_dropout': 1.0}, 'encoder_dropout=1.0 drops everything'),
        ('generator', {'name': 'unet', 'widths': [4, 0]}, r'generator.widths=\[4, 0\] is too small; use 1 or more'),
        ('discriminator', {'name': 'patchgan', 'n_layers': 2, 'strided_layers': 4}, 'strided_layers 4 .* use 1 to 3'),
        ('discriminator', {'name': 'dense', 'widths': [8]}, 'kernel_sizes .* and widths .* differ in length'),
        ('discriminator', {'name': 'dense', 'pool': 'min'}, "unknown pool 'min'"),
        (
            'discriminator',
            {'name': 'patch'},
            "^discriminator.name='patch' is unknown; known: patchgan, dense; did you mean patchgan?",
        ),
        ('discriminator', {'name': 'dense', 'filters': 8}, "discriminator 'dense' has no field 'filters'"),
    ],
)
def test_mistakes_in_a_config(build, config, message):
    with pytest.raises(UserError, match=message):
        x, y = jnp.zeros((1, 256, 256, 1)), jnp.zeros((1, 256, 256, 2))
        if build == 'generator':
            model = build_generator(config, 2)
            jax.eval_shape(lambda: model.init(jax.random.key(0), x, False))
        else:
            model = build_discriminator(config)
            jax.eval_shape(lambda: model.init(jax.random.key(0), x, y, False))
