"""Optimizers by name, from optax, with a schedule, clipping, and a rate of its own for a pretrained encoder."""

from collections.abc import Callable, Collection
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import optax

from jaxcolor.errors import UserError

_OPTIMIZERS: dict[str, Callable[..., optax.GradientTransformation]] = {
    'adam': optax.adam,
    'adamw': optax.adamw,
    'sgd': optax.sgd,
}
_SCHEDULES = ('constant', 'cosine', 'linear')
_BACKBONE = 'backbone'


def build_optimizer(section: str, config: ml_collections.ConfigDict, total_steps: int) -> optax.GradientTransformation:
    """Build the optimizer that a config describes.

    `name` with its own fields (`learning_rate`, `b1`, `weight_decay`, ...). `schedule`: what the rate follows after
    `warmup_steps` of linear rise, `constant`, or `cosine` or `linear` down to 0 in the last `decay_steps` of the run
    (in all of them where that is 0). `max_grad_norm`: what the gradient of all parameters together is clipped to.
    `backbone_factor`: what the updates of a pretrained encoder are multiplied by, after `backbone_frozen_steps` in
    which it has none. Weights decay in kernels; not in biases and norms, nor in a pretrained encoder.

    Args:
      section: the field of the whole config that `config` is, for messages.
      config: the fields.
      total_steps: of the run, which the rate's fall ends with; 0 where nothing is trained, and the rate does not fall.

    Raises:
      UserError: a name that is not known, a field that the optimizer does not take, a value out of its range.
    """
    options = dict(config)
    name = options.pop('name', None)
    check_known(f'{section}.name', name, _OPTIMIZERS)
    schedule = options.pop('schedule', 'constant')
    check_known(f'{section}.schedule', schedule, _SCHEDULES)
    warmup, decay = options.pop('warmup_steps', 0), options.pop('decay_steps', 0)
    frozen = options.pop('backbone_frozen_steps', 0)
    max_grad_norm, factor = options.pop('max_grad_norm', 0.0), options.pop('backbone_factor', 1.0)
    rate = options.get('learning_rate', 1)
    if not rate > 0:
        raise UserError(f'{section}.learning_rate={rate} teaches nothing; use a number above 0')
    for beta in {'b1', 'b2'} & options.keys():
        if not 0 <= options[beta] < 1:
            raise UserError(f'{section}.{beta}={options[beta]} is not in [0, 1)')
    numbers = {
        'warmup_steps': warmup,
        'decay_steps': decay,
        'backbone_frozen_steps': frozen,
        'max_grad_norm': max_grad_norm,
        'backbone_factor': factor,
        'weight_decay': options.get('weight_decay', 0),
    }
    for field, number in numbers.items():
        if number < 0:
            raise UserError(f'{section}.{field}={number} is below 0; use 0 or more')
    if schedule != 'constant' and total_steps:
        options['learning_rate'] = _decaying(section, schedule, rate, warmup, decay, total_steps)
    elif warmup or schedule != 'constant':
        options['learning_rate'] = _rising(rate, warmup)
    if name == 'adamw':
        options['mask'] = _decays
    elif not options.pop('weight_decay', 0):
        pass
    else:
        raise UserError(f"{section}.weight_decay={numbers['weight_decay']}: {name} has none; use name='adamw'")
    try:
        optimizer = _OPTIMIZERS[name](**options)
    except TypeError as error:
        raise UserError(f'{section}: {name} does not take {sorted(options)}: {error}') from error
    # Each link has a state of its own: a checkpoint of plain Adam has no more than Adam's.
    if max_grad_norm:
        optimizer = optax.chain(optax.clip_by_global_norm(max_grad_norm), optimizer)
    if factor != 1 or frozen:
        slower = optax.scale_by_schedule(lambda count: factor * jnp.where(count < frozen, 0.0, 1.0))
        optimizer = optax.chain(optimizer, optax.masked(slower, _in_backbone))
    return optimizer


def _decaying(section: str, kind: str, rate: float, warmup: int, decay: int, total: int) -> optax.Schedule:
    """Up to `rate`, there until `decay` steps are left, and down to 0 at `total`."""
    decay = decay or total - warmup
    if decay < 1 or warmup + decay > total:
        raise UserError(
            f'{section}.warmup_steps={warmup} and decay_steps={decay} are more than the {total} steps of the run; '
            'use fewer'
        )
    down = optax.cosine_decay_schedule(rate, decay) if kind == 'cosine' else optax.linear_schedule(rate, 0.0, decay)
    return optax.join_schedules([_rising(rate, warmup), down], [total - decay])


def _rising(rate: float, warmup: int) -> optax.Schedule:
    return optax.warmup_constant_schedule(0.0, rate, warmup) if warmup else optax.constant_schedule(rate)


def check_known(field: str, value: object, known: Collection[str]) -> None:
    """Raise UserError unless `value` is one of those `known`."""
    if value not in known:
        raise UserError(f'{field}={value!r} is unknown; known: {", ".join(known)}')


def _in_backbone(params: Any) -> Any:
    return jax.tree_util.tree_map_with_path(lambda path, _: path[0].key == _BACKBONE, params)


def _decays(params: Any) -> Any:
    return jax.tree_util.tree_map_with_path(lambda path, p: p.ndim > 1 and path[0].key != _BACKBONE, params)
