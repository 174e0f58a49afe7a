"""Whose work directory it is: `config.json`, and what may change between one run and the next."""

import json
import logging
import time
from collections.abc import Mapping
from typing import Any

import jax
import ml_collections
from etils import epath

from jaxcolor import config as configs
from jaxcolor.distributed import parallel
from jaxcolor.errors import UserError
from jaxcolor.storage import REFUSALS, explain_refusal, folder, read_text, write_atomic

_LOG = logging.getLogger(__name__)


def claim(workdir: epath.PathLike, config: ml_collections.ConfigDict, before: ml_collections.ConfigDict | None) -> None:
    """Make `workdir` the place of a run of `config`: writes `config.json` if it is new, else see `adopt`.

    Args:
      workdir: a directory that all hosts share.
      config: the same on all of them, see `check_agreement`.
      before: what was `stored` there.

    Raises:
      UserError: the directory holds a run of another model, it can't be written, or the hosts do not share it.
    """
    if before is not None:
        check_model(workdir, before, config)
        changed = configs.differences(before, config)
        if changed and jax.process_index() == 0:
            _LOG.warning('%s goes on with other settings than before: %s', workdir, _list(changed))
    path = epath.Path(workdir) / 'config.json'
    if jax.process_index() == 0 and before is None:
        with explain_refusal(workdir, '--workdir', only=REFUSALS):
            write_atomic(path, configs.to_json(config).encode())
    parallel.wait_for_all('config.json is written')
    appears = _appears(path)
    if not parallel.all_agree(appears):
        mine = '' if appears else f': process {jax.process_index()} does not see {path}, which process 0 has written'
        raise UserError(
            f'the processes do not share the work directory {workdir}{mine}\n'
            'use one on a shared file system, or in a bucket'
        )


def check_agreement(config: ml_collections.ConfigDict) -> None:
    """Check that all hosts were started with `config`.

    Raises:
      UserError: one was started with another.
    """
    ours = configs.to_json(config)
    agreed = parallel.broadcast_str(ours) or ''
    if not parallel.all_agree(agreed == ours):
        changed = configs.differences(configs.from_json(agreed), config)
        mine = f'; process {jax.process_index()} with another than process 0: {_list(changed)}' if changed else ''
        raise UserError(f'the processes were not started with the same config{mine}\nrun the same line on every host')


def adopt(
    workdir: epath.PathLike, config: ml_collections.ConfigDict, before: ml_collections.ConfigDict | None, step: int
) -> None:
    """Write down that the run has taken steps with `config`: `config.json`, and a line of `history.jsonl` a change.

    Args:
      workdir: of a run that goes on.
      config: its settings now.
      before: what was `stored` there; None for a new run, whose config is there.
      step: the last one with the settings before.
    """
    if before is None or jax.process_index() > 0 or not (changed := configs.differences(before, config)):
        return
    append_history(workdir, step, changed)
    write_atomic(epath.Path(workdir) / 'config.json', configs.to_json(config).encode())


def append_history(workdir: epath.PathLike, step: int, changed: Mapping[str, tuple[Any, Any]]) -> None:
    """Add to `history.jsonl` what has changed after `step`: by its name, what it was and what it is."""
    lines = [
        json.dumps({'step': step, 'field': field, 'old': old, 'new': new}) + '\n'
        for field, (old, new) in changed.items()
    ]
    path = epath.Path(workdir) / 'history.jsonl'
    write_atomic(path, ((read_text(path) or '') + ''.join(lines)).encode())


def overridden(
    workdir: epath.PathLike, config: ml_collections.ConfigDict, fields: Mapping[str, Any]
) -> ml_collections.ConfigDict:
    """Return the config of the run in `workdir` with other values of some fields, which are logged.

    Args:
      workdir: of the run.
      config: what it is thought to be of.
      fields: values by dotted names.

    Raises:
      UserError: there is no run, or one of other parts than `config`.
    """
    before = stored(workdir)
    if before is None:
        raise UserError(f'{workdir} holds no run: it has no config.json; train first, or check --workdir')
    for section in configs.PARTS:
        old, new = (part.name if part else None for part in (before.get(section), config.get(section)))
        if old != new:
            raise UserError(f'{workdir} holds a run of another model: {section}.name was {old!r}, is {new!r}')
    found = before.copy_and_resolve_references()
    with found.unlocked(), found.ignore_type():
        found.update_from_flattened_dict(dict(fields))
    changed = configs.differences(before, found)
    if changed and jax.process_index() == 0:
        _LOG.warning('%s is scored with other settings than its own: %s', workdir, _list(changed))
    return found


def _appears(path: epath.Path) -> bool:
    """Whether `path` is there, or is within a minute: network file systems remember for a while what was not there."""
    for _ in range(60):
        if path.exists():
            return True
        time.sleep(1)
    return False


def check_model(workdir: epath.PathLike, before: ml_collections.ConfigDict, config: ml_collections.ConfigDict) -> None:
    """Check that the checkpoints in `workdir`, of a run of `before`, are of the model that `config` describes.

    Raises:
      UserError: they are of another model.
    """
    changed = configs.model_differences(before, config)
    if changed:
        raise UserError(
            f'{workdir} holds a run of another model: {_list(changed)}\nchoose another --workdir, or move that one away'
        )


def stored(workdir: epath.PathLike) -> ml_collections.ConfigDict | None:
    """Return the config of the run in `workdir`, as the first host sees it; None if there is none.

    Raises:
      UserError: `config.json` is broken, the bucket does not let it be read, or the address is of no known kind.
    """
    path = folder(workdir) / 'config.json'
    text = parallel.broadcast_str(read_text(path) if jax.process_index() == 0 else None)
    try:
        return None if text is None else configs.parse(text)
    except ValueError as error:
        raise UserError(f'{path} {error}; move it away to write it anew') from error


def _list(changed: dict[str, tuple[object, object]]) -> str:
    return ', '.join(f'{field} was {old!r}, is {new!r}' for field, (old, new) in changed.items())
