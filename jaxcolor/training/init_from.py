"""Fine-tuning: a new run that starts from a trained model, whose arrays go where name and shape are the same."""

import logging
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import ml_collections
import numpy as np

from jaxcolor import config as configs
from jaxcolor import hub, weights
from jaxcolor.checkpoints.load import load
from jaxcolor.checkpoints.model import Model
from jaxcolor.errors import UserError
from jaxcolor.training.state import Player, TrainState

_PACKAGE = 'jaxcolor'  # the model that comes with it, by another name
_NAMED = 8  # layers that a message names, of those that are not taken
_LONGEST = 40  # characters of a value in it; the colours of a palette have thousands

_LOG = logging.getLogger(__name__)


def read(config: ml_collections.ConfigDict) -> Model | None:
    """Return the model that `config.init_from` names; None where it names none.

    That is `jaxcolor`, the model that comes with the package, or what `checkpoints.load` takes. A run may be followed
    by `:best`, `:latest` or a step; left out, it is the run's outcome. Its discriminator comes along if the config has
    one.

    Raises:
      UserError: there is no such model, or it can't be read.
    """
    if not config.init_from:
        return None
    name, checkpoint = _split(config.init_from)
    if name == _PACKAGE and not Path(name, 'config.json').exists():
        name = weights.DEFAULT
    try:
        return load(name, checkpoint, discriminator=config.discriminator is not None)
    except UserError as error:
        raise UserError(f'init_from={config.init_from!r}: {error}') from error


def check_resumed(config: ml_collections.ConfigDict, before: ml_collections.ConfigDict, workdir: object) -> None:
    """Check that a run that goes on is not told to start from another model than it did.

    Raises:
      UserError: it is; for that would have no effect.
    """
    if config.init_from not in ('', before.init_from):
        raise UserError(
            f'init_from={config.init_from!r} is for a new run, and {workdir} holds one that started from '
            f'{before.init_from or "nothing"!r}; choose another --workdir, or leave init_from as it was'
        )


def start_from(state: TrainState, model: Model, config: ml_collections.ConfigDict) -> TrainState:
    """Return the state before the first step with the arrays of a model: parameters and BatchNorm's statistics.

    Both players take those that have their names and shapes; the optimizers start anew. What is not taken is logged,
    and so is what to set in the config to take it.

    Args:
      state: of a run that has taken no step.
      model: see `read`.
      config: of the run.

    Raises:
      UserError: the generator can take nothing.
    """
    name, unlike = config.init_from, _unlike(model.config, config)
    remedy = f'; set {", ".join(unlike)} to have its own parts' if unlike else ''
    generator, taken, left = _put(state.generator, model.variables)
    if not taken:
        raise UserError(
            f'init_from={name!r} is of another network: the generator can take none of its arrays, by name and shape'
            f'{remedy or "; take another model"}'
        )
    notes = [_note('generator', state.generator, taken, left)] if left else []
    discriminator = state.discriminator
    if discriminator is not None and model.discriminator is None:
        notes.append('the discriminator starts anew, for the model has none')
    elif discriminator is not None:
        discriminator, taken, left = _put(discriminator, model.discriminator)
        notes += [_note('discriminator', discriminator, taken, left)] if left else []
    level = logging.WARNING if notes or unlike else logging.INFO
    if jax.process_index() == 0:
        message = '; '.join(notes) or 'all arrays are taken'
        _LOG.log(level, 'init_from=%r, step %d: %s%s', name, model.step, message, remedy)
    return state.replace(generator=generator, discriminator=discriminator)


def _split(text: str) -> tuple[str, str | None]:
    """Return the name and the checkpoint of NAME[:CHECKPOINT]."""
    name, _, checkpoint = text.rpartition(':')
    known = checkpoint in ('best', 'latest') or checkpoint.isdigit()
    return (name, checkpoint) if name and known and not text.startswith(hub.PREFIX) else (text, None)


def _put(player: Player, found: Any) -> tuple[Player, list[str], dict[str, str]]:
    """Return a player with the arrays of another; the names of those that it has taken, and why not of those left."""
    arrays = dict(_named({'params': found['params'], 'batch_stats': found.get('batch_stats', {})}))
    taken: list[str] = []
    left: dict[str, str] = {}

    def choose(path: Any, own: Any) -> Any:
        name = _name(path)
        array = arrays.pop(name, None)
        if array is not None and np.shape(array) == np.shape(own):
            taken.append(name)
            return array
        left[name] = 'new' if array is None else f'{np.shape(array)} there, {np.shape(own)} here'
        return own

    own = {'params': player.params, 'batch_stats': player.batch_stats}
    chosen = jax.tree_util.tree_map_with_path(choose, own)
    left |= dict.fromkeys(arrays, 'not here')
    return player.replace(params=chosen['params'], batch_stats=chosen['batch_stats']), taken, left


def _note(name: str, player: Player, taken: list[str], left: dict[str, str]) -> str:
    """Return a sentence on what a player has not taken, by layers."""
    count = len(jax.tree.leaves(player.variables))
    layers: dict[str, list[str]] = {}
    for path, reason in left.items():
        _, *layer, leaf = path.split('/')
        layers.setdefault('/'.join(layer), []).append(f'{leaf} {reason}')
    listed = [f'{layer} ({", ".join(reasons)})' for layer, reasons in sorted(layers.items())]
    more = f' and {len(listed) - _NAMED} more' if len(listed) > _NAMED else ''
    return f'the {name} takes {len(taken)} of its {count} arrays, and not {", ".join(listed[:_NAMED])}{more}'


def _unlike(there: ml_collections.ConfigDict, here: ml_collections.ConfigDict) -> Iterable[str]:
    """Return the fields of the parts that decide what arrays mean, where the model's differ: `field=value (here …)`."""
    parts = configs.PARTS if here.discriminator and there.discriminator else configs.PARTS[:2]
    return [
        f'{field}={_short(old)} (here {_short(new)})'
        for field, (old, new) in configs.model_differences(there, here).items()
        if field.partition('.')[0] in parts
    ]


def _short(value: object) -> str:
    return textwrap.shorten(repr(value), _LONGEST, placeholder=' …')


def _named(tree: Any) -> Iterable[tuple[str, Any]]:
    return ((_name(path), leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree))


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator='/')
