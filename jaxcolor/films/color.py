"""A film in colour, from its file to another, a segment at a time."""

import dataclasses
import hashlib
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from av.error import FFmpegError
from jaxtyping import Float, UInt8

from jaxcolor import compilation_cache
from jaxcolor.films import encode, steady
from jaxcolor.films.ahead import ahead
from jaxcolor.films.chroma import ChromaProgram
from jaxcolor.films.device import Device, at_once
from jaxcolor.films.errors import FilmError
from jaxcolor.films.join import join
from jaxcolor.films.segments import FRAMES, Progress, Segments
from jaxcolor.films.source import Film, Frame, Source
from jaxcolor.inference import network, render, white_balance
from jaxcolor.inference.colorizer import Colorizer
from jaxcolor.inference.network import SmallCopy
from jaxcolor.inference.options import Options
from jaxcolor.inference.programs import NetworkProgram
from jaxcolor.storage import explain_refusal, open_atomic

_BATCH = 16  # frames through the network together; a segment is so many batches
_BATCH_PIXELS = 2**25  # of the frames of a batch


class StoppedError(Exception):
    """A signal came; `frames` are in segments that are whole, and stay."""

    def __init__(self, frames: int):
        super().__init__()
        self.frames = frames


class Done(NamedTuple):
    """How far a film is.

    Attributes:
      frames: that are coloured.
      of: how many there should be; None where nobody knows.
      seconds: from the first frame to the last of these, in the film's time; 0 for those of an earlier run.
    """

    frames: int
    of: int | None
    seconds: float


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

    def __init__(
        self, colorizer: Colorizer, film: Film, options: Options, device: Device = at_once, most: int | None = None
    ):
        """Compile what frames of `film` need, so many of them together at `most`."""
        self._colorizer, self._options, self._film, self._device = colorizer, options, film, device
        self.plan = colorizer.shapes.plan(*film.shown)
        pixels = film.height * film.width
        sizes = [size for size in (_BATCH, 4, 1) if size <= (most or _BATCH)]
        self.batch = next(size for size in sizes if size * pixels <= _BATCH_PIXELS or size == 1)
        self._light = film.coding.luma_of_byte
        colorizer.programs.compile(NetworkProgram(self.plan.shape, self.batch, colorizer.has_noise))
        grey = jax.ShapeDtypeStruct((self.batch, *self.plan.content), np.uint8)
        colors = jax.ShapeDtypeStruct((*grey.shape, 2), np.float32)
        self._functions = compilation_cache.compile(_guide if self.plan.filtered else _constant, grey, colors)

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
            predicted = self._device(partial(self._predict, kind))
            means.append(np.stack([one[: height * width, 2:].reshape(height, width, 2) for one in predicted]))
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
        result = self._device(lambda: np.asarray(self._functions(grey, colors)))
        if self._options.warmth:
            result = white_balance.warm(result.reshape(-1, 4), self._options.warmth).reshape(result.shape)
        return [np.rot90(one, -self._film.turns) for one in result[: len(copies)]]

    def _predict(self, copies: Sequence[SmallCopy]) -> list[np.ndarray]:
        return [np.asarray(one) for one in self._colorizer.predict(copies, self._options, self.batch)]


def color(
    colorizer: Colorizer,
    path: Path,
    output: Path,
    options: Options,
    *,
    most_pixels: int,
    signals: Sequence[int] = (),
    watch: Callable[[Done], None] = lambda done: None,
    device: Device = at_once,
    batch: int | None = None,
) -> Result:
    """Colour a film into the file `output`, which is there when all of it is.

    What was coloured before with the same film, model and settings is in a folder beside it, and not done again.

    Args:
      colorizer: the model.
      path: of the film.
      output: one of `plan.CONTAINERS` by its suffix.
      options: as of pictures.
      most_pixels: of a frame.
      signals: the work stops once there is one in it.
      watch: is told how far it is, before the first batch and after each.
      device: does what is the device's.
      batch: frames through the network together, at most: 1, 4 or 16.

    Raises:
      FilmError: it is no film, or none that can be coloured.
      UserError: the disk refuses.
      StoppedError: there was a signal.
    """
    source = Source(path, most_pixels)
    film = source.film
    try:
        with explain_refusal(output, '--output'):
            codec = encode.codec_for(output.suffix.lower())
            segments = Segments(output, _settings(colorizer, path, options, codec))
            progress = segments.progress()
            before = progress.frames
            if not progress.ended:
                seen = Network(colorizer, film, options, device, batch)
                program = ChromaProgram(*encode.even_size(film), film.coding, options.saturation, device)
                try:
                    progress = _color_segments(source, segments, progress, seen, program, codec, signals, watch)
                except FFmpegError as error:
                    raise FilmError(f'{path}: it can not be encoded: {error.strerror}') from error
            with open_atomic(output) as file:
                left_out = join(path, film, segments.files(), file, output.suffix.lower())
            segments.remove()
    finally:
        source.close()
    notes = [progress.note] if progress.note else []
    if left_out:
        notes.append(f'left out: {", ".join(left_out)}')
    incomplete = bool(notes)
    if film.interlaced:
        notes.append('its fields were made frames')
    if (film.height, film.width) != encode.even_size(film):
        notes.append('the last row or column is there twice, for films have even sizes')
    return Result(progress.frames, progress.frames - before, tuple(notes), incomplete)


def _color_segments(
    source: Source,
    segments: Segments,
    progress: Progress,
    seen: Network,
    program: ChromaProgram,
    codec: encode.Codec,
    signals: Sequence[int],
    watch: Callable[[Done], None],
) -> Progress:
    film, frames = source.film, source.frames()
    watch(Done(progress.frames, film.frames, 0.0))
    # From the beginning: not every film can be entered in its middle, and decoding is a small part of the work.
    for _ in itertools.islice(frames, progress.frames):
        _check(signals, progress.frames)
    with ahead(_batches(frames, seen)) as batches:
        state, count, batch = progress.state, progress.frames, next(batches, None)
        begin = batch[0][0].pts if batch is not None else 0
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
                    watch(Done(count, film.frames, float((shown[-1].pts - begin) * film.time_base)))
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
