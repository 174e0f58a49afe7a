"""Strided and transposed convolutions that are fast on CPUs as well.

XLA's CPU convolutions lose a factor of ten or more on tiny maps, on few channels and on every dilated input,
while its matrix products run at the processor's peak. So each of the three linear maps of a convolution (its
value and its two gradients) is here in more than one form, and static shapes decide which one a CPU runs; sizes
that an export leaves open (symbolic dimensions) count as large. Long trainings have oneDNN's forms as well. Other
platforms run the native one, GPUs a product for kernels of 1x1. A transposed convolution is the adjoint of a
convolution, so that it needs no more than these three.
"""

import math
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxcolor.models import onednn

Padding = tuple[int, int]  # pixels (before, after), the same for rows and columns

_FEW_CHANNELS = 4
_SMALL_MAP = 16  # pixels
_FEW_ROWS = 1024  # pixels of the whole batch's maps
_MANY_TERMS = 2**23  # floats that no longer fit a cache; without dilation the native form is nearly as good


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def conv(
    x: Float[Array, 'b h w c'], kernel: Float[Array, 'k k c d'], stride: int, padding: Padding
) -> Float[Array, 'b p q d']:
    """Cross-correlate with a square kernel."""
    return _forward(x, kernel, stride, padding)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def conv_transpose(
    x: Float[Array, 'b p q d'], kernel: Float[Array, 'k k c d'], stride: int, padding: Padding
) -> Float[Array, 'b h w c']:
    """Apply the adjoint of `conv` with the same arguments.

    Maps of p pixels become the smallest that `conv` would make p: of (p - 1) * stride + k - sum(padding).
    """
    shape = tuple((p - 1) * stride + kernel.shape[0] - sum(padding) for p in x.shape[1:3])
    return _input_gradient(x, kernel, stride, padding, shape)


def upsample_conv(x: Float[Array, 'b h w c'], kernel: Float[Array, 'k k c d']) -> Float[Array, 'b 2*h 2*w d']:
    """Repeat each pixel in a block of 2 x 2, then cross-correlate with a kernel of odd size, zeros around.

    Repeating pixels is a transposed convolution with ones. So the two are one transposed convolution, whose
    kernel is theirs convolved: of 3x3 it takes four products an output pixel in place of nine.
    """
    size = kernel.shape[0]
    flipped = kernel[::-1, ::-1]
    merged = sum(jnp.pad(flipped, ((i, 1 - i), (j, 1 - j), (0, 0), (0, 0))) for i in range(2) for j in range(2))
    half = size // 2
    return conv_transpose(x, jnp.swapaxes(merged, 2, 3), 2, (half, half))


def _conv_fwd(x: Array, kernel: Array, stride: int, padding: Padding) -> tuple[Array, tuple[Array, Array]]:
    return conv(x, kernel, stride, padding), (x, kernel)


def _conv_bwd(stride: int, padding: Padding, kept: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    x, kernel = kept
    dx = _input_gradient(dy, kernel, stride, padding, x.shape[1:3])
    return dx, _kernel_gradient(x, dy, stride, padding, kernel.shape[0])


def _conv_transpose_fwd(x: Array, kernel: Array, stride: int, padding: Padding) -> tuple[Array, tuple[Array, Array]]:
    return conv_transpose(x, kernel, stride, padding), (x, kernel)


def _conv_transpose_bwd(stride: int, padding: Padding, kept: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    x, kernel = kept
    dx = _forward(dy, kernel, stride, padding)
    return dx, _kernel_gradient(dy, x, stride, padding, kernel.shape[0])


conv.defvjp(_conv_fwd, _conv_bwd)
conv_transpose.defvjp(_conv_transpose_fwd, _conv_transpose_bwd)


# The three linear maps, each with its choice of form.


def _forward(x: Array, kernel: Array, stride: int, padding: Padding) -> Array:
    size, _, c, d = kernel.shape
    pixels = _output_size(x.shape[1], size, stride, padding) * _output_size(x.shape[2], size, stride, padding)
    forms = {'stride': stride, 'padding': padding}
    if d <= _FEW_CHANNELS and stride == 1:
        return on_cpu(_forward_by_shifts, _forward_native, x, kernel, **forms)
    if onednn.takes_forward(x, kernel, pixels):
        return onednn.forward(x, kernel, stride, padding)
    few = c <= _FEW_CHANNELS and stride > 1
    if few and _splits(x, size, stride, padding):
        return on_cpu(_forward_by_blocks, _forward_native, x, kernel, **forms)
    if size == 1 or few or _at_most(pixels, _SMALL_MAP) or _at_most(x.shape[0] * pixels, _FEW_ROWS):
        product = _forward_product if _is_product(size, stride, padding) else None
        return on_cpu(_forward_by_patches, _forward_native, x, kernel, product, **forms)
    return _forward_native(x, kernel, stride, padding)


def _input_gradient(dy: Array, kernel: Array, stride: int, padding: Padding, shape: tuple[int, ...]) -> Array:
    forms = {'stride': stride, 'padding': padding, 'shape': shape}
    terms = math.prod(dy.shape[:3]) * math.prod(kernel.shape[:3])
    if kernel.shape[2] > _FEW_CHANNELS and onednn.takes_forward(dy, kernel, dy.shape[1] * dy.shape[2]):
        return onednn.input_gradient(dy, kernel, stride, padding, shape)
    large = stride == 1 and kernel.shape[0] > 1 and not _at_most(terms, _MANY_TERMS)
    if dy.shape[3] <= _FEW_CHANNELS or large:
        return _input_gradient_native(dy, kernel, stride, padding, shape)
    product = _input_gradient_product if _is_product(kernel.shape[0], stride, padding) else None
    return on_cpu(_input_gradient_by_shifts, _input_gradient_native, dy, kernel, product, **forms)


def _kernel_gradient(x: Array, dy: Array, stride: int, padding: Padding, size: int) -> Array:
    forms = {'stride': stride, 'padding': padding, 'size': size}
    pixels = dy.shape[1] * dy.shape[2]
    if dy.shape[3] <= _FEW_CHANNELS and stride == 1:
        return on_cpu(_kernel_gradient_by_shifts, _kernel_gradient_native, x, dy, **forms)
    if onednn.takes_kernel_gradient(x, dy, size):
        return onednn.kernel_gradient(x, dy, stride, padding, size)
    if size == 1 or _at_most(pixels, _SMALL_MAP) or _at_most(x.shape[0] * pixels, _FEW_ROWS):
        product = _kernel_gradient_product if _is_product(size, stride, padding) else None
        return on_cpu(_kernel_gradient_by_patches, _kernel_gradient_native, x, dy, product, **forms)
    return _kernel_gradient_native(x, dy, stride, padding, size)


def _at_most(count: int, most: int) -> bool:
    """Say whether `count` is known to be no more than `most`; nothing is known of a symbolic dimension."""
    return isinstance(count, int) and count <= most


def _is_product(size: int, stride: int, padding: Padding) -> bool:
    return size == stride == 1 and padding == (0, 0)


def on_cpu(
    fast: Callable[..., Array],
    native: Callable[..., Array],
    a: Array,
    b: Array,
    gpu: Callable[[Array, Array], Array] | None = None,
    /,
    **forms: object,
) -> Array:
    """Leave the choice to lowering, so that a program exported here for a GPU gets the GPU's form.

    Args:
      fast: what a CPU runs.
      native: what others run.
      a: the operand on the left.
      b: the one on the right.
      gpu: what GPUs run, if it isn't `native`.
      forms: further arguments of `fast` and `native`.
    """
    others = dict.fromkeys(('cuda', 'rocm'), gpu) if gpu else {}
    return lax.platform_dependent(a, b, cpu=partial(fast, **forms), **others, default=partial(native, **forms))


# The value.


def _forward_native(x: Array, kernel: Array, stride: int, padding: Padding) -> Array:
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), (padding, padding), dimension_numbers=('NHWC', 'HWIO', 'NHWC')
    )


def _forward_product(x: Array, kernel: Array) -> Array:
    """Return the same of a 1x1 kernel, which a GPU multiplies as it is stored: cuDNN wants it in another order."""
    return lax.dot_general(x, kernel[0, 0], (((3,), (0,)), ((), ())))


def _forward_by_patches(x: Array, kernel: Array, stride: int, padding: Padding) -> Array:
    """One product with all of a pixel's inputs side by side."""
    patches = _patches(x, kernel.shape[0], stride, padding)
    return _dot(patches, kernel.reshape(-1, kernel.shape[3]), 3, 0)


def _forward_by_blocks(x: Array, kernel: Array, stride: int, padding: Padding) -> Array:
    """Return the same over blocks of stride x stride pixels, which makes patches of few channels cheap to gather."""
    size, _, c, d = kernel.shape
    blocks = _space_to_depth(pad(x, padding), stride)
    taps = size // stride
    kernel = kernel.reshape(taps, stride, taps, stride, c, d).swapaxes(1, 2)
    return _forward_by_patches(blocks, kernel.reshape(taps, taps, -1, d), 1, (0, 0))


def _forward_by_shifts(x: Array, kernel: Array, stride: int, padding: Padding) -> Array:
    """One product for every tap's contribution, then their sum, each shifted into place; stride 1."""
    size = kernel.shape[0]
    h, w = (_output_size(n, size, stride, padding) for n in x.shape[1:3])
    terms = pad(_dot(x, kernel, 3, 2), padding)  # b h w k k d
    return sum(terms[:, i : i + h, j : j + w, i, j] for i in range(size) for j in range(size))  # type: ignore[return-value]


# The gradient of the input.


def _input_gradient_native(dy: Array, kernel: Array, stride: int, padding: Padding, shape: tuple[int, ...]) -> Array:
    before = kernel.shape[0] - 1 - padding[0]
    pads = [
        (before, n + kernel.shape[0] - 2 - (p - 1) * stride - before) for n, p in zip(shape, dy.shape[1:3], strict=True)
    ]
    return lax.conv_general_dilated(
        dy,
        kernel[::-1, ::-1],
        (1, 1),
        pads,
        lhs_dilation=(stride, stride),
        dimension_numbers=('NHWC', 'HWOI', 'NHWC'),
    )


def _input_gradient_product(dy: Array, kernel: Array) -> Array:
    return lax.dot_general(dy, kernel[0, 0], (((3,), (1,)), ((), ())))


def _input_gradient_by_shifts(dy: Array, kernel: Array, stride: int, padding: Padding, shape: tuple[int, ...]) -> Array:
    """One product to the stride x stride blocks that a pixel reaches, the blocks' sum, then their pixels."""
    c = kernel.shape[2]
    b, h, w, _ = dy.shape
    reach = -(-kernel.shape[0] // stride)  # blocks in each direction
    rest = reach * stride - kernel.shape[0]
    kernel = jnp.pad(kernel, ((0, rest), (0, rest), (0, 0), (0, 0))) if rest else kernel
    terms = _dot(dy, kernel, 3, 3).reshape(b, h, w, reach, stride, reach, stride, c)
    blocks = sum(
        lax.pad(
            terms[:, :, :, i, :, j],
            jnp.zeros((), dy.dtype),
            ((0, 0, 0), (i, reach - 1 - i, 0), (j, reach - 1 - j, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0)),
        )
        for i in range(reach)
        for j in range(reach)
    )
    h, w = (h + reach - 1) * stride, (w + reach - 1) * stride
    dx = jnp.swapaxes(blocks, 2, 3).reshape(b, h, w, c)
    crop = [(-padding[0], n + padding[0] - full, 0) for n, full in zip(shape, (h, w), strict=True)]
    return lax.pad(dx, jnp.zeros((), dx.dtype), ((0, 0, 0), *crop, (0, 0, 0)))


# The gradient of the kernel.


def _kernel_gradient_native(x: Array, dy: Array, stride: int, padding: Padding, size: int) -> Array:
    pads = [
        (padding[0], size - 1 + stride * (p - 1) + 1 - n - padding[0])
        for n, p in zip(x.shape[1:3], dy.shape[1:3], strict=True)
    ]
    return lax.conv_general_dilated(
        x,
        dy,
        (1, 1),
        pads,
        rhs_dilation=(stride, stride),
        dimension_numbers=('CHWN', 'IHWO', 'HWNC'),
    )


def _kernel_gradient_product(x: Array, dy: Array) -> Array:
    return lax.dot_general(x, dy, (((0, 1, 2), (0, 1, 2)), ((), ())))[None, None]


def _kernel_gradient_by_patches(x: Array, dy: Array, stride: int, padding: Padding, size: int) -> Array:
    patches = _patches(x, size, stride, padding)
    patches = patches.reshape(-1, patches.shape[3])
    return _dot(patches, dy.reshape(-1, dy.shape[3]), 0, 0).reshape(size, size, x.shape[3], dy.shape[3])


def _kernel_gradient_by_shifts(x: Array, dy: Array, stride: int, padding: Padding, size: int) -> Array:
    """One product with all of the outputs that see a pixel side by side; stride 1."""
    c, d = x.shape[3], dy.shape[3]
    h, w = x.shape[1:3]
    far = size - 1 - padding[0]  # what the last row of x, seen by the kernel's first tap, lacks in dy
    rest = [n + size - 1 - far - p for n, p in zip((h, w), dy.shape[1:3], strict=True)]
    dy = lax.pad(dy, jnp.zeros((), dy.dtype), ((0, 0, 0), (far, rest[0], 0), (far, rest[1], 0), (0, 0, 0)))
    seen = [dy[:, i : i + h, j : j + w] for i in reversed(range(size)) for j in reversed(range(size))]
    gradient = _dot(x.reshape(-1, c), jnp.concatenate(seen, axis=-1).reshape(-1, size * size * d), 0, 0)
    return jnp.moveaxis(gradient.reshape(c, size, size, d), 0, 2)


# What they share.


def _dot(a: Array, b: Array, axis_a: int, axis_b: int) -> Array:
    return lax.dot_general(a, b, (((axis_a,), (axis_b,)), ((), ())), preferred_element_type=jnp.float32).astype(a.dtype)


def _output_size(size: int, kernel_size: int, stride: int, padding: Padding) -> int:
    return (size + sum(padding) - kernel_size) // stride + 1


def _splits(x: Array, size: int, stride: int, padding: Padding) -> bool:
    """Say whether padded pictures and the kernel both come in whole blocks of stride x stride."""
    return not any((n + sum(padding)) % stride for n in x.shape[1:3]) and size % stride == 0


def pad(x: Array, padding: Padding) -> Array:
    """Pad rows and columns, the second and third axis, with zeros."""
    return jnp.pad(x, ((0, 0), padding, padding, *((0, 0),) * (x.ndim - 3)))


def taps(x: Array, size: int, stride: int, padding: Padding) -> list[Array]:
    """Return for each tap of the kernel the pixels that it meets, [b, p, q, c]."""
    h, w = (_output_size(n, size, stride, padding) for n in x.shape[1:3])
    x = pad(x, padding)
    return [
        x[:, i : i + stride * (h - 1) + 1 : stride, j : j + stride * (w - 1) + 1 : stride]
        for i in range(size)
        for j in range(size)
    ]


def _patches(x: Array, size: int, stride: int, padding: Padding) -> Array:
    """Return what each output pixel sees, [b, p, q, size * size * c]."""
    return jnp.concatenate(taps(x, size, stride, padding), axis=-1)


def _space_to_depth(x: Array, block: int) -> Array:
    """Turn blocks of pixels into channels: [b, h, w, c] -> [b, h / block, w / block, block * block * c]."""
    b, h, w, c = x.shape
    x = x.reshape(b, h // block, block, w // block, block, c).swapaxes(2, 3)
    return x.reshape(b, h // block, w // block, block * block * c)
