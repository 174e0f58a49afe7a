"""A film in colour, from its file to another, a segment at a time."""

import dataclasses
import hashlib
import itertools
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from av.error import FFmpegError
from jaxtyping import Float, UInt8
from tqdm import tqdm

from jaxcolor.films import encode, steady
from jaxcolor.films.ahead import ahead
from jaxcolor.films.chroma import ChromaProgram
from jaxcolor.films.errors import FilmError
from jaxcolor.films.join import join
from jaxcolor.films.segments import FRAMES, Progress, Segments
from jaxcolor.films.source import Film, Frame, Source
from jaxcolor.inference import network, render, white_balance
from jaxcolor.inference.colorizer import Colorizer
from jaxcolor.inference.network import SmallCopy
from jaxcolor.inference.options import Options
from jaxcolor.storage import explain_refusal, open_atomic

_BATCH = 16  # frames through the network together; a segment is so many batches
_BATCH_PIXELS = 2**25  # of the frames of a batch


class StoppedError(Exception):
    """A signal came; `frames` are in segments that are whole, and stay."""

    def __init__(self, frames: int):
        super().__init__()
        self.frames = frames


@dataclasses.dataclass(frozen=True)
class Result:
    """What became of a film.

    Attributes:
      frames: of the film.
      new_frames: of those, coloured now.
      notes: what is not as it was, or is missing.
      incomplete: the film lacks something that it should have.
    """

    frames: int
    new_frames: int
    notes: tuple[str, ...]
    incomplete: bool


class Network:
    """Batches of frames of one film, seen by a colorizer: their chroma, and from steadied chroma their functions."""

    def __init__(self, colorizer: Colorizer, film: Film, options: Options):
        """Prepare for frames of `film`."""
        self._colorizer, self._options, self._film = colorizer, options, film
        self.plan = colorizer.shapes.plan(*film.shown)
        pixels = film.height * film.width
        self.batch = next(size for size in (_BATCH, 4, 1) if size * pixels <= _BATCH_PIXELS or size == 1)
        self._light = film.coding.luma_of_byte

    def small_copies(self, luma: UInt8[np.ndarray, 'h w']) -> list[SmallCopy]:
        """Return what the network has to see of a frame, upright."""
        upright = np.rot90(self._light[luma], self._film.turns)[..., None]
        plan = self.plan._replace(filtered=False)  # the chroma itself: functions are of what it becomes
        copy = network.small_copy(upright, plan)
        return [copy, copy.mirror()] if self._options.flip_average else [copy]

    def grey(self, copies: Sequence[SmallCopy]) -> UInt8[np.ndarray, 'h w']:
        """Return the luma of a frame's small copy."""
        rows, columns = self.plan.content
        return copies[0].pixels[:rows, :columns, 0]

    def chroma(self, copies: Sequence[Sequence[SmallCopy]]) -> Float[np.ndarray, 'b h w 2']:
        """Return a* and b* of each frame's small copy."""
        height, width = self.plan.shape
        means = []
        for kind in zip(*copies, strict=True):  # as they are, and mirrored
            predicted = self._colorizer.predict(kind, self._options, self.batch)
            means.append(
                np.stack([np.asarray(one)[: height * width, 2:].reshape(height, width, 2) for one in predicted])
            )
        rows, columns = self.plan.content
        return np.mean(means, axis=0)[:, :rows, :columns]

    def functions(
        self, copies: Sequence[Sequence[SmallCopy]], chroma: Sequence[Float[np.ndarray, 'h w 2']]
    ) -> list[Float[np.ndarray, 'p q 4']]:
        """Return the functions of frames that are to have this chroma, turned as the frames are stored."""
        rows, columns = self.plan.content
        grey = np.zeros((self.batch, rows, columns), np.uint8)
        colors = np.zeros((self.batch, rows, columns, 2), np.float32)
        for number, (small, color) in enumerate(zip(copies, chroma, strict=True)):
            grey[number], colors[number] = self.grey(small), color
        result = np.asarray((_guide if self.plan.filtered else _constant)(grey, colors))
        if self._options.warmth:
            result = white_balance.warm(result.reshape(-1, 4), self._options.warmth).reshape(result.shape)
        return [np.rot90(one, -self._film.turns) for one in result[: len(copies)]]


def color(
    colorizer: Colorizer,
    path: Path,
    output: Path,
    options: Options,
    *,
    most_pixels: int,
    signals: Sequence[int] = (),
) -> Result:
    """Colour a film into the file `output`, which is there when all of it is.

    What was coloured before with the same film, model and settings is in a folder beside it, and not done again.

    Raises:
      FilmError: it is no film, or none that can be coloured.
      UserError: the disk refuses.
      StoppedError: there was a signal.
    """
    source = Source(path, most_pixels)
    try:
        with explain_refusal(output, '--output'):
            codec = encode.codec_for(output.suffix.lower())
            segments = Segments(output, _settings(colorizer, path, options, codec))
            progress = segments.progress()
            before = progress.frames
            if not progress.ended:
                try:
                    progress = _color_segments(colorizer, source, segments, progress, options, codec, signals)
                except FFmpegError as error:
                    raise FilmError(f'{path}: it can not be encoded: {error.strerror}') from error
            with open_atomic(output) as file:
                left_out = join(path, source.film, segments.files(), file, output.suffix.lower())
            segments.remove()
    finally:
        source.close()
    notes = [progress.note] if progress.note else []
    if left_out:
        notes.append(f'left out: {", ".join(left_out)}')
    incomplete = bool(notes)
    if source.film.interlaced:
        notes.append('its fields were made frames')
    if (source.film.height, source.film.width) != encode.even_size(source.film):
        notes.append('the last row or column is there twice, for films have even sizes')
    return Result(progress.frames, progress.frames - before, tuple(notes), incomplete)


def _color_segments(
    colorizer: Colorizer,
    source: Source,
    segments: Segments,
    progress: Progress,
    options: Options,
    codec: encode.Codec,
    signals: Sequence[int],
) -> Progress:
    film = source.film
    seen = Network(colorizer, film, options)
    program = ChromaProgram(*encode.even_size(film), film.coding, options.saturation)
    frames = source.frames()
    # From the beginning: not every film can be entered in its middle, and decoding is a small part of the work.
    for _ in itertools.islice(frames, progress.frames):
        _check(signals, progress.frames)
    with (
        ahead(_batches(frames, seen)) as batches,
        tqdm(total=film.frames, initial=progress.frames, unit=' frames', dynamic_ncols=True, disable=None) as bar,
    ):
        bar.set_description(Path(source.container.name).name)
        state, count, batch = progress.state, progress.frames, next(batches, None)
        while batch is not None:
            with segments.new() as file:
                writer = encode.SegmentWriter(file, film, codec)
                for _ in range(FRAMES // seen.batch):
                    _check(signals, progress.frames)
                    shown, copies = batch
                    chroma = []
                    for small, own in zip(copies, seen.chroma(copies), strict=True):
                        state = steady.advance(state, seen.grey(small), own)
                        chroma.append(state.chroma)
                    for frame, functions in zip(shown, seen.functions(copies, chroma), strict=True):
                        writer.write(frame, program(frame.luma, functions))
                    count += len(shown)
                    bar.update(len(shown))
                    if (batch := next(batches, None)) is None:
                        break
                writer.close()
            progress = Progress(count, state, batch is None, '' if batch is not None else _lacking(source))
            segments.finish(progress)
    return progress


def _batches(frames: Iterator[Frame], seen: Network) -> Iterator[tuple[list[Frame], list[list[SmallCopy]]]]:
    while some := list(itertools.islice(frames, seen.batch)):
        copies = [seen.small_copies(frame.luma) for frame in some]
        yield [frame._replace(luma=_even(frame.luma)) for frame in some], copies


def _even(luma: UInt8[np.ndarray, 'h w']) -> UInt8[np.ndarray, 'p q']:
    return np.pad(luma, [(0, side % 2) for side in luma.shape], 'edge')


@jax.jit
def _guide(grey: Any, chroma: Any) -> Any:
    return render.guide(grey[..., None].astype(jnp.float32) / 255, chroma)


@jax.jit
def _constant(grey: Any, chroma: Any) -> Any:
    del grey
    return render.constant(chroma)


def _check(signals: Sequence[int], frames: int) -> None:
    if signals:
        raise StoppedError(frames)


def _lacking(source: Source) -> str:
    notes = []
    if source.damaged:
        notes.append(f'{source.damaged} of its frames are damaged')
    if source.missing:
        notes.append(f'the file ends too early: the last {source.missing:.1f} s are missing')
    return '; '.join(notes)


def _settings(colorizer: Colorizer, path: Path, options: Options, codec: encode.Codec) -> dict[str, Any]:
    """Return all that the result depends on."""
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(colorizer.variables):
        digest.update(np.asarray(leaf).tobytes())
    try:
        release = version('jaxcolor')
    except PackageNotFoundError:  # a checkout that is not installed
        release = ''
    stat = path.stat()
    return {
        'film': [stat.st_size, stat.st_mtime_ns],
        'model': digest.hexdigest(),
        'space': repr(colorizer.space),
        'render_size': colorizer.render_size,
        'options': {name: repr(value) for name, value in options._asdict().items()},
        'codec': [codec.encoder, codec.options],
        'jaxcolor': release,
        'platform': [sys.platform, jax.default_backend()],
    }
