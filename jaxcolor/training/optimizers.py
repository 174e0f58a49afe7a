"""Optimizers by name, from optax, with a schedule, clipping, and a rate of its own for a pretrained encoder."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import optax

from jaxcolor.errors import UserError
from jaxcolor.training.schedule import Schedule

_OPTIMIZERS: dict[str, Callable[..., optax.GradientTransformation]] = {
    'adam': optax.adam,
    'adamw': optax.adamw,
    'lion': optax.lion,
    'sgd': optax.sgd,
}
_DECAYING = ('adamw', 'lion')  # which have a `weight_decay`
_SCHEDULES = ('constant', 'cosine', 'linear', 'one_cycle')
_BACKBONE = 'backbone'


def build_optimizer(section: str, config: ml_collections.ConfigDict, total_steps: int) -> optax.GradientTransformation:
    """Build the optimizer that a config describes.

    `name` with its own fields (`learning_rate`, `b1`, `weight_decay`, ...), of which the rate follows
    `build_schedule`. `max_grad_norm`: what the gradient of all parameters together is clipped to. `backbone_factor`:
    what the updates of a pretrained encoder are multiplied by, after `backbone_frozen_steps` in which it has none.
    Weights decay in kernels; not in biases and norms, nor in a pretrained encoder. Of sgd `b1` is the momentum, and
    `b2` nothing.

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
    schedule = build_schedule(section, config, total_steps)
    for field in ('schedule', 'warmup_steps', 'decay_steps'):
        options.pop(field, None)
    frozen = options.pop('backbone_frozen_steps', 0)
    max_grad_norm, factor = options.pop('max_grad_norm', 0.0), options.pop('backbone_factor', 1.0)
    for beta in {'b1', 'b2'} & options.keys():
        if not 0 <= options[beta] < 1:
            raise UserError(f'{section}.{beta}={options[beta]} is not in [0, 1)')
    numbers = {
        'backbone_frozen_steps': frozen,
        'max_grad_norm': max_grad_norm,
        'backbone_factor': factor,
        'weight_decay': options.get('weight_decay', 0),
    }
    _check_not_negative(section, numbers)
    if callable(schedule):
        options['learning_rate'] = schedule
    if name == 'sgd':
        options.pop('b2', None)
        options['momentum'] = options.pop('b1', 0.0)
    if name in _DECAYING:
        options['mask'] = _decays
    elif options.pop('weight_decay', 0):
        raise UserError(
            f'{section}.weight_decay={numbers["weight_decay"]}: {name} has none; use name=adamw or name=lion'
        )
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


def build_schedule(section: str, config: ml_collections.ConfigDict, total_steps: int) -> float | optax.Schedule:
    """Build what the learning rate follows: a number, where it never changes, or a function of the player's steps.

    After `warmup_steps` of linear rise `schedule` is `constant`, or `cosine` or `linear` down to 0 in the last
    `decay_steps` of the run (in all of them where that is 0). `one_cycle` rises by a cosine for `warmup_steps`
    (for 30 % of the run where that is 0), and then falls to nearly 0.

    Raises:
      UserError: a name that is not known, a value out of its range, more steps than the run has.

    References:
      Isola et al. 2017 (linear); Loshchilov and Hutter 2017 (cosine); Smith and Topin 2018 (one cycle).
    """
    kind = config.get('schedule', 'constant')
    check_known(f'{section}.schedule', kind, _SCHEDULES)
    rate = config.get('learning_rate', 1)
    if not rate > 0:
        raise UserError(f'{section}.learning_rate={rate} teaches nothing; use a number above 0')
    warmup, decay = config.get('warmup_steps', 0), config.get('decay_steps', 0)
    _check_not_negative(section, {'warmup_steps': warmup, 'decay_steps': decay})
    if kind == 'one_cycle' and decay:
        raise UserError(f"{section}.decay_steps={decay}: schedule='one_cycle' falls from its top on; leave it at 0")
    if kind == 'constant' or not total_steps:
        # Nothing is trained where there are no steps: a schedule all the same, which has a state that checkpoints hold.
        return rate if kind == 'constant' and not warmup else _rising(rate, warmup)
    decay = decay or total_steps - warmup
    if decay < 1 or warmup + decay > total_steps:
        raise UserError(
            f'{section}.warmup_steps={warmup} and decay_steps={decay} are more than the {total_steps} steps of the '
            'run; use fewer'
        )
    if kind == 'one_cycle':
        return optax.cosine_onecycle_schedule(total_steps, rate, warmup / total_steps or 0.3)
    down = optax.cosine_decay_schedule(rate, decay) if kind == 'cosine' else optax.linear_schedule(rate, 0.0, decay)
    return optax.join_schedules([_rising(rate, warmup), down], [total_steps - decay])


def learning_rates(config: ml_collections.ConfigDict, schedule: Schedule) -> Callable[[int], dict[str, float]]:
    """Return a function that tells the rate of each player in a step of a run, which are numbered from 1."""
    rates = {}
    players = {'generator': 0, 'discriminator': schedule.warmup}
    if config.discriminator is None:
        del players['discriminator']
    for player, before in players.items():
        section = f'{player}_optimizer'
        rate = build_schedule(section, config[section], schedule.total)
        rates[f'{player}_learning_rate'] = rate, before

    def at(step: int) -> dict[str, float]:
        return {
            name: float(rate(step - 1 - before) if callable(rate) else rate)
            for name, (rate, before) in rates.items()
            if step > before
        }

    return at


def _check_not_negative(section: str, numbers: Mapping[str, int | float]) -> None:
    for field, number in numbers.items():
        if number < 0:
            raise UserError(f'{section}.{field}={number} is below 0; use 0 or more')


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
