"""Whose work directory it is: `config.json`, and what may change between one run and the next."""

import contextlib
import errno
import logging
from collections.abc import Iterator

import jax
import ml_collections
from etils import epath

from jaxcolor import config as configs
from jaxcolor.errors import UserError
from jaxcolor.files import write_whole

_LOG = logging.getLogger(__name__)


def claim(workdir: epath.PathLike, config: ml_collections.ConfigDict) -> None:
    """Makes `workdir` the place of a run of `config`: writes `config.json`.

    Raises:
      UserError: the directory holds a run of another model, or it can't be written.
    """
    before = stored(workdir)
    if before is not None:
        check_model(workdir, before, config)
        changed = configs.differences(before, config)
        if changed:
            _LOG.warning('%s goes on with other settings than before: %s', workdir, _told(changed))
    if jax.process_index() == 0:
        with explain_refusal(workdir):
            write_whole(epath.Path(workdir) / 'config.json', configs.to_json(config).encode())


@contextlib.contextmanager
def explain_refusal(workdir: epath.PathLike) -> Iterator[None]:
    """Turns what a file system says when it won't take what is written to `workdir` into a `UserError`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = 'what was saved before is whole; make room and run the same line again to resume'
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOENT):
            remedy = 'choose another --workdir'
        else:
            raise
        raise UserError(f'the work directory {workdir} can not be written: {error.strerror}; {remedy}') from error


def check_model(workdir: epath.PathLike, before: ml_collections.ConfigDict, config: ml_collections.ConfigDict) -> None:
    """Checks that the checkpoints in `workdir`, of a run of `before`, are of the model that `config` describes.

    Raises:
      UserError: they are of another model.
    """
    changed = configs.model_differences(before, config)
    if changed:
        raise UserError(
            f'{workdir} holds a run of another model: {_told(changed)}\nchoose another --workdir, or move that one away'
        )


def stored(workdir: epath.PathLike) -> ml_collections.ConfigDict | None:
    """Returns the config of the run in `workdir`; None if there is none.

    Raises:
      UserError: `config.json` is broken.
    """
    path = epath.Path(workdir) / 'config.json'
    if not path.exists():
        return None
    try:
        return configs.from_json(path.read_text())
    except ValueError as error:
        raise UserError(f'{path} is not JSON ({error}); move it away to write it anew') from error


def _told(changed: dict[str, tuple[object, object]]) -> str:
    return ', '.join(f'{field} was {old!r}, is {new!r}' for field, (old, new) in changed.items())
