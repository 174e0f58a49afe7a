import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxcolor.errors import UserError
from jaxcolor.models.efficientnet import DepthwiseConv
from jaxcolor.models.layers import (
    Conv,
    ConvTranspose,
    Dropout,
    Norm,
    activation,
    average_pool_by_convolution,
    pool,
    same_padding,
)


def normal(*shape):
    return jnp.float32(np.random.default_rng(0).normal(1, 2, shape))


def test_batch_norm_equals_numpy_and_keeps_running_statistics():
    x = normal(4, 6, 5, 3)
    norm = Norm('batch', momentum=0.8)
    variables = norm.init(jax.random.key(0), x, True)
    y, new = norm.apply(variables, x, True, mutable=['batch_stats'])
    pixels = np.asarray(x)
    mean, var = pixels.mean((0, 1, 2)), pixels.var((0, 1, 2))
    np.testing.assert_allclose(
        y, np.asarray(variables['params']['scale']) * (pixels - mean) / np.sqrt(var + 1e-5), atol=1e-5
    )
    np.testing.assert_allclose(new['batch_stats']['mean'], 0.2 * mean, rtol=1e-5)
    np.testing.assert_allclose(new['batch_stats']['var'], 0.8 + 0.2 * var, rtol=1e-5)
    evaluated = norm.apply({'params': variables['params'], 'batch_stats': {'mean': mean, 'var': var}}, x, False)
    np.testing.assert_allclose(evaluated, y, atol=1e-5)


def test_batch_norm_gradients_equal_flax():
    x = normal(4, 6, 5, 3)
    params = {'scale': normal(3), 'bias': normal(3)}
    reference = nn.BatchNorm(use_running_average=False)
    stats = {'mean': jnp.zeros(3), 'var': jnp.ones(3)}

    def gradients(apply):
        def loss(params, x):
            y, _ = apply({'params': params, 'batch_stats': stats}, x)
            return jnp.sum(jnp.sin(y))

        return jax.grad(loss, (0, 1))(params, x)

    got = gradients(lambda v, x: Norm('batch').apply(v, x, True, mutable=['batch_stats']))
    want = gradients(lambda v, x: reference.apply(v, x, mutable=['batch_stats']))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), got, want)


def test_batch_norm_across_devices_sees_the_whole_batch():
    x = normal(8, 6, 5, 3)
    norm = Norm('batch')
    variables = norm.init(jax.random.key(0), x, True)

    def loss(norm, x):
        y, new = norm.apply(variables, x, True, mutable=['batch_stats'])
        return jnp.sum(jnp.sin(y)), (y, new)

    want_grad, (want, want_new) = jax.grad(loss, 1, has_aux=True)(norm, x)
    parallel = norm.copy(axis_name='data')
    step = jax.pmap(lambda x: jax.grad(loss, 1, has_aux=True)(parallel, x), axis_name='data')
    got_grad, (got, new) = step(x[:, None])
    np.testing.assert_allclose(got[:, 0], want, atol=1e-5)
    np.testing.assert_allclose(got_grad[:, 0], want_grad, atol=1e-4)
    for name in ('mean', 'var'):
        for device in range(8):
            np.testing.assert_allclose(new['batch_stats'][name][device], want_new['batch_stats'][name], rtol=1e-5)


def test_instance_norm_takes_each_picture_alone():
    x = normal(4, 6, 5, 3)
    norm = Norm('instance', scale_init=nn.initializers.ones)
    y = norm.apply(norm.init(jax.random.key(0), x, True), x, True)
    pixels = np.asarray(x)
    want = (pixels - pixels.mean((1, 2), keepdims=True)) / np.sqrt(pixels.var((1, 2), keepdims=True) + 1e-5)
    np.testing.assert_allclose(y, want, atol=1e-5)


def test_no_norm_is_the_identity_without_parameters():
    x = normal(1, 2, 2, 3)
    y, variables = Norm('none').init_with_output(jax.random.key(0), x, True)
    np.testing.assert_array_equal(y, x)
    assert not variables


def test_statistics_are_float32_under_bfloat16():
    x = normal(4, 6, 5, 3).astype(jnp.bfloat16)
    norm = Norm('batch', dtype=jnp.bfloat16)
    variables = norm.init(jax.random.key(0), x, True)
    y, new = norm.apply(variables, x, True, mutable=['batch_stats'])
    assert y.dtype == jnp.bfloat16
    assert {a.dtype for a in jax.tree.leaves((variables, new))} == {jnp.dtype(jnp.float32)}
    np.testing.assert_allclose(new['batch_stats']['mean'], 0.1 * np.asarray(x, np.float32).mean((0, 1, 2)), rtol=1e-4)


@pytest.mark.parametrize('layer', [Conv, ConvTranspose])
def test_kernels_start_from_n_0_002(layer):
    x = jnp.zeros((1, 8, 8, 64))
    params = layer(64).init(jax.random.key(0), x, False)['params']
    assert abs(float(params['kernel'].std()) - 0.02) < 3e-4
    assert abs(float(params['kernel'].mean())) < 3e-4
    assert not params['bias'].any()


def test_scales_start_from_n_1_002():
    scale = Norm().init(jax.random.key(0), jnp.zeros((1, 1, 1, 10000)), False)['params']['scale']
    assert abs(float(scale.mean()) - 1) < 1e-3
    assert abs(float(scale.std()) - 0.02) < 1e-3


def test_dropout_follows_the_rng():
    x = jnp.ones((100, 100))
    layer = Dropout(0.25)
    np.testing.assert_array_equal(layer.apply({}, x), x)
    y = layer.apply({}, x, rngs={'dropout': jax.random.key(0)})
    np.testing.assert_allclose(np.unique(y), [0, 1 / 0.75], rtol=1e-6)
    assert abs(float((y == 0).mean()) - 0.25) < 0.02


def test_pools():
    x = jnp.float32([[1, 2, 5, 5], [3, 6, 5, 9]]).reshape(1, 2, 4, 1)
    np.testing.assert_array_equal(pool(x, 'max').ravel(), [6, 9])
    np.testing.assert_array_equal(pool(x, 'average').ravel(), [3, 6])
    with pytest.raises(UserError, match="unknown pool 'min'; known: average, max"):
        pool(x, 'min')


@pytest.mark.parametrize(('dtype', 'rtol'), [(jnp.float32, 1e-6), (jnp.bfloat16, 2**-7)])
def test_the_average_is_that_of_a_convolution(dtype, rtol):
    x, dy = (jax.random.normal(jax.random.key(i), shape, dtype) for i, shape in enumerate([(2, 6, 4, 5), (2, 3, 2, 5)]))
    results = []
    for function in (lambda x: pool(x, 'average'), average_pool_by_convolution):
        y, vjp = jax.vjp(function, x)
        results.append((y, *vjp(dy)))
    assert {leaf.dtype for leaf in jax.tree.leaves(results)} == {jnp.dtype(dtype)}
    jax.tree.map(lambda a, b: np.testing.assert_allclose(*np.float32([a, b]), rtol=rtol, atol=rtol), *results)


@pytest.mark.parametrize(
    'layer',
    [
        Conv(3, dtype=jnp.bfloat16),
        ConvTranspose(3, dtype=jnp.bfloat16),
        DepthwiseConv(3, 1, dtype=jnp.bfloat16),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_gradients_of_biases_are_summed_in_float32(layer):
    x = normal(4, 8, 8, 3)
    flags = () if isinstance(layer, DepthwiseConv) else (True,)
    variables = layer.init(jax.random.key(0), x, *flags)
    y, vjp = jax.vjp(lambda variables: layer.apply(variables, x, *flags), variables)
    dy = jnp.asarray(normal(*y.shape), y.dtype)
    assert y.dtype == jnp.bfloat16
    gradient = vjp(dy)[0]['params']['bias']
    np.testing.assert_allclose(gradient, np.float64(dy).sum((0, 1, 2)), rtol=1e-5)


# What TensorFlow pads around pictures of even size: ceil(n / stride) pixels come out, the odd one is behind.
@pytest.mark.parametrize(
    ('size', 'stride', 'padding'), [(3, 1, (1, 1)), (3, 2, (0, 1)), (4, 1, (1, 2)), (4, 2, (1, 1)), (5, 2, (1, 2))]
)
def test_same_padding(size, stride, padding):
    assert same_padding(size, stride) == padding


def test_the_slope_is_of_leaky_relu_alone():
    x = jnp.float32([-1, 2])
    np.testing.assert_allclose(activation('leaky_relu')(x), [-0.2, 2])
    np.testing.assert_allclose(activation('leaky_relu', 0.3)(x), [-0.3, 2])
    np.testing.assert_allclose(activation('relu', 0.3)(x), [0, 2])


def test_unknown_names():
    with pytest.raises(UserError, match="unknown norm 'layer'; known: batch, instance, none"):
        Norm('layer').init(jax.random.key(0), jnp.zeros((1, 2, 2, 3)), True)
    with pytest.raises(UserError, match="unknown activation 'swish'; known: leaky_relu"):
        activation('swish')
