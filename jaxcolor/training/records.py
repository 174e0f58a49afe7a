"""What a run leaves to look at: evaluations, losses, curves, sample pictures, TensorBoard events."""

import contextlib
import io
import json
from collections.abc import Mapping
from types import TracebackType

import jax
import numpy as np
from etils import epath
from PIL import Image

from jaxcolor.distributed import parallel
from jaxcolor.evaluation.evaluate import Colorings
from jaxcolor.evaluation.figures import loss_curves, sample_grid, write_png
from jaxcolor.storage import is_bucket, read_bytes, read_text, sync, write_atomic
from jaxcolor.training.tensorboard import TensorBoard


class Records:
    """Writes a work directory's records, on the first host alone.

    `losses.jsonl` and `evaluations.jsonl` have a line per entry; a run that resumes at `step` takes back the
    lines past it, for it will write them again. TensorBoard's events are then written anew from those that stay.
    """

    def __init__(self, workdir: epath.PathLike, step: int):
        """Open the records of a run that is about to do step `step` + 1."""
        self.path = epath.Path(workdir)
        self._active = jax.process_index() == 0
        self._lines = {name: _read(self.path / f'{name}.jsonl', step) for name in ('losses', 'evaluations')}
        if self._active:
            for name in self._lines:
                self._write(name)
            self._tensorboard = TensorBoard(self.path)
            self._tell_again()
            self._tensorboard.replace_earlier()

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

    def sync(self) -> None:
        """Have the disk keep all entries, as before a checkpoint that they lead to."""
        if self._active and not is_bucket(self.path):
            for name in self._lines:
                sync(self.path / f'{name}.jsonl')

    def _append(self, name: str, step: int, values: Mapping[str, int | float]) -> None:
        line = {'step': step, **values}
        self._lines[name].append(line)
        if self._active:
            if is_bucket(self.path):  # which can't append
                self._write(name)
            else:
                with (self.path / f'{name}.jsonl').open('a') as file:
                    file.write(json.dumps(line) + '\n')
            self._tensorboard.add_scalars(name, step, values)

    def _write(self, name: str) -> None:
        text = ''.join(json.dumps(line) + '\n' for line in self._lines[name])
        write_atomic(self.path / f'{name}.jsonl', text.encode())

    def _tell_again(self) -> None:
        for name, lines in self._lines.items():
            for line in lines:
                self._tensorboard.add_scalars(name, int(line['step']), {n: v for n, v in line.items() if n != 'step'})
        for line in self._lines['evaluations']:
            picture = read_bytes(self.path / 'samples' / f'{line["step"]}.png')
            with contextlib.suppress(OSError), Image.open(io.BytesIO(picture or b'')) as image:
                self._tensorboard.add_picture('samples', int(line['step']), np.asarray(image.convert('RGB')))


def _read(path: epath.Path, step: int) -> list[dict[str, int | float]]:
    """Return the lines up to `step`, but for what is no line: the last one, if the disk was full or the power cut."""
    text = read_text(path) if jax.process_index() == 0 else None
    lines = []
    for text_line in (parallel.broadcast_str(text) or '').splitlines():
        with contextlib.suppress(ValueError):
            line = json.loads(text_line)
            if isinstance(line, dict) and isinstance(line.get('step'), int) and line['step'] <= step:
                lines.append(line)
    return lines
