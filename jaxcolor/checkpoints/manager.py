"""Checkpoints: the newest few and the best, written while training goes on, read back even if one is broken."""

import contextlib
import errno
import gc
import json
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import jax
import orbax.checkpoint as ocp
from etils import epath
from orbax.checkpoint import checkpoint_managers

from jaxcolor.checkpoints import manifest, msgpack_handler
from jaxcolor.distributed import parallel
from jaxcolor.errors import UserError
from jaxcolor.evaluation.scores import goodness
from jaxcolor.storage import explain_bucket, is_bucket, move_folder, sync, sync_tree

_LOG = logging.getLogger(__name__)

# In a bucket no folder is renamed at once: there this file, written last, tells a checkpoint from half of one.
_COMMIT = ocp.path.atomicity.COMMIT_SUCCESS_FILE

# On a disk a checkpoint is moved here, at once, before it is deleted file by file: half of one is never taken for one.
_DELETED = '.deleted'


def complete_steps(folder: epath.Path) -> list[int]:
    """Return the steps of the checkpoints in `folder` that were written to their end, oldest first.

    Raises:
      UserError: the bucket refuses.
    """
    with explain_bucket(folder, 'read'):
        found = [path for path in (folder.iterdir() if folder.is_dir() else ()) if path.name.isdigit()]
        return sorted(int(path.name) for path in found if not is_bucket(path) or (path / _COMMIT).exists())


class _Manager(ocp.CheckpointManager):
    """Orbax' manager, which takes scores from manifests: its own file of them stops it if it is empty."""

    def metrics(self, step: int) -> dict[str, int | float]:
        return manifest.read_scores(self.directory / str(step))


class Checkpoints:
    """The checkpoints of one work directory, `<workdir>/checkpoints/<step>/`.

    Saving is asynchronous: a failure shows at the next call, as a `UserError`.
    """

    def __init__(self, workdir: epath.PathLike, *, keep: int = 1, metric: str = 'delta_e'):
        """Open the folder, and create it where it is missing.

        Args:
          workdir: a path, or an address such as `gs://…`.
          keep: how many of the newest stay.
          metric: the score by which one more stays, the best.

        Raises:
          UserError: the bucket refuses.
        """
        folder = epath.Path(workdir) / 'checkpoints'
        # Orbax refuses relative paths; `resolve` would mistake a bucket's address for one.
        self.path = folder if is_bucket(folder) else folder.resolve()
        self._by_msgpack = msgpack_handler.is_needed(folder)
        self._metric = metric
        by_file = _committed_by_file() if self._by_msgpack else {}
        self._resources = contextlib.ExitStack()
        self._resources.enter_context(hushed())
        newest = checkpoint_managers.LatestN(n=keep)
        best = checkpoint_managers.BestN(n=1, get_metric_fn=self._goodness)
        options = ocp.CheckpointManagerOptions(
            preservation_policy=checkpoint_managers.AnyPreservationPolicy([newest, best]),
            cleanup_tmp_directories=True,
            todelete_subdir=None if is_bucket(self.path) else _DELETED,
            async_options=ocp.options.AsyncOptions(post_finalization_callback=self._sync),
            **by_file,
        )
        self._settle()
        with explain_bucket(self.path, 'opened'):
            self._manager = _Manager(self.path, options=options)

    def _goodness(self, scores: Mapping[str, int | float]) -> float:
        return goodness(self._metric, scores)

    @property
    def steps(self) -> list[int]:
        """The steps of the complete checkpoints, oldest first."""
        return sorted(self._manager.all_steps())

    def save(
        self,
        step: int,
        state: Any,
        scores: Mapping[str, int | float] | None = None,
        train_metrics: Mapping[str, int | float] | None = None,
    ) -> None:
        """Start to save `state`; returns when its arrays may be overwritten.

        Args:
          step: of the state.
          state: replicated arrays.
          scores: of its evaluation, if it has one.
          train_metrics: of the steps since the last log, see `train_metrics.to_json`.

        Raises:
          UserError: the disk is full or refuses; what was saved before stays.
        """
        with self._explain_failure():
            self._manager.wait_until_finished()
            self._settle()
            # One copy, of which Orbax writes that of the first host. Of arrays on devices it would write a part of
            # each copy, and statistics need not be the same in all.
            fetched, scores = jax.device_get(state), dict(scores or {})
            contents = manifest.encode(fetched, scores, train_metrics or {}) if jax.process_index() == 0 else {}
            item = msgpack_handler.MsgpackSave(fetched) if self._by_msgpack else ocp.args.StandardSave(fetched)
            items = {'state': item, manifest.ITEM: ocp.args.JsonSave(contents)}
            self._manager.save(step, args=ocp.args.Composite(**items), metrics=scores)

    def restore(self, target: Any, *, best: bool = False) -> tuple[int, Any] | None:
        """Return the step and the state of the newest checkpoint that can be read; None if there is none.

        Those that come before it and can't be read are renamed `<step>.corrupt`, with a warning each.

        Args:
          target: arrays or `jax.ShapeDtypeStruct`s like the state that was saved.
          best: by the recorded score rather than by age; of equals, the newest.

        Raises:
          UserError: there are checkpoints, and none can be read; what is still being saved can't be.
        """
        self.wait()
        order = complete_steps(self.path)[::-1]
        if best:
            order.sort(key=self._recorded, reverse=True)
        order = json.loads(parallel.broadcast_str(json.dumps(order)) or '[]')
        abstract = parallel.abstract_global(target)
        item = msgpack_handler.MsgpackRestore(abstract) if self._by_msgpack else ocp.args.StandardRestore(abstract)
        unreadable: dict[int, str] = {}
        for step in order:
            try:
                state = self._read(step, item, abstract)
            except Exception as error:  # Orbax and TensorStore share no class of errors for broken data.
                unreadable[step] = first_line(error)
            else:
                for broken, reason in unreadable.items():
                    _LOG.warning('checkpoint %d is broken and set aside, taking %d: %s', broken, step, reason)
                    self.set_aside([broken], 'corrupt')
                return step, state
            gc.collect()  # now, while `hushed` listens, the reads that Orbax left unfinished complain
        if unreadable:
            step, reason = next(iter(unreadable.items()))
            raise UserError(
                f'none of the checkpoints {sorted(unreadable)} in {self.path} can be read ({step}: {reason}); '
                'move that folder away to train from the start'
            )
        return None

    def _read(self, step: int, item: ocp.args.CheckpointArgs, abstract: Any) -> Any:
        """Return a state as it was saved, on this host's devices; some error on every host if any can't."""
        with _agreed():
            saved = manifest.read(self.path / str(step))
            if not self._by_msgpack:
                manifest.check_shapes(self.path / str(step) / 'state', abstract)
        with _agreed():
            restored = self._manager.restore(step, args=ocp.args.Composite(state=item)).state
            state = parallel.replicate_local(restored)
            manifest.verify(saved, jax.device_get(state))
        return state

    def train_metrics(self, step: int) -> dict[str, int | float]:
        """Return what `save` was given as such; nothing of a checkpoint of a version that kept none."""
        found = manifest.read(self.path / str(step)) if jax.process_index() == 0 else None
        text = parallel.broadcast_str(json.dumps(found.train_metrics if found else {}))
        return dict(json.loads(text or '{}'))

    def wait(self) -> None:
        """Wait until everything is on disk.

        Raises:
          UserError: it could not all be written; what was saved before stays.
        """
        with self._explain_failure():
            self._manager.wait_until_finished()
            self._settle()

    def close(self) -> None:
        """Wait as `wait` does, and let go of the folder."""
        try:
            self.wait()
        finally:
            self._manager.close()
            self._resources.close()

    def _recorded(self, step: int) -> float:
        return self._goodness(manifest.read_scores(self.path / str(step)))

    def _sync(self) -> None:
        """Have the disk keep what has been written, which Orbax calls before it gives it the name of a checkpoint."""
        if jax.process_index() == 0 and not is_bucket(self.path):
            for unfinished in self.path.glob('*.orbax-checkpoint-tmp*'):
                sync_tree(unfinished)

    def _settle(self) -> None:
        """Have the disk keep the names of the checkpoints; what it then needs no more is deleted."""
        if jax.process_index() == 0 and not is_bucket(self.path) and self.path.is_dir():
            sync(self.path)
            shutil.rmtree(self.path / _DELETED, ignore_errors=True)

    def set_aside(self, steps: Iterable[int], reason: str) -> None:
        """Rename checkpoints to `<step>.<reason>`, on every host at once: none is taken for one then, none is lost."""
        for step in steps:
            if jax.process_index() == 0:
                places = (self.path / f'{step}.{reason}{number}' for number in ('', *range(2, 1000)))
                move_folder(self.path / str(step), next(place for place in places if not place.exists()))
            parallel.wait_for_all(f'checkpoint {step} is set aside')
        self._manager.reload()

    @contextlib.contextmanager
    def _explain_failure(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # As above: OSError, ValueError and JaxRuntimeError have all been seen.
            if isinstance(error, jax.errors.JaxRuntimeError) and jax.process_count() > 1:
                raise  # another process is lost
            # Orbax may count the one that failed, so the disk is asked.
            whole = complete_steps(self.path)
            raise UserError(
                f'could not save a checkpoint in {self.path}: {first_line(error)}\n'
                f'earlier checkpoints {whole} are whole; {"" if is_bucket(self.path) else "make room and "}'
                'run the same line again to go on'
            ) from error


@contextlib.contextmanager
def _agreed() -> Iterator[None]:
    """Fail on every host if the block fails on one, before any waits for what it will not do."""
    try:
        yield
    except Exception:
        parallel.all_agree(False)
        raise
    if not parallel.all_agree(True):
        raise ValueError('another host can not read it')


def _committed_by_file() -> dict[str, Any]:
    """Return the option that has Orbax write `_COMMIT` in s3:// too, as it does in gs://."""
    if not hasattr(ocp.options, 'AtomicityOptions'):
        raise UserError(
            f'checkpoints in s3:// need orbax-checkpoint 0.12.4, this is {ocp.__version__}: '
            'pip install --upgrade orbax-checkpoint'
        )
    return {'atomicity_options': ocp.options.AtomicityOptions(ocp.options.AtomicityMode.COMMIT_FILE)}


def first_line(error: Exception) -> str:
    """Return what a failed read or write says, without the lines that only developers of Orbax understand."""
    text = str(error) or repr(error)
    full = os.strerror(errno.ENOSPC)  # TensorStore says it at the end of several lines
    return full if full in text else text.splitlines()[0][:200]


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Keep Orbax from printing what it forgot to stop, see `_hush`."""
    before = sys.unraisablehook
    sys.unraisablehook = partial(_hush, before)
    try:
        yield
    finally:
        sys.unraisablehook = before


def _hush(hook: Callable[[Any], object], complaint: Any) -> None:
    """Pass on what nobody caught, but for the reads and writes of arrays beside one that failed.

    Those end after Orbax has closed the event loop that waited for them; the failure itself is raised.
    """
    if str(complaint.exc_value) != 'Event loop is closed':
        hook(complaint)
