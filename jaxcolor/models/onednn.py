"""Convolutions of oneDNN, which jaxlib has within it for x86 CPUs, and which no flag of XLA puts to use.

They run at 1.1 to 2 times the speed of XLA's own, depthwise ones at 2 to 4, and all three linear maps of a convolution
can be said as its value. XLA calls oneDNN where a program has a custom call of the right name, whose configuration is a
message that belongs to one version of jaxlib: so only versions are used that have been tried. XLA can't keep such a
program in a cache.
"""

import contextlib
import contextvars
import functools
import importlib.metadata
import json
import os
import platform
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxcolor import compilation_cache

_JAXLIBS = ('0.10.2',)  # a wrong configuration ends the process
_FEW_ROWS = 512  # pixels of the whole batch's maps: the kernel is brought into another order first, which costs more
# Of kernels' gradients:
_MANY_PICTURES = 16
_SMALL_MAP = 64  # pixels
_MANY_PIXELS = 64  # of the whole batch's maps

_allowed = contextvars.ContextVar('onednn', default=False)


@contextlib.contextmanager
def allowed() -> Iterator[None]:
    """Let what is traced within use oneDNN where it is the faster; what is compiled within is not kept for later."""
    token = _allowed.set(_usable())
    try:
        with compilation_cache.paused() if _usable() else contextlib.nullcontext():
            yield
    finally:
        _allowed.reset(token)


@functools.cache
def _usable() -> bool:
    """Whether the only device is a CPU that oneDNN has fast kernels for, of a known jaxlib; XLA_FLAGS can say no.

    Several devices share one pool of threads, in which each call of oneDNN waits for others to end.
    """
    return (
        importlib.metadata.version('jaxlib') in _JAXLIBS
        and (platform.system(), platform.machine()) == ('Linux', 'x86_64')
        and jax.default_backend() == 'cpu'
        and jax.device_count() == 1
        and 'avx512vl' in _features()
        and '--xla_cpu_use_onednn=false' not in os.environ.get('XLA_FLAGS', '')
    )


@functools.cache
def _features() -> frozenset[str]:
    """Return what the processor says that it can do."""
    found = re.search(r'^flags\s*: (.*)$', Path('/proc/cpuinfo').read_text(), re.MULTILINE)
    return frozenset(found[1].split() if found else ())


def has_bfloat16() -> bool:
    """Whether oneDNN is usable here, and bfloat16 faster by it than float32."""
    return _usable() and 'avx512_bf16' in _features()


def _takes(x: Array, kernel: Array) -> bool:
    """Whether oneDNN is allowed, and the arrays are such that it has a fast kernel."""
    dtypes = (jnp.float32, jnp.bfloat16) if 'avx512_bf16' in _features() else (jnp.float32,)
    sizes = (*x.shape, *kernel.shape)
    return _allowed.get() and x.dtype in dtypes and all(isinstance(size, int) for size in sizes)


def takes_forward(x: Array, kernel: Array, pixels: int) -> bool:
    """Whether oneDNN is the fastest at a convolution whose maps have so many pixels, or at its input's gradient."""
    return _takes(x, kernel) and len(kernel) > 1 and x.shape[0] * pixels >= _FEW_ROWS


def takes_kernel_gradient(x: Array, dy: Array, size: int) -> bool:
    """Whether oneDNN is the fastest at the gradient of a kernel of that size.

    It sums over the pictures of a batch side by side, for which maps are transposed: that pays where they are small.
    """
    b, p, q, _ = dy.shape
    return _takes(x, dy) and size > 1 and b >= _MANY_PICTURES and p * q <= _SMALL_MAP and b * p * q >= _MANY_PIXELS


def forward(
    x: Float[Array, 'b h w c'], kernel: Float[Array, 'k k c d'], stride: int, padding: tuple[int, int]
) -> Float[Array, 'b p q d']:
    """Cross-correlate."""
    return _conv(x, kernel, [padding] * 2, order='hwio', stride=stride)


def input_gradient(
    dy: Float[Array, 'b p q d'],
    kernel: Float[Array, 'k k c d'],
    stride: int,
    padding: tuple[int, int],
    shape: tuple[int, ...],
) -> Float[Array, 'b h w c']:
    """Return the gradient of a convolution's input of the given shape (h, w): a convolution of `dy`.

    With a stride it makes the blocks of stride x stride pixels that padding has around the input, as channels.
    """
    size, _, c, d = kernel.shape
    if stride == 1:
        before = size - 1 - padding[0]
        pads = [(before, n + size - 1 - p - before) for n, p in zip(shape, dy.shape[1:3], strict=True)]
        return _conv(dy, kernel[::-1, ::-1], pads, order='hwoi')
    reach = -(-size // stride)  # blocks in each direction
    rest = reach * stride - size
    taps = jnp.pad(kernel, ((0, rest), (0, rest), (0, 0), (0, 0))).reshape(reach, stride, reach, stride, c, d)
    taps = jnp.transpose(taps[::-1, :, ::-1], (0, 2, 1, 3, 4, 5)).reshape(reach, reach, stride * stride * c, d)
    blocks = _conv(dy, taps, [(reach - 1, reach - 1)] * 2, order='hwoi')
    b, h, w, _ = blocks.shape
    dx = blocks.reshape(b, h, w, stride, stride, c).swapaxes(2, 3).reshape(b, h * stride, w * stride, c)
    crop = [(-padding[0], n + padding[0] - full, 0) for n, full in zip(shape, dx.shape[1:3], strict=True)]
    return lax.pad(dx, jnp.zeros((), dx.dtype), ((0, 0, 0), *crop, (0, 0, 0)))


def kernel_gradient(
    x: Float[Array, 'b h w c'], dy: Float[Array, 'b p q d'], stride: int, padding: tuple[int, int], size: int
) -> Float[Array, 'k k c d']:
    """Return the gradient of a convolution's kernel: a convolution of `x` with `dy`, channels being the batch."""
    pads = _kernel_gradient_pads(x, dy, stride, padding, size)
    gradient = _conv(jnp.transpose(x, (3, 1, 2, 0)), dy, pads, order='ihwo', dilation=stride)  # c k k d
    return jnp.transpose(gradient, (1, 2, 0, 3))


def takes_depthwise(x: Array, kernel: Array) -> bool:
    """Whether oneDNN is the fastest at a depthwise convolution, its kernel's gradient and, of stride 1, its input's."""
    return _takes(x, kernel)


def depthwise_forward(
    x: Float[Array, 'b h w c'], kernel: Float[Array, 'k k c'], stride: int, pads: Sequence[tuple[int, int]]
) -> Float[Array, 'b p q c']:
    """Cross-correlate each channel with its own kernel; `pads` are of rows and of columns."""
    return _conv(x, kernel[:, :, None], pads, order='hwio', stride=stride, groups=x.shape[3])


def depthwise_kernel_gradient(
    x: Float[Array, 'b h w c'], dy: Float[Array, 'b p q c'], stride: int, padding: tuple[int, int], size: int
) -> Float[Array, 'k k c']:
    """Return the gradient of a depthwise convolution's kernel: one more, whose channels are those of all pictures."""
    b, p, q, c = dy.shape
    pads = _kernel_gradient_pads(x, dy, stride, padding, size)
    x = jnp.transpose(x, (1, 2, 0, 3)).reshape(1, *x.shape[1:3], b * c)
    dy = jnp.transpose(dy, (1, 2, 0, 3)).reshape(p, q, 1, b * c)
    gradients = _conv(x, dy, pads, order='hwio', dilation=stride, groups=b * c)
    return gradients.reshape(size, size, b, c).sum(2, dtype=jnp.float32).astype(dy.dtype)


def _kernel_gradient_pads(
    x: Array, dy: Array, stride: int, padding: tuple[int, int], size: int
) -> list[tuple[int, int]]:
    """Return the padding of rows and of columns with which a convolution with `dy` makes a kernel of that size."""
    return [
        (padding[0], size - 1 + stride * (p - 1) + 1 - n - padding[0])
        for n, p in zip(x.shape[1:3], dy.shape[1:3], strict=True)
    ]


def _conv(
    x: Array,
    kernel: Array,
    pads: Sequence[tuple[int, int]],
    order: str,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
) -> Array:
    """Convolve [b, h, w, c] with a kernel whose axes, in the order said, are rows, columns, input and output.

    Negative padding cuts off, which oneDNN does not: rows that a stride leaves over.
    """
    cut = [(min(before, 0), min(after, 0), 0) for before, after in pads]
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *cut, (0, 0, 0)])
    pads = [(max(before, 0), max(after, 0)) for before, after in pads]
    axes = {axis: order.index(axis) for axis in order}
    sizes = [(kernel.shape[axes[axis]] - 1) * dilation + 1 for axis in 'hw']
    pixels = [(n + sum(pad) - size) // stride + 1 for n, pad, size in zip(x.shape[1:3], pads, sizes, strict=True)]
    picture = {'dims': 4, 'data': {'batch_dim': 0, 'feature_dim': 3, 'spatial_dims': [1, 2]}}
    weights = {
        'input_feature_dim': axes['i'],
        'output_feature_dim': axes['o'],
        'spatial_dims': [axes['h'], axes['w']],
    }
    config = {
        'dims': 4,
        'input': picture,
        'kernel': {'dims': 4, 'filter': weights},
        'output': picture,
        'window': {
            'pad_left': [before for before, _ in pads],
            'pad_right': [after for _, after in pads],
            'strides': [stride] * 2,
            'window_dilations': [dilation] * 2,
        },
        'feature_groups': groups,
    }
    call = jax.ffi.ffi_call(
        '__onednn$convolution',
        jax.ShapeDtypeStruct((x.shape[0], *pixels, kernel.shape[axes['o']]), x.dtype),
        vmap_method='sequential',
        custom_call_api_version=1,
        legacy_backend_config=json.dumps({'onednn_conv_config': config}),
    )
    return call(x, kernel)
