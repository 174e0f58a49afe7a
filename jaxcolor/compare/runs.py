"""What a work directory says of its run; nothing in it is changed, so the run may be going on."""

import contextlib
import dataclasses
import json
import math
import os.path
from collections.abc import Sequence

import ml_collections
import numpy as np
from etils import epath
from jaxtyping import Float

from jaxcolor import config as configs
from jaxcolor.errors import UserError
from jaxcolor.evaluation.scores import goodness
from jaxcolor.storage import folder, read_text
from jaxcolor.training.schedule import Schedule

Record = dict[str, int | float]


@dataclasses.dataclass(frozen=True)
class Run:
    """A run with its records.

    Attributes:
      path: the work directory.
      name: what it is called beside the others.
      config: `config.json`.
      losses: the lines of `losses.jsonl`, by step.
      evaluations: those of `evaluations.jsonl`.
      changed: the fields that were changed on the way, each with the step after which it was: `history.jsonl`.
      total: how many steps it is to have; None where that is not known.
    """

    path: epath.Path
    name: str
    config: ml_collections.ConfigDict
    losses: list[Record]
    evaluations: list[Record]
    changed: list[tuple[int, str, int | float | None]]
    total: int | None

    @property
    def step(self) -> int:
        """The last step with a record."""
        return int(max(line['step'] for line in (*self.losses, *self.evaluations)))

    @property
    def outcome(self) -> Record:
        """The evaluation by which it counts: the best with early stopping, else the newest, as in `train`."""
        stopping = self.config.early_stopping
        if stopping.patience is None:
            return self.evaluations[-1]
        return max(self.evaluations, key=lambda scores: goodness(stopping.metric, scores))

    def seconds(self) -> Float[np.ndarray, ' losses']:
        """Return the time that the steps up to each line of `losses` took, from images/s; nan where nothing says.

        Compilation, evaluations and breaks are no part of it. Steps whose speed was not measured have that of the
        next line that has one, or of the last.
        """
        steps = np.array([line['step'] for line in self.losses], float)
        speeds = np.array([line.get('images_per_second', math.nan) for line in self.losses], float)
        known = np.flatnonzero(np.isfinite(speeds) & (speeds > 0))
        if not len(known):
            return np.full(len(steps), math.nan)
        nearest = np.minimum(np.searchsorted(known, np.arange(len(steps))), len(known) - 1)
        batches = np.array([self._batch_size(step) for step in steps])
        taken = np.diff(steps, prepend=0) * batches / speeds[known[nearest]]
        return np.cumsum(taken)

    def _batch_size(self, step: float) -> int:
        """Return the batch size of the steps up to `step`: what it was before the first change after them."""
        later = [old for last, field, old in self.changed if field == 'data.batch_size' and step <= last]
        return int(str(later[0])) if later else self.config.data.batch_size


def read(paths: Sequence[epath.PathLike]) -> list[Run]:
    """Return the runs in some work directories, with names that tell them apart.

    Raises:
      UserError: a folder holds no run, or one without an evaluation; it is named twice; a file can't be read.
    """
    folders = [folder(path) for path in paths]
    texts = [str(path) if '://' in str(path) else os.path.realpath(path) for path in folders]
    for text, path in zip(texts, paths, strict=True):
        if texts.count(text) > 1:
            raise UserError(f'{path} is named twice; name each run once')
    parents = {os.path.dirname(text) for text in texts}  # noqa: PTH120, for addresses of buckets too
    root = os.path.commonpath(parents) if len(parents) > 1 and not any('://' in text for text in texts) else ''
    names = [os.path.relpath(text, root) if root else text for text in texts]
    if len(parents) == 1:
        names = [text.rpartition('/')[2] for text in texts]
    return [_read(path, name) for path, name in zip(folders, names, strict=True)]


def _read(path: epath.Path, name: str) -> Run:
    text = read_text(path / 'config.json')
    if text is None:
        raise UserError(f'{path} holds no run: it has no config.json; name the work directory of a run')
    try:
        config = configs.parse(text)
    except ValueError as error:
        raise UserError(f'{path}/config.json {error}; name another run') from error
    evaluations = records(path / 'evaluations.jsonl')
    if not evaluations:
        raise UserError(f'{path} has no evaluation yet; wait for the first (eval_every), or leave it out')
    changed = [(int(line['step']), str(line.get('field')), line.get('old')) for line in records(path / 'history.jsonl')]
    return Run(path, name, config, records(path / 'losses.jsonl'), evaluations, changed, total(path, config))


def records(path: epath.Path) -> list[Record]:
    """Return the lines of a file of JSON lines that have a step; one that is half written is left out."""
    found = []
    for text in (read_text(path) or '').splitlines():
        with contextlib.suppress(ValueError):
            line = json.loads(text)
            if isinstance(line, dict) and isinstance(line.get('step'), int):
                found.append(line)
    return found


def total(path: epath.Path, config: ml_collections.ConfigDict) -> int | None:
    """Return how many steps a run of `config` has in the work directory `path`; None where nothing there says."""
    if config.num_steps is not None:
        return int(config.num_steps)
    if config.data.min_colorfulness > 0:  # how many pictures are left is in no file
        return None
    try:
        pictures = int(json.loads(read_text(path / 'data.json') or '')['pictures'])
    except (ValueError, KeyError, TypeError):
        return None
    return Schedule.of(config, math.ceil(pictures / config.data.batch_size)).total
