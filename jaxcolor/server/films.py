"""Films of a server's clients: one is coloured at a time, between pictures; files are there until they are fetched."""

import contextlib
import math
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from jaxcolor.errors import UserError
from jaxcolor.films import color
from jaxcolor.films.errors import FilmError, LargeFilmError
from jaxcolor.films.plan import CONTAINERS, MOST_PIXELS
from jaxcolor.films.source import Source
from jaxcolor.inference.options import Options
from jaxcolor.server.errors import ClientLimitError, UnavailableError, log
from jaxcolor.server.metrics import Metrics
from jaxcolor.server.models import ServedModel
from jaxcolor.server.settings import Settings
from jaxcolor.server.worker import Worker

ABANDONED = 180  # seconds after which a film that nobody asks for is cancelled
KEPT = 600  # seconds that a result waits to be fetched

_PLACES = 4  # films that arrive, wait or are coloured
_PLACES_OF_ONE = 2  # of one client
_RESULTS = 4  # films in colour that wait to be fetched; then the oldest goes
_RATE = 60  # frames a second that a film may have in the mean
_BATCH = 4  # frames through the network together: what a picture may have to wait for
_GROWTH = 4  # times the bytes that a film may have, which its result may
_PIXELS = min(2**23, MOST_PIXELS)  # of a frame: 4096 x 2048; an encoder holds dozens of them


@dataclass(eq=False)
class Film:
    """A film of a client.

    Attributes:
      state: waiting, working, done or failed.
      done: how far it is.
      detail: why it failed.
      notes: what is not as it was, or is missing.
      begun: when its first frame was.
      asked: when somebody asked for it last; of one that has ended, when it ended.
      stop: has something in it once the work is to end.
    """

    name: str
    client: str
    folder: Path
    model: ServedModel
    options: Options
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    state: str = 'waiting'
    done: color.Done = color.Done(0, None, 0.0)  # noqa: RUF009
    detail: str = ''
    notes: tuple[str, ...] = ()
    begun: float = 0.0
    asked: float = field(default_factory=time.monotonic)
    stop: list[int] = field(default_factory=list)
    work: Future[None] | None = None

    @property
    def source(self) -> Path:
        """Its file, as it came."""
        return self.folder / 'film'

    @property
    def result(self) -> Path:
        """Its file in colour."""
        suffix = PurePosixPath(self.name).suffix.lower()
        return self.folder / f'colour{suffix if suffix in CONTAINERS else ".mkv"}'

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will become of it."""
        return self.state in ('done', 'failed')


class Films:
    """Colour films on a thread of its own, whose device is the worker's; belongs to one event loop."""

    def __init__(self, worker: Worker, settings: Settings, metrics: Metrics):
        self._worker, self._settings, self._metrics = worker, settings, metrics
        self._root: Path | None = None  # until there is a film
        self._pool = ThreadPoolExecutor(1, 'films')
        self._films: dict[str, Film] = {}
        self._arriving: list[str] = []  # clients
        self._works: set[Future[None]] = set()  # that have not ended
        self.pixels = min(_PIXELS, settings.photo.pixels)

    @contextlib.contextmanager
    def place(self, client: str) -> Iterator[Path]:
        """Yield a folder for a film that arrives, which is deleted unless `add` was called with it.

        Raises:
          ClientLimitError: the client has as many as one may have.
          UnavailableError: every place is taken.
        """
        self.tidy()
        unfinished = [film.client for film in self._films.values() if not film.has_ended] + self._arriving
        if unfinished.count(client) >= _PLACES_OF_ONE:
            raise ClientLimitError(f'more than {_PLACES_OF_ONE} films of one client at a time; come again later', 10)
        if len(unfinished) >= _PLACES:
            raise UnavailableError('the server has as many films as it can colour; try again later', 10)
        with _explained():
            if self._root is None:
                self._root = Path(tempfile.mkdtemp(prefix='jaxcolor-films-'))  # for its owner alone
            folder = Path(tempfile.mkdtemp(dir=self._root))
        self._arriving.append(client)
        self._count()
        try:
            with _explained():
                yield folder
        finally:
            self._arriving.remove(client)
            if not any(film.folder == folder for film in self._films.values()):
                shutil.rmtree(folder, ignore_errors=True)
            self._count()

    def check(self, path: Path, name: str) -> None:
        """Check a film by its header and its first frame; takes a while.

        Raises:
          LargeFilmError: it has too many seconds, or frames.
          FilmError: it is no film, or none that can be coloured.
        """
        try:
            source = Source(path, self.pixels)
        except FilmError as error:
            raise type(error)(str(error).replace(str(path), name)) from error
        try:
            seconds, most = source.seconds, self._settings.film_seconds
            if seconds and seconds > most:
                raise LargeFilmError(
                    f'{name}: it has {seconds:.0f} s, more than the {most} s of a film that this server takes'
                )
            self._check_frames(name, source.film.frames or 0)
        finally:
            source.close()

    def add(self, folder: Path, name: str, client: str, model: ServedModel, options: Options) -> Film:
        """Take a film that is in a folder of `place`; it is coloured in its turn."""
        film = Film(name, client, folder, model, options)
        self._films[film.id] = film
        film.work = self._pool.submit(self._color, film)
        self._works.add(film.work)
        film.work.add_done_callback(lambda work: self._finish(film, work))
        return film

    def get(self, name: str) -> Film | None:
        """Return a film by its id, for somebody who asks for it; None where it is not here any more."""
        self.tidy()
        film = self._films.get(name)
        if film is not None and not film.has_ended:
            film.asked = time.monotonic()
        return film

    def describe(self, film: Film) -> dict[str, Any]:
        """Return what there is to say of a film; JSON's types only."""
        share, left = None, None
        if film.done.of:
            share = min(1.0, film.done.frames / film.done.of)
            if film.state == 'working' and film.done.frames:
                elapsed = time.monotonic() - film.begun
                left = math.ceil(elapsed * max(0, film.done.of - film.done.frames) / film.done.frames)
        waiting = [other for other in self._films.values() if other.state in ('waiting', 'working')]
        return {
            'id': film.id,
            'name': film.name,
            'model': film.model.name,
            'state': film.state,
            'before': waiting.index(film) if film.state == 'waiting' else 0,
            'frames': film.done.frames,
            'of': film.done.of,
            'progress': share,
            'seconds_left': left,
            'detail': film.detail,
            'notes': list(film.notes),
        }

    def remove(self, film: Film) -> None:
        """Cancel a film, or forget a result; its files are deleted as soon as nobody is at them."""
        self._films.pop(film.id, None)
        film.stop.append(1)
        if film.work is not None:
            film.work.cancel()
            if film.work.done():  # else it is deleted once it is
                self._delete_unwanted(film)
        self._count()

    def tidy(self) -> None:
        """Cancel what nobody asks for, and forget what nobody has fetched; called every now and then."""
        now = time.monotonic()
        for film in list(self._films.values()):
            if now - film.asked > (KEPT if film.has_ended else ABANDONED):
                self.remove(film)
        ended = [film for film in self._films.values() if film.has_ended]
        for film in ended[:-_RESULTS]:
            self.remove(film)
        self._count()

    def stop(self) -> None:
        """End all work soon; nothing is taken any more."""
        for film in list(self._films.values()):
            self.remove(film)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def close(self, timeout: float) -> bool:
        """Wait for the thread after `stop`, and delete all files; return whether it ended within `timeout` seconds."""
        left = wait(self._works, timeout).not_done
        if self._root is not None:
            shutil.rmtree(self._root, ignore_errors=True)
        return not left

    def _count(self) -> None:
        unfinished = sum(not film.has_ended for film in self._films.values())
        self._metrics.films.set(unfinished + len(self._arriving))

    def _color(self, film: Film) -> None:
        """Colour a film, on the thread."""
        film.state = 'working'
        try:
            result = color.color(
                film.model.colorizer,
                film.source,
                film.result,
                film.options,
                most_pixels=self.pixels,
                signals=film.stop,
                watch=lambda done: self._watch(film, done),
                device=lambda work: self._worker.between(film.model.colorizer, work).result(),
                batch=_BATCH,
            )
            film.notes = tuple(note.replace(str(film.source), film.name) for note in result.notes)
            film.source.unlink(missing_ok=True)
            self._end(film, 'done')
        except (color.StoppedError, CancelledError):
            self._end(film, 'failed', 'cancelled')
        except FilmError as error:
            self._end(film, 'failed', str(error).replace(str(film.source), film.name))
        except UserError as error:
            self._end(film, 'failed', f'the server has no room for it; the log tells more of error {log(error)}')
        except Exception as error:
            self._end(film, 'failed', f'something went wrong here; the log tells more of error {log(error)}')

    def _end(self, film: Film, state: str, detail: str = '') -> None:
        film.asked = time.monotonic()
        film.detail, film.state = detail, state

    def _finish(self, film: Film, work: Future[None]) -> None:
        self._delete_unwanted(film)
        self._works.discard(work)

    def _delete_unwanted(self, film: Film) -> None:
        if film.stop or film.state == 'failed':
            shutil.rmtree(film.folder, ignore_errors=True)

    def _watch(self, film: Film, done: color.Done) -> None:
        self._metrics.frames.inc(max(0, done.frames - film.done.frames))
        if not done.frames:
            film.begun = time.monotonic()  # all that it needs is compiled
        film.done = done
        most = self._settings.film_seconds
        if done.seconds > most + 1:
            raise LargeFilmError(f'{film.name}: it goes on after the {most} s of a film that this server takes')
        self._check_frames(film.name, done.frames)
        size = sum(path.stat().st_size for path in film.result.with_name(f'{film.result.name}.segments').glob('*'))
        if size > _GROWTH * self._settings.film_bytes:
            raise LargeFilmError(f'{film.name}: its result is larger than {size / 2**20:.0f} MiB; use a smaller film')

    def _check_frames(self, name: str, frames: int) -> None:
        most = _RATE * self._settings.film_seconds
        if frames > most:
            raise LargeFilmError(
                f'{name}: it has more than {most} frames, the most of a film that this server takes ({_RATE} a second)'
            )


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnavailableError(f'the server has no room for films ({error.strerror}); try again later', 30) from error
