"""The fast forms equal XLA's native convolution, values and gradients."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxcolor.models import conv as forms
from jaxcolor.models.conv import conv, conv_transpose, upsample_conv


def native(x, kernel, stride, padding):
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), (padding, padding), dimension_numbers=('NHWC', 'HWIO', 'NHWC')
    )


def native_transpose(x, kernel, stride, padding):
    """The adjoint of `native` on the smallest picture, from JAX itself."""
    b, *pixels, _ = x.shape
    h, w = ((p - 1) * stride + len(kernel) - sum(padding) for p in pixels)
    picture = jax.ShapeDtypeStruct((b, h, w, kernel.shape[2]), x.dtype)
    (y,) = jax.linear_transpose(lambda a: native(a, kernel, stride, padding), picture)(x)
    return y


def assert_close(got, want, tolerance=1e-4):
    """Compare to `tolerance` of the largest value."""
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
        assert a.shape == b.shape
        assert np.abs(a - b).max() <= tolerance * max(np.abs(b).max(), 1e-6)


def value_and_gradients(function, *args):
    return jax.jit(partial(_value_and_gradients, function))(*args)


def _value_and_gradients(function, *args):
    y, pull = jax.vjp(function, *args)
    return y, pull(jnp.cos(jnp.arange(y.size, dtype=jnp.float32)).reshape(y.shape).astype(y.dtype))


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


PIX2PIX = (4, 2, (1, 1))
PATCHGAN = (4, 1, (1, 1))
SHAPES = [
    *((3, size, c, d, *PIX2PIX) for size in (2, 4, 8, 16, 32) for c, d in ((1, 32), (2, 64), (64, 32), (32, 3))),
    *((2, size, c, d, *PATCHGAN) for size in (3, 7, 31, 32) for c, d in ((32, 64), (64, 1), (1, 2))),
    (300, 4, 8, 16, *PIX2PIX),  # tiny maps, many pictures
    (300, 8, 8, 16, *PIX2PIX),
    (2, 7, 3, 32, *PIX2PIX),  # odd sizes
    (2, 9, 16, 8, *PIX2PIX),
    (2, 16, 32, 32, 3, 2, (0, 1)),  # Keras 'same'
    (9, 16, 1, 32, 3, 2, (0, 1)),
    (9, 16, 1, 32, 3, 1, (1, 1)),
    (9, 16, 32, 2, 3, 1, (1, 1)),
    (2, 1, 8, 8, 3, 1, (1, 1)),
    (2, 8, 6, 5, 1, 1, (0, 0)),
    (2, 16, 8, 32, 2, 2, (0, 0)),
    (2, 8, 3, 16, 4, 1, (1, 2)),
    *(
        (2, size, c, d, k, 1, (0, 0)) for size, k in ((7, 5), (32, 3)) for c, d in ((1, 16), (8, 12), (16, 3))
    ),  # 'valid'
]


@pytest.mark.parametrize(('batch', 'size', 'c', 'd', 'k', 'stride', 'padding'), SHAPES)
def test_equals_native(batch, size, c, d, k, stride, padding):
    x, kernel = normal(0, batch, size, size + stride, c), normal(1, k, k, c, d)
    want = value_and_gradients(partial(native, stride=stride, padding=padding), x, kernel)
    got = value_and_gradients(lambda x, kernel: conv(x, kernel, stride, padding), x, kernel)
    assert_close(got, want)
    if stride > 1 or padding != (1, 1):
        y = normal(2, batch, (size - 1) // stride + 1, (size - 1) // stride + 2, d)
        want = value_and_gradients(partial(native_transpose, stride=stride, padding=padding), y, kernel)
        got = value_and_gradients(lambda y, kernel: conv_transpose(y, kernel, stride, padding), y, kernel)
        assert_close(got, want)


@pytest.mark.parametrize(
    ('size', 'stride', 'padding', 'result'),
    [(2, 2, (1, 1), 4), (3, 1, (0, 0), 6), (3, 2, (0, 0), 8), (5, 2, (1, 2), 9)],
)
def test_a_transposed_convolution_makes_the_smallest_picture(size, stride, padding, result):
    y = conv_transpose(jnp.zeros((1, size, size, 3)), jnp.zeros((4, 4, 2, 3)), stride, padding)
    assert y.shape == (1, result, result, 2)


@pytest.mark.parametrize(('function', 'reference'), [(conv, native), (conv_transpose, native_transpose)])
@pytest.mark.parametrize('size', [2, 16])
def test_bfloat16(function, reference, size):
    x, kernel = normal(0, 2, size, size, 32), normal(1, 4, 4, 32, 32)
    want = value_and_gradients(lambda x, kernel: reference(x, kernel, 2, (1, 1)), x, kernel)
    half = x.astype(jnp.bfloat16), kernel.astype(jnp.bfloat16)
    got = value_and_gradients(lambda x, kernel: function(x, kernel, 2, (1, 1)), *half)
    assert {a.dtype for a in jax.tree.leaves(got)} == {jnp.dtype(jnp.bfloat16)}
    assert_close(got, want, tolerance=2e-2)


@pytest.mark.parametrize(('function', 'reference'), [(conv, native), (conv_transpose, native_transpose)])
@pytest.mark.parametrize('transform', [jax.vmap, jax.pmap, jax.checkpoint, jax.jit])
def test_under_transformations(function, reference, transform):
    x, kernel = normal(0, 2, 3, 4, 4, 16), normal(1, 2, 4, 4, 16, 16)
    if transform in (jax.checkpoint, jax.jit):
        x, kernel = x[0], kernel[0]

    def gradients(function):
        def loss(x, kernel):
            return jnp.sum(jnp.sin(function(x, kernel, 2, (1, 1))))

        return transform(jax.grad(loss, (0, 1)))(x, kernel)

    assert_close(gradients(function), gradients(reference))


def test_an_export_for_a_gpu_has_the_native_form():
    x, kernel = normal(0, 2, 2, 2, 16), normal(1, 4, 4, 16, 16)
    function = jax.jit(lambda x, kernel: conv(x, kernel, 2, (1, 1)))
    text = {p: jax.export.export(function, platforms=[p])(x, kernel).mlir_module() for p in ('cpu', 'cuda')}
    assert 'stablehlo.convolution' in text['cuda']
    assert 'stablehlo.convolution' not in text['cpu']
    both = jax.export.export(function, platforms=['cpu', 'cuda'])(x, kernel)
    assert_close(both.call(x, kernel), native(x, kernel, 2, (1, 1)))


def test_a_gpu_multiplies_kernels_of_1x1_as_they_are():
    x, kernel = normal(0, 2, 8, 8, 5), normal(1, 1, 1, 5, 6)
    step = jax.jit(jax.value_and_grad(lambda x, kernel: conv(x, kernel, 1, (0, 0)).sum(), argnums=(0, 1)))
    text = {p: jax.export.export(step, platforms=[p])(x, kernel).mlir_module() for p in ('cuda', 'tpu')}
    assert 'stablehlo.convolution' not in text['cuda']
    assert 'stablehlo.convolution' in text['tpu']


def test_products_equal_native():
    x, kernel, dy = normal(0, 3, 4, 7, 5), normal(1, 1, 1, 5, 6), normal(2, 3, 4, 7, 6)
    y, gradients = jax.vjp(partial(native, stride=1, padding=(0, 0)), x, kernel)
    products = forms._input_gradient_product(dy, kernel), forms._kernel_gradient_product(x, dy)
    assert_close((forms._forward_product(x, kernel), *products), (y, *gradients(dy)))


@pytest.mark.parametrize('size', [1, 3, 5])
@pytest.mark.parametrize('shape', [(2, 8, 6, 16), (1, 3, 4, 1), (64, 4, 2, 3)])
def test_upsampled_convolution_is_upsampling_and_convolution(size, shape):
    b, h, c, d = shape
    x, kernel = normal(0, b, h, h, c), normal(1, size, size, c, d)

    def plain(x, kernel):
        repeated = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
        return native(repeated, kernel, 1, (size // 2, size // 2))

    assert_close(value_and_gradients(upsample_conv, x, kernel), value_and_gradients(plain, x, kernel))
