"""Depthwise convolutions: every form is XLA's native one, forward and backward, in every stride and padding."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxcolor.models import depthwise


def draw(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


def native(x, kernel, stride, padding):
    return lax.conv_general_dilated(
        x,
        kernel[:, :, None],
        (stride, stride),
        (padding, padding),
        dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
        feature_group_count=x.shape[-1],
    )


CASES = [(3, 1, (1, 1)), (3, 2, (0, 1)), (5, 1, (2, 2)), (5, 2, (1, 2)), (5, 3, (0, 4)), (3, 1, (0, 0))]


@pytest.mark.parametrize(('size', 'stride', 'padding'), CASES)
def test_equals_the_native_convolution(size, stride, padding):
    x, kernel = draw(0, 3, 12, 9, 7), draw(1, size, size, 7)

    @partial(jax.jit, static_argnums=0)
    def value_and_gradients(function, x, kernel):
        y, pull = jax.vjp(lambda x, kernel: function(x, kernel, stride, padding), x, kernel)
        return y, pull(draw(2, *y.shape))

    want, native_gradients = value_and_gradients(native, x, kernel)
    got, gradients = value_and_gradients(depthwise.depthwise_conv, x, kernel)
    np.testing.assert_allclose(got, want, atol=1e-5)
    for ours, theirs in zip(gradients, native_gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize(('size', 'stride', 'padding'), CASES[:4])
def test_the_form_of_other_platforms_is_the_same(size, stride, padding):
    x, kernel = draw(0, 2, 8, 8, 3), draw(1, size, size, 3)
    _, pull = jax.vjp(lambda x, kernel: native(x, kernel, stride, padding), x, kernel)
    dy = draw(2, *native(x, kernel, stride, padding).shape)
    dx = depthwise._input_gradient_native(dy, kernel, stride, padding, x.shape[1:3])
    dkernel = depthwise._kernel_gradient_native(x, dy, stride, padding, size)
    for ours, theirs in zip((dx, dkernel), pull(dy), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_bfloat16_sums_in_float32():
    x, dy = jnp.ones((1, 64, 64, 1), jnp.bfloat16), jnp.ones((1, 64, 64, 1), jnp.bfloat16)
    _, pull = jax.vjp(lambda kernel: depthwise.depthwise_conv(x, kernel, 1, (0, 0)), jnp.ones((1, 1, 1), jnp.bfloat16))
    assert pull(dy)[0].item() == 64 * 64  # in bfloat16 a sum of ones ends at 256
