"""Whose work directory it is: `config.json`, and what may change between one run and the next."""

import logging
import time

import jax
import ml_collections
from etils import epath

from jaxcolor import config as configs
from jaxcolor.distributed import parallel
from jaxcolor.errors import UserError
from jaxcolor.storage import REFUSALS, explain_refusal, folder, read_text, write_atomic

_LOG = logging.getLogger(__name__)


def claim(workdir: epath.PathLike, config: ml_collections.ConfigDict, before: ml_collections.ConfigDict | None) -> None:
    """Make `workdir` the place of a run of `config`: writes `config.json`.

    Args:
      workdir: a directory that all hosts share.
      config: the same on all of them.
      before: what was `stored` there.

    Raises:
      UserError: the directory holds a run of another model, it can't be written, the hosts do not share it, or they
        were not started alike.
    """
    if before is not None:
        check_model(workdir, before, config)
        changed = configs.differences(before, config)
        if changed and jax.process_index() == 0:
            _LOG.warning('%s goes on with other settings than before: %s', workdir, _list(changed))
    path, ours = epath.Path(workdir) / 'config.json', configs.to_json(config)
    agreed = parallel.broadcast_str(ours) or ''
    if not parallel.all_agree(agreed == ours):
        changed = configs.differences(configs.from_json(agreed), config)
        mine = f'; process {jax.process_index()} with another than process 0: {_list(changed)}' if changed else ''
        raise UserError(f'the processes were not started with the same config{mine}\nrun the same line on every host')
    if jax.process_index() == 0:
        with explain_refusal(workdir, '--workdir', only=REFUSALS):
            write_atomic(path, ours.encode())
    parallel.wait_for_all('config.json is written')
    appears = _appears(path)
    if not parallel.all_agree(appears):
        mine = '' if appears else f': process {jax.process_index()} does not see {path}, which process 0 has written'
        raise UserError(
            f'the processes do not share the work directory {workdir}{mine}\n'
            'use one on a shared file system, or in a bucket'
        )


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
        return None if text is None else configs.from_json(text)
    except ValueError as error:
        raise UserError(f'{path} is not JSON ({error}); move it away to write it anew') from error


def _list(changed: dict[str, tuple[object, object]]) -> str:
    return ', '.join(f'{field} was {old!r}, is {new!r}' for field, (old, new) in changed.items())
