"""Which pictures a run is trained on: `data.json`, and what is said where a run goes on with others."""

import json
import logging

import jax
import ml_collections
from etils import epath

from jaxcolor import config as configs
from jaxcolor.checkpoints.workdir import append_history
from jaxcolor.data.fingerprint import Fingerprint
from jaxcolor.distributed import parallel
from jaxcolor.errors import UserError
from jaxcolor.storage import read_text, write_atomic

_LOG = logging.getLogger(__name__)

# Settings by which the pictures are others: where one has changed, that is said.
_CHOICES = {'data.source', 'data.train_split', 'data.labels', 'data.feature'}


def check_agreement(pictures: Fingerprint, kept: str) -> None:
    """Check that all hosts see the same pictures, of which each reads its share.

    Args:
      pictures: of this host.
      kept: a digest of which of them are trained on.

    Raises:
      UserError: one sees others.
    """
    ours = json.dumps([pictures.pictures, pictures.sha256, kept])
    agreed = parallel.broadcast_str(ours) or ''
    if not parallel.all_agree(agreed == ours):
        count, number = json.loads(agreed)[0], jax.process_index()
        mine = '' if agreed == ours else f': process {number} sees {pictures.pictures}, process 0 {count}'
        raise UserError(
            f'the processes do not see the same training pictures{mine}\n'
            'use the same files, and the same versions of jaxcolor and Pillow, on every host'
        )


def claim(
    workdir: epath.PathLike,
    config: ml_collections.ConfigDict,
    before: ml_collections.ConfigDict | None,
    pictures: Fingerprint,
) -> Fingerprint | None:
    """Write `data.json` where there is none; else warn if the pictures are others than those of the same settings.

    Args:
      workdir: of the run.
      config: its settings now.
      before: those that were stored there; None for a new run.
      pictures: what it is about to be trained on.

    Returns:
      On the first host, the pictures that it was trained on until now, if they are others.
    """
    if jax.process_index() > 0:
        return None
    path = epath.Path(workdir) / 'data.json'
    old = _parse(read_text(path)) if before is not None else None
    if old is None:  # of a new run, or of a version that wrote none
        write_atomic(path, _encode(pictures))
    if old is None or old.sha256 == pictures.sha256:
        return None
    if before is not None and not _CHOICES & configs.differences(before, config).keys():
        now = f'{pictures.pictures} now' if pictures.pictures != old.pictures else 'names or sizes differ'
        _LOG.warning('%s goes on with other training pictures than before: %d then, %s', workdir, old.pictures, now)
    return old


def adopt(workdir: epath.PathLike, old: Fingerprint | None, pictures: Fingerprint, step: int) -> None:
    """Write down that the run has taken steps with other pictures: `data.json`, and a line of `history.jsonl`.

    Args:
      workdir: of a run that goes on.
      old: what `claim` returned.
      pictures: those that it is trained on now.
      step: the last one with the pictures before.
    """
    if old is None:
        return
    append_history(workdir, step, {'training_pictures': (json.loads(_encode(old)), json.loads(_encode(pictures)))})
    write_atomic(epath.Path(workdir) / 'data.json', _encode(pictures))


def _encode(pictures: Fingerprint) -> bytes:
    return (json.dumps({'pictures': pictures.pictures, 'sha256': pictures.sha256}) + '\n').encode()


def _parse(text: str | None) -> Fingerprint | None:
    try:
        content = json.loads(text or '')
        return Fingerprint(int(content['pictures']), str(content['sha256']), '')
    except (ValueError, KeyError, TypeError):  # there is none, or half of one that somebody has edited
        return None
