"""What a run measures beside the scores that all have: by networks or one's own, a mean over pictures or of the set."""

import functools
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from flax import linen as nn
from jax.tree_util import Partial
from jaxtyping import Array, Float

from jaxcolor import own_parts
from jaxcolor.errors import UserError
from jaxcolor.evaluation import lpips, scores
from jaxcolor.evaluation.frechet import FrechetDistance
from jaxcolor.models import efficientnet_weights, inception, pretrained_files, torch_convolutions
from jaxcolor.models.efficientnet import EfficientNetLite0
from jaxcolor.models.lpips_backbones import ALEXNET, VGG16, Backbone, BackboneFeatures, shape_probe

Pictures = Float[Array, 'b h w 3']

_LOG = logging.getLogger(__name__)


@runtime_checkable
class SetMeasure(Protocol):
    """A measure of all pictures of a set together, which is no mean over pictures.

    `extract` runs on the devices; what it returns comes back to the host, where the state is: `init`, then `update`
    for each batch in turn, then `finish`. Every host sees the pictures of all. The attribute `higher_is_better = True`
    says that more is better.
    """

    def extract(self, generated: Pictures, true: Pictures) -> Any:
        """Return what is needed of each picture, a tree of arrays [b, …]; pure, and compiled."""
        ...

    def init(self) -> Any:
        """Return the state of no pictures, of whatever kind."""
        ...

    def update(self, state: Any, rows: Any) -> Any:
        """Return the state with more pictures, in any order: `rows` is what `extract` gave of them, NumPy's."""
        ...

    def finish(self, state: Any) -> float:
        """Return the measure of all pictures."""
        ...


class Measures(NamedTuple):
    """Measures by their names in records. `on_device` is a tree whose leaves are the weights of networks."""

    on_device: 'OnDevice'
    sets: Mapping[str, SetMeasure]

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.on_device.pictures, *self.sets)


class OnDevice(NamedTuple):
    """The part of measures that devices compute, each a function of (generated, true)."""

    pictures: dict[str, Partial]  # one number a picture
    sets: dict[str, Partial]  # `SetMeasure.extract`


NONE = Measures(OnDevice({}, {}), {})


def load(config: ml_collections.ConfigDict) -> Measures:
    """Return the measures that `config.metrics` names, with the weights that they need.

    Raises:
      UserError: there is no such measure, its name is taken, or its weights are not there or not as they should be.
    """
    found: dict[str, Any] = {}
    for name in config.metrics:
        key = scores.key(name)
        if key in found or (key in scores.SCORES and name not in _OF_NETWORKS):
            raise UserError(f'metrics={name}: there is a score of that name already; name the function otherwise')
        scores.find(name)
        found[key] = _OF_NETWORKS[name](config) if name in _OF_NETWORKS else own(name)
    found = dict(sorted(found.items()))  # as devices have the keys of a dictionary
    sets = {key: measure for key, measure in found.items() if isinstance(measure, SetMeasure)}
    extract = {key: _partial(measure.extract) for key, measure in sets.items()}
    pictures = {key: _partial(measure) for key, measure in found.items() if key not in sets}
    return Measures(OnDevice(pictures, extract), sets)


def own(name: str) -> Any:
    """Return the metric `my_metrics:warmth`, a function or a set measure; a class is made, without arguments.

    Raises:
      UserError: there is none, or the class wants arguments.
    """
    found = own_parts.find('metrics', name, {})
    try:
        return found() if isinstance(found, type) else found
    except TypeError as error:
        raise UserError(f'metrics={name}: {error}; name an object of that class, made with arguments') from error


def _partial(function: Callable[..., Any]) -> Partial:
    return function if isinstance(function, Partial) else Partial(function)


def lite0(field: str, value: str) -> tuple[EfficientNetLite0, Any]:
    """Return EfficientNet-Lite0 and its parameters, trained on ImageNet; it takes RGB in [-1, 1].

    Args:
      field: of the config or the command that wants it, for errors.
      value: of that field.

    Raises:
      UserError: the package with its weights is not installed, or they are damaged.
    """
    path = pretrained_files.find_lite0(f'{field}={value!r}')
    entries, _ = pretrained_files.read(field, value, path, 'install jaxcolor[pretrained] anew', '', '')
    network = EfficientNetLite0()
    return network, efficientnet_weights.to_flax(entries, _shapes(network, jnp.zeros((1, 32, 32, 3))))


def frechet_lite0() -> FrechetDistance:
    """Return the Fréchet distance in the features of EfficientNet-Lite0, trained on ImageNet: no FID.

    They are the mean over the picture of its last 320 maps. Pictures whose sides are no multiples of 32 pixels are
    enlarged to the next.

    Raises:
      UserError: the package with its weights is not installed, or they are damaged.
    """
    network, params = lite0('metrics', 'frechet_lite0')

    def features(params: Any, pictures: Pictures) -> Float[Array, 'b 320']:
        height, width = (-(-side // 32) * 32 for side in pictures.shape[1:3])
        enlarged = jax.image.resize(pictures, (len(pictures), height, width, 3), 'linear')  # or as they are
        maps: Any = network.apply({'params': params}, 2 * enlarged - 1)
        return jnp.mean(maps[-1], axis=(1, 2))

    return FrechetDistance.of('frechet_lite0', 320, features, params)


def _fid(config: ml_collections.ConfigDict) -> FrechetDistance:
    network = inception.FidInception()
    shapes = _shapes(network, jnp.zeros((1, 32, 32, 3)))

    def convert(entries: Mapping[str, np.ndarray]) -> Any:
        title = "FID's Inception-v3 with the names of pytorch-fid"
        classes = entries['fc.bias'].size if 'fc.bias' in entries else inception.CLASSES
        if classes != inception.CLASSES:
            raise UserError(f'not the weights of {title}: it tells {classes} classes apart, not {inception.CLASSES}')
        unused = r'fc\..*|.*\.num_batches_tracked'
        return torch_convolutions.to_flax(entries, shapes, title, unused=unused, epsilon=inception.EPSILON)

    def features(params: Any, pictures: Pictures) -> Float[Array, 'b 2048']:
        result = network.apply({'params': params}, pictures)
        assert isinstance(result, jax.Array)
        return result

    return FrechetDistance.of('fid', inception.FEATURES, features, _read('fid', config, 'inception', convert))


def _lpips(name: str, backbone: Backbone, config: ml_collections.ConfigDict) -> Partial:
    if config.data.image_size < backbone.least_size:
        raise UserError(
            f'data.image_size={config.data.image_size} is too small for the metric {name}; '
            f'use {backbone.least_size} or more'
        )
    network = BackboneFeatures(backbone)
    shapes = _shapes(network, shape_probe(backbone))

    def convert(entries: Mapping[str, np.ndarray]) -> Any:
        title = f'{backbone.title} with the names of torchvision'
        return torch_convolutions.to_flax(entries, shapes, title, unused=r'classifier\..*')

    params = _read(name, config, 'lpips_backbone', convert)
    heads = _read(name, config, 'lpips_heads', lambda entries: lpips.heads_from(entries, backbone))
    return Partial(functools.partial(lpips.distance, network), params, heads)


_OF_NETWORKS: dict[str, Callable[[ml_collections.ConfigDict], Any]] = {
    'frechet_lite0': lambda _: frechet_lite0(),
    'fid': _fid,
    'lpips_alex': functools.partial(_lpips, 'lpips_alex', ALEXNET),
    'lpips_vgg': functools.partial(_lpips, 'lpips_vgg', VGG16),
}


def _shapes(network: nn.Module, pictures: Pictures) -> Any:
    return jax.eval_shape(network.init, jax.random.key(0), pictures)['params']


def _read(
    metric: str, config: ml_collections.ConfigDict, name: str, convert: Callable[[Mapping[str, np.ndarray]], Any]
) -> Any:
    """Return what `convert` makes of the file `metric_weights.NAME`, whose SHA-256 is checked where it is given."""
    field, weights = f'metric_weights.{name}', config.metric_weights[name]
    if not weights:
        raise UserError(
            f'metrics={metric!r} needs weights: {field} is not set; use the path of a file, see docs/evaluation.md, '
            f'or leave {metric} out'
        )
    path = Path(weights).expanduser()
    remedy = f'use the path of one, or leave {metric} out of metrics'
    sha256 = config.metric_weights[f'{name}_sha256']
    entries, digest = pretrained_files.read(field, weights, path, remedy, sha256, f'{field}_sha256')
    try:
        converted = convert(entries)
    except UserError as error:
        raise UserError(f'{field}={weights!r}: {error}') from error
    _LOG.info('%s from %s, SHA-256 %s', metric, weights, digest)
    return converted
