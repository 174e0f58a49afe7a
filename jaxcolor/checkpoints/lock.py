"""One run at a time in a work directory: a lock with a heartbeat, so that no dead owner keeps others out."""

import contextlib
import fcntl
import json
import logging
import os
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import jax
from etils import epath

from jaxcolor.distributed import parallel
from jaxcolor.errors import UserError
from jaxcolor.storage import REFUSALS, explain_refusal, is_bucket

_LOG = logging.getLogger(__name__)

NAME = '.lock'
BEAT = 10.0  # seconds between two signs of life
STALE = 60.0  # seconds of silence after which an owner counts as dead


@contextlib.contextmanager
def locked(workdir: epath.PathLike) -> Iterator[Callable[[], None]]:
    """Own `workdir` while the block runs; all hosts of a run are one owner, for whom the first one signs.

    An owner on this host that has ended is followed at once, one on another host after a minute without a sign of life.
    Buckets have no lock: there, two runs must be kept apart by whoever starts them.

    Yields:
      A function for all hosts to call before they write: a UserError if the directory has been taken over, which
      happens to a process that was stopped for a minute.

    Raises:
      UserError: another run owns it, or it can't be written.
    """
    lock, problem = None, None
    if jax.process_index() == 0 and not is_bucket(workdir):
        try:
            lock = _Lock(Path(workdir))
        except UserError as error:
            problem = str(error)
    _raise(problem)

    def check() -> None:
        _raise(lock.problem() if lock else None)

    try:
        yield check
    finally:
        if lock:
            lock.release()


def _raise(problem: str | None) -> None:
    """Raise the first host's problem on every host."""
    if problem := parallel.broadcast_str(problem):
        raise UserError(problem)


class _Lock:
    """A file that says who owns its folder; its modification time is the last sign of life."""

    def __init__(self, folder: Path):
        self._path = folder / NAME
        self._me = {'host': socket.gethostname(), 'pid': os.getpid(), 'place': _place(), 'token': uuid.uuid4().hex}
        with explain_refusal(folder, '--workdir', only=REFUSALS):
            folder.mkdir(parents=True, exist_ok=True)
            self._take()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name='heartbeat', daemon=True)
        self._thread.start()

    def _take(self) -> None:
        seen, since = None, time.monotonic()
        while True:
            with _exclusively(self._path) as file:
                owner, beat = _parse(file.read()), os.fstat(file.fileno()).st_mtime
                if owner is None or _is_dead(owner) or _now(self._path.parent) - beat > STALE:
                    file.seek(0)
                    file.truncate()
                    file.write(json.dumps(self._me))
                    return
            if owner['place'] == self._me['place'] or beat != (seen or beat):
                raise UserError(
                    f'{self._path.parent} is in use by process {owner["pid"]} on {owner["host"]}; '
                    'wait until it ends, or choose another --workdir'
                )
            if seen is None:
                _LOG.info('waiting for up to %.0f s: is process %s on %s alive?', STALE, owner['pid'], owner['host'])
            seen = beat
            time.sleep(1 if time.monotonic() - since < 2 * STALE else BEAT)

    def _beat(self) -> None:
        while not self._stop.wait(BEAT):
            with contextlib.suppress(OSError):
                if self.problem():
                    return
                os.utime(self._path)

    def problem(self) -> str | None:
        """Return what keeps this process from writing, if anything does."""
        try:
            owner = _parse(self._path.read_text())
        except OSError:
            return None  # what is wrong with the disk shows where something is written
        if owner == self._me:
            return None
        whose = f'process {owner["pid"]} on {owner["host"]} has' if owner else 'another process has'
        return f'{whose} taken over {self._path.parent}, for this one was silent for a minute; let that one go on'

    def release(self) -> None:
        """Leave the folder to others."""
        self._stop.set()
        self._thread.join()
        with contextlib.suppress(OSError), _exclusively(self._path) as file:
            if _parse(file.read()) == self._me:
                file.truncate(0)  # to delete it would take it from one who waits for it


@contextlib.contextmanager
def _exclusively(path: Path) -> Iterator[IO[str]]:
    """Open a file, made where it is missing, that no other process has so open meanwhile."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), 'r+') as file:
        with contextlib.suppress(OSError):  # of file systems without it two may, for the moment it takes to read
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _parse(text: str) -> dict[str, Any] | None:
    try:
        owner = json.loads(text)
    except ValueError:
        return None
    return owner if isinstance(owner, dict) and owner.keys() == {'host', 'pid', 'place', 'token'} else None


def _place() -> str:
    """Return what is the same for processes that see each other by their numbers: not over a restart, or containers."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts += [Path('/proc/sys/kernel/random/boot_id').read_text().strip(), os.readlink('/proc/self/ns/pid')]  # noqa: PTH115
    return ' '.join(parts)


def _is_dead(owner: dict[str, Any]) -> bool:
    """Whether an owner was a process of this host that is no more."""
    if owner['place'] != _place():
        return False
    try:
        os.kill(owner['pid'], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # somebody else's
    return False


def _now(folder: Path) -> float:
    """Return the time by the clock of the file system."""
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.fstat(file.fileno()).st_mtime
