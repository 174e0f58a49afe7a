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
    """Apply in training; return the output and the new state."""
    rngs = {'dropout': jax.random.key(seed)}
    return jax.jit(lambda v: model.apply(v, *inputs, True, rngs=rngs, mutable=['batch_stats']))(variables)


GENERATORS = [
    {'name': 'unet', 'filters': 2, 'depth': 1},
    {'name': 'unet', 'filters': 2, 'depth': 3, 'norm': 'instance'},
    {'name': 'unet', 'widths': [3, 5, 4, 2, 2], 'depth': 5, 'norm': 'none', 'spectral_norm': 1},
    {'name': 'dcgan', 'filters': 2},
]
DISCRIMINATORS = [
    ({'name': 'patchgan', 'filters': 2, 'n_layers': 1}, (14, 14, 1)),
    ({'name': 'patchgan', 'filters': 2, 'n_layers': 3, 'spectral_norm': 1, 'norm': 'none'}, (2, 2, 1)),
    ({'name': 'dense', 'filters': 2, 'hidden': 4}, (1,)),
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
    ],
)
def test_sizes_that_a_generator_cannot_take(config, size, message):
    with pytest.raises(UserError, match=message):
        build_generator(config, 2).check_size(32 if config['name'] == 'dcgan' else 64, size)


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
        ('generator', {'name': 'resnet'}, "unknown generator 'resnet'; known: unet, dcgan"),
        ('generator', {'name': 'unet', 'dept': 3}, "generator 'unet' has no field 'dept'; known: filters, depth"),
        ('generator', {'name': 'unet', 'out_channels': 3}, "has no field 'out_channels'"),
        ('generator', {'name': 'unet', 'depth': 3, 'widths': (1, 2)}, 'has 2 entries, depth is 3'),
        ('generator', {'name': 'unet', 'depth': 5, 'dropout_layers': 4}, 'dropout_layers 4 .* use 0 to 3'),
        ('generator', {'name': 'unet', 'activation': 'swish'}, "unknown activation 'swish'"),
        ('discriminator', {'name': 'patch'}, "unknown discriminator 'patch'; known: patchgan, dense"),
        ('discriminator', {'name': 'dense', 'norm': 'batch'}, "discriminator 'dense' has no field 'norm'"),
    ],
)
def test_mistakes_in_a_config(build, config, message):
    with pytest.raises(UserError, match=message):
        if build == 'generator':
            model = build_generator(config, 2)
            model.init(jax.random.key(0), jnp.zeros((1, 256, 256, 1)), False)
        else:
            build_discriminator(config)
