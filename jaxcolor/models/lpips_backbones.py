"""The convolutions of AlexNet and VGG-16 that LPIPS looks at, with torchvision's names."""

from typing import NamedTuple

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float


class _Layer(NamedTuple):
    """A convolution and a ReLU; the number is that of torchvision's `features`."""

    number: int
    features: int
    size: int = 3
    stride: int = 1
    padding: int = 1


class _Stage(NamedTuple):
    """Layers up to one that LPIPS looks at, and whether a max pool comes before them."""

    pooled: bool
    layers: tuple[_Layer, ...]


class Backbone(NamedTuple):
    """A network by its stages."""

    title: str
    pool_size: int  # of its max pools, whose stride is 2
    least_size: int  # pixels of a picture of which the last map has one
    stages: tuple[_Stage, ...]


# Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks".
ALEXNET = Backbone(
    'AlexNet',
    3,
    31,
    (
        _Stage(False, (_Layer(0, 64, 11, 4, 2),)),
        _Stage(True, (_Layer(3, 192, 5, 1, 2),)),
        _Stage(True, (_Layer(6, 384),)),
        _Stage(False, (_Layer(8, 256),)),
        _Stage(False, (_Layer(10, 256),)),
    ),
)
# Simonyan and Zisserman 2014, configuration D.
VGG16 = Backbone(
    'VGG-16',
    2,
    16,
    (
        _Stage(False, (_Layer(0, 64), _Layer(2, 64))),
        _Stage(True, (_Layer(5, 128), _Layer(7, 128))),
        _Stage(True, (_Layer(10, 256), _Layer(12, 256), _Layer(14, 256))),
        _Stage(True, (_Layer(17, 512), _Layer(19, 512), _Layer(21, 512))),
        _Stage(True, (_Layer(24, 512), _Layer(26, 512), _Layer(28, 512))),
    ),
)


class BackboneFeatures(nn.Module):
    """A backbone's features where LPIPS looks at them."""

    backbone: Backbone

    @nn.compact
    def __call__(self, x: Float[Array, 'b h w 3']) -> list[Float[Array, 'b _ _ _']]:
        """Return the features after each of the five stages, of pictures scaled as `evaluation.lpips` does."""
        features = []
        for pooled, layers in self.backbone.stages:
            if pooled:
                size = self.backbone.pool_size
                x = nn.max_pool(x, (size, size), (2, 2))
            for number, channels, size, stride, padding in layers:
                conv = nn.Conv(channels, (size, size), stride, padding, name=f'features.{number}')
                x = nn.relu(conv(x))
            features.append(x)
        return features


def features_count(backbone: Backbone) -> list[int]:
    """Return the channels of each of the five."""
    return [layers[-1].features for _, layers in backbone.stages]


def shape_probe(backbone: Backbone) -> Float[Array, '1 h w 3']:
    """Return the smallest picture that a backbone takes."""
    return jnp.zeros((1, backbone.least_size, backbone.least_size, 3))
