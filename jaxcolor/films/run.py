"""Several films in one go: each coloured, or named with what is wrong with it."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from tqdm import tqdm

from jaxcolor.batch_inference.tally import Tally
from jaxcolor.errors import InterruptedRunError
from jaxcolor.films.color import Done, StoppedError, color
from jaxcolor.films.errors import FilmError
from jaxcolor.films.plan import FilmJob
from jaxcolor.inference.colorizer import Colorizer
from jaxcolor.inference.options import Options
from jaxcolor.signals import catch_signals


def run(colorizer: Colorizer, jobs: Sequence[FilmJob], options: Options, *, most_pixels: int, overwrite: bool) -> Tally:
    """Colour films. One that can't be coloured is named and left out.

    Args:
      colorizer: the model.
      jobs: what is to be made of which film.
      options: as of pictures.
      most_pixels: of a frame.
      overwrite: films that are there are made again.

    Raises:
      UserError: a disk that refuses what is written.
      InterruptedRunError: SIGTERM or SIGINT came; the segments that are whole stay.
    """
    tally, start = Tally('films'), time.perf_counter()
    with catch_signals() as signals:
        for job in jobs:
            if not overwrite and job.output.is_file() and job.output.stat().st_size:
                tally.skipped += 1
                continue
            try:
                with _bar(job.source.name) as watch:
                    result = color(
                        colorizer,
                        job.source,
                        job.output,
                        options,
                        most_pixels=most_pixels,
                        signals=signals,
                        watch=watch,
                    )
            except FilmError as error:
                _say(f'failed: {error}')
                tally.failed += 1
                continue
            except StoppedError as stopped:
                raise InterruptedRunError(
                    signals[0],
                    f'{tally.colored} films coloured; of {job.source.name}, {stopped.frames} frames are kept',
                ) from None
            for note in result.notes:
                _say(f'{job.source}: {note}')
            tally.colored += 1
            tally.incomplete += result.incomplete
            tally.frames += result.new_frames
    tally.seconds = time.perf_counter() - start
    return tally


@contextlib.contextmanager
def _bar(name: str) -> Iterator[Callable[[Done], None]]:
    """Yield what shows how far a film is, from its first frame on."""
    with contextlib.ExitStack() as stack:
        bar: tqdm[None] | None = None

        def show(done: Done) -> None:
            nonlocal bar
            if bar is None:
                bar = tqdm(total=done.of, initial=done.frames, unit=' frames', dynamic_ncols=True, disable=None)
                stack.enter_context(bar).set_description(name)
            bar.update(done.frames - bar.n)

        yield show


def _say(line: str) -> None:
    tqdm.write(' '.join(line.splitlines()), file=sys.stderr)  # the name of a file may have two lines
