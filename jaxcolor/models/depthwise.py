"""Depthwise convolutions that are fast on CPUs as well.

XLA's CPU convolutions treat each group of a grouped convolution by itself. A depthwise one does so little per pixel
that a sum of shifted products, which vectorises over channels, is three times as fast, forward and backward. Long
trainings have oneDNN's forms as well. Other platforms run the native form.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxcolor.models import onednn
from jaxcolor.models.conv import Padding, on_cpu, taps


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def depthwise_conv(
    x: Float[Array, 'b h w c'], kernel: Float[Array, 'k k c'], stride: int, padding: Padding
) -> Float[Array, 'b p q c']:
    """Cross-correlate each channel with its own square kernel."""
    return _forward(x, kernel, stride, padding)


def _fwd(x: Array, kernel: Array, stride: int, padding: Padding) -> tuple[Array, tuple[Array, Array]]:
    return depthwise_conv(x, kernel, stride, padding), (x, kernel)


def _bwd(stride: int, padding: Padding, kept: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    x, kernel = kept
    dx = _input_gradient(dy, kernel, stride, padding, x.shape[1:3])
    return dx, _kernel_gradient(x, dy, stride, padding, len(kernel))


depthwise_conv.defvjp(_fwd, _bwd)


# The three linear maps, each with its choice of form.


def _forward(x: Array, kernel: Array, stride: int, padding: Padding) -> Array:
    if onednn.takes_depthwise(x, kernel):
        return onednn.depthwise_forward(x, kernel, stride, [padding] * 2)
    return on_cpu(_forward_by_shifts, _forward_native, x, kernel, stride=stride, padding=padding)


def _input_gradient(dy: Array, kernel: Array, stride: int, padding: Padding, shape: tuple[int, ...]) -> Array:
    if stride == 1 and onednn.takes_depthwise(dy, kernel):
        before = len(kernel) - 1 - padding[0]
        pads = [(before, n + len(kernel) - 1 - p - before) for n, p in zip(shape, dy.shape[1:3], strict=True)]
        return onednn.depthwise_forward(dy, kernel[::-1, ::-1], 1, pads)
    forms = {'stride': stride, 'padding': padding, 'shape': shape}
    return on_cpu(_input_gradient_by_shifts, _input_gradient_native, dy, kernel, **forms)


def _kernel_gradient(x: Array, dy: Array, stride: int, padding: Padding, size: int) -> Array:
    if onednn.takes_depthwise(x, dy):
        return onednn.depthwise_kernel_gradient(x, dy, stride, padding, size)
    forms = {'stride': stride, 'padding': padding, 'size': size}
    return on_cpu(_kernel_gradient_by_shifts, _kernel_gradient_native, x, dy, **forms)


# Their forms.


def _forward_native(x: Array, kernel: Array, stride: int, padding: Padding) -> Array:
    return lax.conv_general_dilated(
        x,
        kernel[:, :, None],
        (stride, stride),
        (padding, padding),
        dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
        feature_group_count=x.shape[-1],
    )


def _forward_by_shifts(x: Array, kernel: Array, stride: int, padding: Padding) -> Array:
    products = zip(taps(x, len(kernel), stride, padding), kernel.reshape(-1, x.shape[-1]), strict=True)
    return jnp.asarray(sum(tap * weights[None, None, None] for tap, weights in products))


def _input_gradient_native(dy: Array, kernel: Array, stride: int, padding: Padding, shape: tuple[int, ...]) -> Array:
    x = jax.ShapeDtypeStruct((dy.shape[0], *shape, dy.shape[-1]), dy.dtype)
    return jax.linear_transpose(lambda x: _forward_native(x, kernel, stride, padding), x)(dy)[0]


def _input_gradient_by_shifts(dy: Array, kernel: Array, stride: int, padding: Padding, shape: tuple[int, ...]) -> Array:
    """Return the same sum over the gradient, its pixels set apart by the stride, with the kernel turned around."""
    size = len(kernel)
    before = size - 1 - padding[0]
    rows, columns = (
        (before, n + size - 2 - (p - 1) * stride - before, stride - 1)
        for n, p in zip(shape, dy.shape[1:3], strict=True)
    )
    apart = lax.pad(dy, jnp.zeros((), dy.dtype), ((0, 0, 0), rows, columns, (0, 0, 0)))
    return _forward_by_shifts(apart, kernel[::-1, ::-1], 1, (0, 0))


def _kernel_gradient_native(x: Array, dy: Array, stride: int, padding: Padding, size: int) -> Array:
    kernel = jax.ShapeDtypeStruct((size, size, x.shape[-1]), dy.dtype)
    return jax.linear_transpose(lambda kernel: _forward_native(x, kernel, stride, padding), kernel)(dy)[0]


def _kernel_gradient_by_shifts(x: Array, dy: Array, stride: int, padding: Padding, size: int) -> Array:
    """Picture by picture, for one of them fits the cache: XLA's sums over all of a batch run three times as long."""

    def add(total: Array, picture: tuple[Array, Array]) -> tuple[Array, None]:
        x, dy = picture
        sums = [jnp.sum(tap[0] * dy, axis=(0, 1), dtype=jnp.float32) for tap in taps(x[None], size, stride, padding)]
        return total + jnp.stack(sums), None

    total = lax.scan(add, jnp.zeros((size * size, x.shape[-1]), jnp.float32), (x, dy))[0]
    return total.reshape(size, size, -1).astype(dy.dtype)
