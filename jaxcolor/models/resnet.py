"""ResNet-18 without its classifier: torchvision's, so that weights trained for ImageNet fit."""

from functools import partial

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxcolor.models.layers import Conv, Norm

_STAGES = 4
_BLOCKS = 2  # in each stage


class ResNet18(nn.Module):
    """The encoder of He et al. 2015, cut before the average pool (Kanojia23 section 4.4).

    The names of the layers are torchvision's with `_` for `.`, which is all that `state_dict` relies on.
    Kernels start from torchvision's initialiser, He's normal over the outputs.
    """

    filters: int = 64
    dtype: DTypeLike = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x: Float[Array, 'b h w c'], train: bool) -> list[Float[Array, 'b _ _ _']]:
        """Return the last features at each of five resolutions, 1/2, 1/4, ..., 1/32 of the picture's.

        Their channels are 1, 1, 2, 4 and 8 times `filters`. The first are those before the max pool.
        """
        conv = partial(_conv, dtype=self.dtype)
        norm = partial(_norm, dtype=self.dtype, axis_name=self.axis_name)
        x = conv(self.filters, kernel_size=7, stride=2, padding=(3, 3), name='conv1')(x, train)
        x = nn.relu(norm(name='bn1')(x, train))
        features = [x]
        x = nn.max_pool(x, (3, 3), strides=(2, 2), padding=((1, 1), (1, 1)))
        for stage in range(_STAGES):
            for block in range(_BLOCKS):
                x = _BasicBlock(
                    self.filters * 2**stage,
                    stride=2 if stage and not block else 1,
                    dtype=self.dtype,
                    axis_name=self.axis_name,
                    name=f'layer{stage + 1}_{block}',
                )(x, train)
            features.append(x)
        return features


class _BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which is projected where the shape changes."""

    features: int
    stride: int
    dtype: DTypeLike
    axis_name: str | None

    @nn.compact
    def __call__(self, x: Float[Array, 'b h w c'], train: bool) -> Float[Array, 'b p q d']:
        conv = partial(_conv, self.features, dtype=self.dtype)
        norm = partial(_norm, dtype=self.dtype, axis_name=self.axis_name)
        y = conv(stride=self.stride, name='conv1')(x, train)
        y = nn.relu(norm(name='bn1')(y, train))
        y = norm(name='bn2')(conv(name='conv2')(y, train), train)
        if x.shape != y.shape:
            x = conv(kernel_size=1, stride=self.stride, padding=(0, 0), name='downsample_0')(x, train)
            x = norm(name='downsample_1')(x, train)
        return nn.relu(x + y)


_conv = partial(
    Conv,
    kernel_size=3,
    stride=1,
    use_bias=False,
    kernel_init=nn.initializers.variance_scaling(2.0, 'fan_out', 'normal'),
)
_norm = partial(Norm, scale_init=nn.initializers.ones)
