"""TensorBoard events, written in the caller's own thread: what a disk refuses is raised where it can be explained."""

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from etils import epath
from jaxtyping import UInt8
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary

from jaxcolor.storage import is_bucket, write_atomic

_FLUSH_SECONDS = 60
_NAMES = 'events.out.tfevents.*'


class TensorBoard:
    """An events file. (`SummaryWriter` has a thread of its own, whose errors nobody can catch.)"""

    def __init__(self, folder: epath.PathLike):
        """Open a new file in `folder`."""
        self._folder = epath.Path(folder)
        # A bucket takes no bytes that come later: there, all that has been written is put again at each flush.
        self._local = tempfile.TemporaryDirectory(prefix='jaxcolor-events-') if is_bucket(folder) else None
        self._earlier = list(self._folder.glob(_NAMES)) if self._folder.exists() else []
        self._writer = EventsWriter(
            str(epath.Path(self._local.name if self._local else folder) / 'events'), f'.{time.time_ns()}'
        )
        self._flushed = 0.0

    def replace_earlier(self) -> None:
        """Delete the files that were there before, for this one says all that they said."""
        self.flush()
        for path in self._earlier:
            path.unlink(missing_ok=True)

    def add_scalars(self, section: str, step: int, values: Mapping[str, int | float]) -> None:
        """Add numbers, as `section/name`."""
        for name, value in values.items():
            self._write_summary(step, summary.scalar(f'{section}/{name}', value))

    def add_picture(self, name: str, step: int, picture: UInt8[np.ndarray, 'h w 3']) -> None:
        """Add a picture, sRGB."""
        self._write_summary(step, summary.image(name, picture, dataformats='HWC'))

    def flush(self) -> None:
        """Write out what is still in memory; it happens by itself every minute that something is added."""
        self._writer.flush()
        self._put()
        self._flushed = time.time()

    def close(self) -> None:
        """Flush, and let go of the file."""
        self._writer.close()
        try:
            self._put()
        finally:
            if self._local:
                self._local.cleanup()

    def _put(self) -> None:
        for path in Path(self._local.name).iterdir() if self._local else ():
            write_atomic(self._folder / path.name, path.read_bytes())

    def _write_summary(self, step: int, value: Summary) -> None:
        self._write(Event(step=step, summary=value))

    def _write(self, event: Event) -> None:
        event.wall_time = time.time()
        self._writer.write_event(event)
        if event.wall_time > self._flushed + _FLUSH_SECONDS:
            self.flush()
