"""A generator as a run left it: rebuilt from `config.json` and one checkpoint, without what training needs."""

import gc
import logging
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import orbax.checkpoint as ocp
from etils import epath
from flax import linen as nn
from jaxtyping import Float

from jaxcolor import config as configs
from jaxcolor import storage, weights
from jaxcolor.checkpoints import manifest, msgpack_handler
from jaxcolor.checkpoints.manager import complete_steps, first_line, hushed
from jaxcolor.checkpoints.model import Model, build
from jaxcolor.errors import UserError
from jaxcolor.evaluation.scores import goodness
from jaxcolor.models import build_discriminator

_LOG = logging.getLogger(__name__)


def restore(workdir: epath.PathLike, checkpoint: str | int | None = None, *, discriminator: bool = False) -> Model:
    """Read the generator of a run; its averaged weights (`ema_decay`) where it kept any.

    Args:
      workdir: a path, or an address such as `gs://…`.
      checkpoint: `latest`, `best` (by the run's `early_stopping.metric`), or a step. Left out, it is the run's
        outcome: the best if it stops early, else the latest.
      discriminator: whether to read that as well, where the run has one.

    Raises:
      UserError: no run, no such checkpoint, or none that can be read.
    """
    root = storage.folder(workdir)
    config = _read_config(root)
    space, generator = build(config)
    size = config.data.image_size
    grey, colour = jnp.zeros((1, size, size, 1)), jnp.zeros((1, size, size, space.channels))
    wanted = {'generator': _shapes_of(generator, grey)}
    if discriminator and config.discriminator is not None:
        wanted['discriminator'] = _shapes_of(build_discriminator(config.discriminator.to_dict()), grey, colour)
    if config.ema_decay:
        wanted['ema_params'] = wanted['generator'].pop('params')
    step, found = _first_readable(root / 'checkpoints', _order(root / 'checkpoints', config, checkpoint), wanted)
    params = found['ema_params'] if config.ema_decay else found['generator']['params']
    variables = {'params': params, **_without_nothing(found['generator'])}
    return Model(config, step, space, generator, variables, found.get('discriminator'))


def _without_nothing(player: dict[str, Any]) -> dict[str, Any]:
    return {'batch_stats': player['batch_stats']} if player.get('batch_stats') else {}


def _read_config(root: epath.Path) -> ml_collections.ConfigDict:
    path = root / 'config.json'
    text = storage.read_text(path)
    if text is None:
        there = root.is_dir()
        raise UserError(
            f'{root} holds no run: {"it has no config.json" if there else "there is no such folder"}; name the work '
            f'directory of a training run, such as runs/quickstart, or one of {", ".join(weights.names())}'
        )
    try:
        return configs.parse(text)
    except ValueError as error:
        raise UserError(f'{path} {error}; take another run, or restore that file') from error


def _order(folder: epath.Path, config: ml_collections.ConfigDict, checkpoint: str | int | None) -> list[int]:
    """Return the steps to try, the wanted one first."""
    steps = complete_steps(folder)[::-1]
    if not steps:
        raise UserError(f'{folder} has no checkpoint; train first: python -m jaxcolor.main --config=…')
    if checkpoint is None:
        checkpoint = 'latest' if config.early_stopping.patience is None else 'best'
    if checkpoint == 'latest':
        return steps
    if checkpoint == 'best':
        return sorted(steps, key=lambda step: _recorded(folder / str(step), config), reverse=True)
    if not str(checkpoint).isdigit() or int(checkpoint) not in steps:
        known = ', '.join(map(str, sorted(steps)))
        raise UserError(f'checkpoint={checkpoint!r} is not in {folder}; use latest, best, or a step: {known}')
    return [int(checkpoint)]


def _recorded(checkpoint: epath.Path, config: ml_collections.ConfigDict) -> float:
    return goodness(config.early_stopping.metric, manifest.read_scores(checkpoint))


def _first_readable(folder: epath.Path, steps: list[int], wanted: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    kinds = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), wanted)
    arguments = ocp.args.PyTreeRestore(item=wanted, restore_args=kinds, partial_restore=True)
    reasons: list[str] = []
    # Orbax refuses relative paths; `resolve` would mistake a bucket's address for one.
    folder = folder if storage.is_bucket(folder) else folder.resolve()
    with hushed(), ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as checkpointer:
        for step in steps:
            try:
                item = folder / str(step) / 'state'
                saved = manifest.read(folder / str(step))
                if msgpack_handler.is_needed(item):
                    found = msgpack_handler.read(item, wanted)
                else:
                    manifest.check_shapes(item, wanted)  # a partial restore takes any
                    found = checkpointer.restore(item, args=arguments)
                manifest.verify(saved, found)
            except Exception as error:  # Orbax and TensorStore share no class of errors for broken data.
                reasons.append(f'{step}: {first_line(error)}')
            else:
                for reason in reasons:
                    _LOG.warning('checkpoint %s; taking %d', reason, step)
                return step, found
            gc.collect()  # now, while `hushed` listens
    raise UserError(f'no checkpoint in {folder} can be read as the model of its config.json ({reasons[0]})')


def _shapes_of(network: nn.Module, *inputs: Float[jax.Array, '1 s s _']) -> dict[str, Any]:
    """`jax.ShapeDtypeStruct`s like what a checkpoint has of a network's variables."""
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), *inputs, train=False))
    return {'params': shapes['params'], 'batch_stats': shapes.get('batch_stats', {})}
