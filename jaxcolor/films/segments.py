"""What is coloured of a film so far, in a folder beside the result: segments, and where the next one goes on."""

import contextlib
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxcolor.films.steady import State
from jaxcolor.storage import open_atomic, write_atomic

FRAMES = 256  # of a segment: some ten seconds
_RECORD = 'settings.json'


class Progress(NamedTuple):
    """What follows after a segment.

    Attributes:
      frames: coloured so far.
      state: of the shot that is under way.
      ended: this was the last segment.
      note: what there is to say of the film when it is done.
    """

    frames: int = 0
    state: State | None = None
    ended: bool = False
    note: str = ''


class Segments:
    """The folder `NAME.segments` beside a film NAME that is to be written."""

    def __init__(self, output: Path, settings: dict[str, Any]):
        """Open the folder: go on with what was made with these `settings` (JSON's types), else begin anew."""
        self._folder = output.with_name(f'{output.name}.segments')
        record = json.dumps(settings, sort_keys=True, indent=1)
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if (self._folder / _RECORD).read_text(encoding='utf-8') == record:
                return
        self.remove()
        write_atomic(self._folder / _RECORD, record.encode())

    def files(self) -> list[Path]:
        """Return the segments that are whole, in order."""
        found: list[Path] = []
        while self._state(len(found)).exists() and self._segment(len(found)).exists():
            found.append(self._segment(len(found)))
        return found

    def progress(self) -> Progress:
        """Return what follows after the segments that are whole."""
        count = len(self.files())
        if not count:
            return Progress()
        with np.load(self._state(count - 1)) as saved:
            state = State(saved['grey'], saved['chroma'], saved['age']) if 'grey' in saved else None
            return Progress(int(saved['frames']), state, bool(saved['ended']), str(saved['note']))

    @contextlib.contextmanager
    def new(self) -> Iterator[io.BufferedIOBase]:
        """Open the file of the next segment, which is there when the block has ended and `finish` was called."""
        with open_atomic(self._segment(len(self.files()))) as file:
            yield file

    def finish(self, progress: Progress) -> None:
        """Say what follows after the segment that was written last; from here on it is whole."""
        content = io.BytesIO()
        arrays: dict[str, Any] = {} if progress.state is None else progress.state._asdict()
        arrays |= {'frames': progress.frames, 'ended': progress.ended, 'note': progress.note}
        np.savez(content, **arrays)
        write_atomic(self._state(len(self.files())), content.getvalue())

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _segment(self, number: int) -> Path:
        return self._folder / f'{number:06}.nut'

    def _state(self, number: int) -> Path:
        return self._folder / f'{number:06}.npz'
