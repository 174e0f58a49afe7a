"""Layers that the networks are built of: convolutions with spectral norm, normalisation, dropout, pooling."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.ad_checkpoint import checkpoint_name
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray

from jaxcolor.errors import UserError
from jaxcolor.models import conv as convolutions

Activation = Callable[[Array], Array]
Initializer = Callable[..., Array]
T = TypeVar('T')

# The name of what rematerialisation (`jax.checkpoint`) had better keep: convolutions, which cost most to compute again,
# and the moments of norms, which are small and may have crossed devices.
KEPT = 'kept'

ACTIVATIONS: dict[str, Activation] = {
    'leaky_relu': lambda x: nn.leaky_relu(x, 0.2),
    'relu': nn.relu,
    'elu': nn.elu,
    'tanh': jnp.tanh,
    'sigmoid': nn.sigmoid,
    'identity': lambda x: x,
}


def named(kind: str, known: Mapping[str, T], name: str) -> T:
    """Return what `known` has under `name`; UserError, listing all of that `kind`, if there is none."""
    if name not in known:
        raise UserError(f'unknown {kind} {name!r}; known: {", ".join(known)}')
    return known[name]


def activation(name: str, slope: float = 0.2) -> Activation:
    """Return the activation called `name`, of which 'leaky_relu' has that `slope`; UserError for others."""
    found = named('activation', ACTIVATIONS, name)
    return (lambda x: nn.leaky_relu(x, slope)) if name == 'leaky_relu' else found


def check_divisible(size: int, step: int, step_name: str, remedy: str = '') -> None:
    """Raise UserError, naming the nearest sizes and any other `remedy`, unless `size` is a multiple of `step`."""
    if size % step or not size:
        below = size // step * step
        near = f'{below} or {below + step}' if below else f'{step}'
        raise UserError(f'image size {size} is not divisible by {step_name}; use {near}{remedy}')


def pix2pix_kernel_init(key: PRNGKeyArray, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Array:
    """Draw from N(0, 0.02), as pix2pix does (Kanojia23 section 5.5)."""
    return 0.02 * jax.random.normal(key, shape, dtype)


def pix2pix_scale_init(key: PRNGKeyArray, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Array:
    """Draw from N(1, 0.02), as pix2pix does for the scales of its BatchNorm."""
    return 1 + 0.02 * jax.random.normal(key, shape, dtype)


INITIALIZERS: dict[str, Initializer] = {
    'normal': pix2pix_kernel_init,
    'glorot': nn.initializers.glorot_uniform(),
}


def same_padding(kernel_size: int, stride: int) -> tuple[int, int]:
    """Return the padding that makes n pixels n / stride, for n that `stride` divides; Keras' 'same'.

    The adjoint with that padding makes n / stride pixels n.
    """
    padding = kernel_size - stride
    return padding // 2, padding - padding // 2


class Conv(nn.Module):
    """A strided convolution, 4x4 unless told otherwise, [b, h, w, c] -> [b, p, q, features].

    `padding` is (before, after) of both rows and columns. `upsample` doubles the picture first, by repeating
    pixels; then the stride is 1, and the kernel, of odd size, is padded to keep the doubled size.
    `spectral_norm` counts the power iterations of a training step that divide the kernel by its largest
    singular value (Miyato et al. 2018); 0 is off.
    """

    features: int
    kernel_size: int = 4
    stride: int = 2
    padding: tuple[int, int] = (1, 1)
    upsample: bool = False
    use_bias: bool = True
    spectral_norm: int = 0
    kernel_init: Initializer = pix2pix_kernel_init
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, 'b h w c'], train: bool) -> Float[Array, 'b p q d']:
        """Convolve; `train` updates the singular vectors of spectral norm."""
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        kernel = self.param('kernel', self.kernel_init, shape)
        if self.spectral_norm:
            kernel = _spectral_normalize(self, kernel, axis=3, train=train)
        x, kernel = x.astype(self.dtype), kernel.astype(self.dtype)
        if self.upsample:
            y = convolutions.upsample_conv(x, kernel)
        else:
            y = convolutions.conv(x, kernel, self.stride, self.padding)
        return checkpoint_name(add_bias(self, y) if self.use_bias else y, KEPT)


class ConvTranspose(nn.Module):
    """The adjoint of a strided `Conv`, [b, p, q, c] -> [b, h, w, features].

    `padding` is that of the convolution whose adjoint this is: 4x4 with (1, 1) is PyTorch's
    `ConvTranspose2d(4, stride=2, padding=1)`, which doubles; (0, 0) is Keras' 'valid'. The kernel is
    [k, k, features, c]; spectral norm sets its axis `spectral_axis` against the rest (see `Style`).
    """

    features: int
    kernel_size: int = 4
    stride: int = 2
    padding: tuple[int, int] = (1, 1)
    use_bias: bool = True
    spectral_norm: int = 0
    spectral_axis: int = 2
    kernel_init: Initializer = pix2pix_kernel_init
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, 'b p q c'], train: bool) -> Float[Array, 'b h w d']:
        """Convolve; `train` updates the singular vectors of spectral norm."""
        shape = (self.kernel_size, self.kernel_size, self.features, x.shape[-1])
        kernel = self.param('kernel', self.kernel_init, shape)
        if self.spectral_norm:
            kernel = _spectral_normalize(self, kernel, axis=self.spectral_axis, train=train)
        y = convolutions.conv_transpose(x.astype(self.dtype), kernel.astype(self.dtype), self.stride, self.padding)
        return checkpoint_name(add_bias(self, y) if self.use_bias else y, KEPT)


def add_bias(module: nn.Module, y: Float[Array, 'b h w d']) -> Float[Array, 'b h w d']:
    """Add a parameter of `module`, 'bias', to each channel of y, in y's dtype.

    It is spread in float32, so that its gradient is summed in float32: of bfloat16, XLA's sums take 40 times as long on
    a CPU.
    """
    bias = module.param('bias', nn.initializers.zeros, y.shape[-1:])
    return y + jnp.broadcast_to(bias, y.shape).astype(y.dtype)


def _spectral_normalize(
    module: Conv | ConvTranspose, kernel: Float[Array, 'k k i o'], axis: int, train: bool
) -> Float[Array, 'k k i o']:
    """Divide `kernel` by its largest singular value as a matrix of `axis` by all the rest.

    The left singular vector lives in `batch_stats`, like Flax's own SpectralNorm, so that whoever carries
    the statistics of BatchNorm carries it too.
    """
    matrix = jnp.moveaxis(kernel, axis, 0).reshape(kernel.shape[axis], -1)
    u = module.variable('batch_stats', 'u', _random_unit_vector, module, len(matrix))
    frozen = jax.lax.stop_gradient(matrix)
    left = u.value
    right = _unit(left @ frozen)
    if train:
        for _ in range(module.spectral_norm):
            left = _unit(frozen @ right)
            right = _unit(left @ frozen)
        if not module.is_initializing():
            u.value = left
    return kernel / (left @ matrix @ right)


def _random_unit_vector(module: nn.Module, size: int) -> Float[Array, '{size}']:  # noqa: F821  # jaxtyping fills it in
    return _unit(jax.random.normal(module.make_rng('params'), (size,)))


def _unit(vector: Float[Array, ' n']) -> Float[Array, ' n']:
    return vector / jnp.maximum(jnp.linalg.norm(vector), 1e-12)


class Norm(nn.Module):
    """Normalise each channel of [b, h, w, c], over the batch or over each picture, then scale and shift.

    `kind` is 'batch', 'instance' or 'none' (the identity). Statistics are taken in float32 whatever `dtype`.
    Under pmap, `axis_name` makes 'batch' take them over the devices' batches together. `momentum` is the
    share of the running statistics that a step keeps (PyTorch's is one minus that).
    """

    kind: str = 'batch'
    momentum: float = 0.9
    epsilon: float = 1e-5
    scale_init: Initializer = pix2pix_scale_init
    dtype: DTypeLike = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x: Float[Array, 'b *space c'], train: bool) -> Float[Array, 'b *space c']:
        """Normalise; `train` takes the batch's own statistics and updates the running ones."""
        if self.kind == 'none':
            return x
        if self.kind not in ('batch', 'instance'):
            raise UserError(f'unknown norm {self.kind!r}; known: batch, instance, none')
        channels = (x.shape[-1],)
        scale = self.param('scale', self.scale_init, channels)
        bias = self.param('bias', nn.initializers.zeros, channels)
        if self.kind == 'instance':
            mean, var = _moments(x, tuple(range(1, x.ndim - 1)))
        else:
            running_mean = self.variable('batch_stats', 'mean', jnp.zeros, channels)
            running_var = self.variable('batch_stats', 'var', jnp.ones, channels)
            if train:
                mean, var = _moments(x, tuple(range(x.ndim - 1)), self.axis_name)
                if not self.is_initializing():
                    running_mean.value = self.momentum * running_mean.value + (1 - self.momentum) * mean.ravel()
                    running_var.value = self.momentum * running_var.value + (1 - self.momentum) * var.ravel()
            else:
                mean, var = running_mean.value, running_var.value
        shape = (1,) * (x.ndim - 1) + channels
        factor = scale.reshape(shape) * jax.lax.rsqrt(var.reshape(-1, *shape[1:]) + self.epsilon)
        shift = bias.reshape(shape) - mean.reshape(-1, *shape[1:]) * factor
        return (x.astype(jnp.float32) * factor + shift).astype(self.dtype)


def _moments(
    x: Float[Array, 'b *space c'], axes: tuple[int, ...], axis_name: str | None = None
) -> tuple[Float[Array, '*ones c'], Float[Array, '*ones c']]:
    """Return mean and variance of x in one pass over it, kept in float32, broadcastable against x."""
    x = x.astype(jnp.float32)
    sums = x.sum(axes, keepdims=True), jnp.square(x).sum(axes, keepdims=True)
    count = math.prod(x.shape[axis] for axis in axes)
    if axis_name is not None:  # sums cross devices, not means: there is nothing to do between summing here and there
        sums, count = jax.lax.psum(sums, axis_name), count * jax.lax.axis_size(axis_name)
    mean, mean_square = checkpoint_name((sums[0] / count, sums[1] / count), KEPT)
    return mean, jnp.maximum(mean_square - jnp.square(mean), 0)


class Style(NamedTuple):
    """Constants in which the two well-known implementations of pix2pix differ.

    'pytorch' is that of Isola et al.'s group (github.com/junyanz/pytorch-CycleGAN-and-pix2pix), 'keras' that
    of TensorFlow's tutorial. The networks of either style differ in more than constants:

    - LeakyReLU has slope 0.2 or Keras' 0.3, BatchNorm PyTorch's constants and scales from N(1, 0.02), or Keras'.
    - U-Net: an activation comes before its convolution, and the skips carry what is not activated yet; or
      after it, so that skips and the innermost map go up as they are.
    - U-Net: the innermost level has neither norm nor dropout; or both.
    - PatchGAN: padding 1, so that 4x4 with stride 1 takes a pixel, and a bias in the first convolution; or
      'same' padding, and no bias.
    - Spectral norm of a transposed convolution: the largest singular value of its outputs against the rest;
      or, as Keras always sets a kernel's last axis against the rest, of its inputs.
    """

    slope: float
    norm: Callable[..., Norm]
    spectral_axis: int


STYLES = {
    'pytorch': Style(slope=0.2, norm=Norm, spectral_axis=2),
    'keras': Style(
        slope=0.3,
        norm=partial(Norm, momentum=0.99, epsilon=1e-3, scale_init=nn.initializers.ones),
        spectral_axis=3,
    ),
}


def keras_conv(features: int, dtype: DTypeLike, kernel_size: int = 3, stride: int = 1, **options: Any) -> Conv:
    """Build a convolution as Keras does: 'same' padding (for sizes that `stride` divides), Glorot uniform, bias 0.

    `options` are fields of `Conv`; `upsample` is Keras' UpSampling2D before it.
    """
    options.setdefault('padding', same_padding(kernel_size, stride))
    return Conv(features, kernel_size, stride, kernel_init=INITIALIZERS['glorot'], dtype=dtype, **options)


class WithoutDropout:
    """What a generator without dropout says of it."""

    def has_dropout(self) -> bool:
        """Say that an rng 'dropout' makes no difference."""
        return False


class Dropout(nn.Module):
    """Set a share `rate` of the elements to 0 and scale up the rest, if the caller passes an rng 'dropout'.

    So whoever applies the network decides, in training or not: pix2pix draws its noise z this way at test
    time too (Kanojia23 section 5.4).
    """

    rate: float

    @nn.compact
    def __call__(self, x: Float[Array, '*shape']) -> Float[Array, '*shape']:
        """Drop, or return x as it is."""
        return nn.Dropout(self.rate, deterministic=not self.has_rng('dropout'))(x)


def pool(x: Float[Array, 'b h w c'], kind: str) -> Float[Array, 'b h//2 w//2 c']:
    """Take the 'average' or the 'max' of each block of 2 x 2 pixels, of even sizes."""
    return named('pool', POOLS, kind)(x)


def _max_pool(x: Float[Array, 'b h w c']) -> Float[Array, 'b h//2 w//2 c']:
    return _blocks(x).max(axis=(2, 4))


def _average_pool(x: Float[Array, 'b h w c']) -> Float[Array, 'b h//2 w//2 c']:
    y = jax.lax.platform_dependent(x, tpu=average_pool_by_convolution, default=lambda x: _blocks(x).mean(axis=(2, 4)))
    return checkpoint_name(y, KEPT)


def average_pool_by_convolution(x: Float[Array, 'b h w c']) -> Float[Array, 'b h//2 w//2 c']:
    """Take the average as TPUs do it fast: their matrix units wait while pairs of pixels are moved side by side."""
    channels = x.shape[3]
    kernel = jnp.broadcast_to(jnp.eye(channels, dtype=x.dtype) / 4, (2, 2, channels, channels))
    return convolutions.conv(x, kernel, 2, (0, 0))


def _blocks(x: Float[Array, 'b h w c']) -> Float[Array, 'b h//2 2 w//2 2 c']:
    b, h, w, c = x.shape
    return x.reshape(b, h // 2, 2, w // 2, 2, c)


POOLS: dict[str, Callable[[Array], Array]] = {'average': _average_pool, 'max': _max_pool}
