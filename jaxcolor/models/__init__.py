"""Generators and discriminators, built by name from a config.

Every generator is applied as `generator.apply(variables, x[b, h, w, 1], train, rngs={'dropout': key})` and
returns float32 [b, h, w, out_channels], or a whole fraction of that size; every discriminator as
`discriminator.apply(variables, x, y, train, …)` and returns float32 logits. Dropout is active wherever that rng is
given; `train` concerns norms alone.
Both have `check_size(height, width)`, generators also `has_dropout()` and `output_activation`, its name. State
other than `params` is in the collection `batch_stats`, mutable in training.
"""

import dataclasses
import itertools
import typing
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from jaxcolor import own_parts
from jaxcolor.errors import UserError
from jaxcolor.models.conv_unet import ConvUNet
from jaxcolor.models.dcgan import DCGAN
from jaxcolor.models.discriminators import DenseDiscriminator, PatchGAN
from jaxcolor.models.efficientnet_unet import EfficientNetUNet
from jaxcolor.models.resnet_unet import ResNetUNet
from jaxcolor.models.unet import UNet
from jaxcolor.models.valid import ValidGenerator

GENERATORS: dict[str, type[nn.Module]] = {
    'unet': UNet,
    'dcgan': DCGAN,
    'valid': ValidGenerator,
    'conv_unet': ConvUNet,
    'resnet_unet': ResNetUNet,
    'efficientnet_unet': EfficientNetUNet,
}
DISCRIMINATORS: dict[str, type[nn.Module]] = {'patchgan': PatchGAN, 'dense': DenseDiscriminator}

__all__ = ['DISCRIMINATORS', 'GENERATORS', 'build_discriminator', 'build_generator', 'default_fields', 'find', 'sizes']

# Of a field that holds several numbers, the least of each.
_LEAST = {
    **dict.fromkeys(('filters', 'depth', 'n_layers', 'widths', 'up_widths', 'hidden', 'kernel_sizes'), 1),
    **dict.fromkeys(('convs_per_pool', 'strided_layers'), 1),
    **dict.fromkeys(('kernel_size', 'last_kernel_size'), 2),
    **dict.fromkeys(('frozen_blocks', 'spectral_norm', 'dropout', 'encoder_dropout', 'hidden_dropout'), 0),
    'width': 0.1,
}
_NOT_CONFIGURED = {'parent', 'name', 'dtype', 'axis_name', 'out_channels'}


def build_generator(
    config: Mapping[str, Any],
    out_channels: int,
    *,
    dtype: DTypeLike = jnp.float32,
    axis_name: str | None = None,
) -> nn.Module:
    """Build the generator that `config` describes: its `name`, and any fields of that module.

    `dtype` is that of the computation; parameters are float32. `axis_name` names the pmapped axis over which
    BatchNorm takes its statistics. UserError for a name or a field that is not known.
    """
    return _build('generator', config, out_channels=out_channels, dtype=dtype, axis_name=axis_name)


def build_discriminator(
    config: Mapping[str, Any], *, dtype: DTypeLike = jnp.float32, axis_name: str | None = None
) -> nn.Module:
    """Build the discriminator that `config` describes; see `build_generator`."""
    return _build('discriminator', config, dtype=dtype, axis_name=axis_name)


def default_fields(role: str, name: str) -> dict[str, tuple[Any, Any]]:
    """Return the fields of the `generator` or `discriminator` called `name` that a config may set: (type, default).

    Raises:
      UserError: see `find`.
    """
    module = find(role, name)
    types = typing.get_type_hints(module)
    return {
        field.name: (types[field.name], field.default)
        for field in dataclasses.fields(module)
        if field.name not in _NOT_CONFIGURED
    }


def find(role: str, name: str) -> type[nn.Module]:
    """Return the Linen module called `name`: one of ours, or `my_module:MyNet` of a module that Python finds.

    Args:
      role: `generator` or `discriminator`.
      name: of the module.

    Raises:
      UserError: there is none.
    """
    found = own_parts.find(f'{role}.name', name, {'generator': GENERATORS, 'discriminator': DISCRIMINATORS}[role])
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise UserError(f'{role}.name={name} is no Linen module; use a subclass of flax.linen.Module')
    return found


def sizes(generator: nn.Module) -> tuple[int, int]:
    """Return the smallest height and width that a generator takes, and the step from each to the next."""

    def takes(size: int) -> bool:
        try:
            generator.check_size(size, size)
        except UserError:
            return False
        return True

    least, following = itertools.islice(filter(takes, itertools.count(1)), 2)
    return least, following - least


def _build(role: str, config: Mapping[str, Any], **given: Any) -> nn.Module:
    options = dict(config)
    name = options.pop('name', None)
    fields = default_fields(role, name)
    for field, value in options.items():
        if field == 'out_channels' and role == 'generator':
            raise UserError(f'generator.out_channels={value}: leave it out, the space decides it ({given[field]} here)')
        if field not in fields:
            raise UserError(f'{role} {name!r} has no field {field!r}; known: {", ".join(fields)}')
        if value is not None:
            _check_range(f'{role}.{field}', field, value)
    # Linen modules must be hashable, and configs hold lists.
    options = {field: tuple(v) if isinstance(v, list) else v for field, v in options.items()}
    return find(role, name)(**options, **given)


def _check_range(where: str, field: str, value: Any) -> None:
    least = _LEAST.get(field)
    numbers = value if isinstance(value, list | tuple) else [value]
    if least is not None and any(number < least for number in numbers):
        raise UserError(f'{where}={value} is too small; use {least} or more')
    if field.endswith('dropout') and value >= 1:
        raise UserError(f'{where}={value} drops everything; use less than 1')
