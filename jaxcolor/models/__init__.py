"""Generators and discriminators, built by name from a config.

Every generator is applied as `generator.apply(variables, x[b, h, w, 1], train, rngs={'dropout': key})` and
returns float32 [b, h, w, out_channels]; every discriminator as `discriminator.apply(variables, x, y, train,
…)` and returns float32 logits. Both have `check_size(height, width)`. State other than `params` is in the
collection `batch_stats`, mutable in training.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from jaxcolor.errors import UserError
from jaxcolor.models.dcgan import DCGAN
from jaxcolor.models.discriminators import DenseDiscriminator, PatchGAN
from jaxcolor.models.unet import UNet

GENERATORS: dict[str, type[nn.Module]] = {'unet': UNet, 'dcgan': DCGAN}
DISCRIMINATORS: dict[str, type[nn.Module]] = {'patchgan': PatchGAN, 'dense': DenseDiscriminator}

__all__ = ['DISCRIMINATORS', 'GENERATORS', 'build_discriminator', 'build_generator', 'default_fields']

_LEAST = {'filters': 1, 'depth': 1, 'n_layers': 1, 'hidden': 1, 'spectral_norm': 0, 'dropout': 0}
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
    return _build('generator', GENERATORS, config, out_channels=out_channels, dtype=dtype, axis_name=axis_name)


def build_discriminator(
    config: Mapping[str, Any], *, dtype: DTypeLike = jnp.float32, axis_name: str | None = None
) -> nn.Module:
    """Build the discriminator that `config` describes; see `build_generator`."""
    return _build('discriminator', DISCRIMINATORS, config, dtype=dtype, axis_name=axis_name)


def default_fields(role: str, name: str) -> dict[str, tuple[Any, Any]]:
    """The fields of the `generator` or `discriminator` called `name` that a config may set: (type, default) each."""
    module = {'generator': GENERATORS, 'discriminator': DISCRIMINATORS}[role][name]
    return {f.name: (f.type, f.default) for f in dataclasses.fields(module) if f.name not in _NOT_CONFIGURED}


def _build(role: str, known: dict[str, type[nn.Module]], config: Mapping[str, Any], **given: Any) -> nn.Module:
    options = dict(config)
    name = options.pop('name', None)
    if name not in known:
        raise UserError(f'unknown {role} {name!r}; known: {", ".join(known)}')
    fields = default_fields(role, name)
    for field in options:
        if field not in fields:
            raise UserError(f'{role} {name!r} has no field {field!r}; known: {", ".join(fields)}')
        if field in _LEAST and options[field] < _LEAST[field]:
            raise UserError(f'{role}.{field}={options[field]} is too small; use {_LEAST[field]} or more')
    if options.get('dropout', 0) >= 1:
        raise UserError(f'{role}.dropout={options["dropout"]} drops everything; use less than 1')
    if min(options.get('widths') or [1]) < 1:
        raise UserError(f'{role}.widths={options["widths"]}: every level needs 1 channel or more')
    # Linen modules must be hashable, and configs hold lists.
    options = {field: tuple(v) if isinstance(v, list) else v for field, v in options.items()}
    return known[name](**options, **given)
