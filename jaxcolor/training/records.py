"""What a run leaves to look at: evaluations, losses, curves, sample pictures, TensorBoard events."""

import json
from collections.abc import Mapping
from types import TracebackType

import jax
import numpy as np
from etils import epath

from jaxcolor.distributed import parallel
from jaxcolor.evaluation.evaluate import Colorings
from jaxcolor.evaluation.figures import loss_curves, sample_grid, write_png
from jaxcolor.storage import read_text, write_atomic
from jaxcolor.training.tensorboard import TensorBoard


class Records:
    """Writes a work directory's records, on the first host alone.

    `losses.jsonl` and `evaluations.jsonl` have a line per entry; a run that resumes at `step` takes back the
    lines past it, for it will write them again.
    """

    def __init__(self, workdir: epath.PathLike, step: int):
        """Open the records of a run that is about to do step `step` + 1."""
        self.path = epath.Path(workdir)
        self._active = jax.process_index() == 0
        self._lines = {
            name: [line for line in _read(self.path / f'{name}.jsonl') if line['step'] <= step]
            for name in ('losses', 'evaluations')
        }
        if self._active:
            for name in self._lines:
                self._write(name)
            self._tensorboard = TensorBoard(self.path, step)

    def __enter__(self) -> 'Records':
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._active:
            self._tensorboard.close()

    def losses(self, step: int, values: Mapping[str, int | float]) -> None:
        """Record the means of the loss terms, and the speed, over the steps since the last entry."""
        self._append('losses', step, values)

    def evaluation(self, step: int, scores: Mapping[str, int | float], pictures: Colorings) -> None:
        """Record the scores of an evaluation and draw sample pictures and curves."""
        self._append('evaluations', step, scores)
        if self._active:
            grid = sample_grid(pictures.grey, pictures.generated, pictures.true)
            write_png(grid, self.path / 'samples' / f'{step}.png')
            self._tensorboard.add_picture('samples', step, np.asarray(grid.convert('RGB')))
            self._tensorboard.flush()
            loss_curves([*self._lines['losses'], *self._lines['evaluations']], self.path / 'curves.png')

    @property
    def evaluations(self) -> list[dict[str, int | float]]:
        """All evaluations so far, oldest first, each with its `step`."""
        return self._lines['evaluations']

    def _append(self, name: str, step: int, values: Mapping[str, int | float]) -> None:
        self._lines[name].append({'step': step, **values})
        if self._active:
            self._write(name)
            self._tensorboard.add_scalars(name, step, values)

    def _write(self, name: str) -> None:
        # The whole file, because object stores can't append.
        text = ''.join(json.dumps(line) + '\n' for line in self._lines[name])
        write_atomic(self.path / f'{name}.jsonl', text.encode())


def _read(path: epath.Path) -> list[dict[str, int | float]]:
    text = read_text(path) if jax.process_index() == 0 else None
    return [json.loads(line) for line in (parallel.broadcast_str(text) or '').splitlines()]
