"""A film that is read: what it is, and its frames one after the other."""

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import UInt8

from jaxcolor.films import pixels
from jaxcolor.films.errors import FilmError, LargeFilmError
from jaxcolor.films.plan import MOST_PIXELS

# Containers of pictures and sound alone: lists of other files, which a film could make us open, are not among them.
_FORMATS = (
    'mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,asf,flv,ogg,mxf,nut,dv,ivf,h264,hevc,m4v,rm,wtv'
)
_ELEMENTARY = ('mpegvideo', 'h264', 'hevc', 'm4v', 'dv', 'ivf')  # which do not say how long they are
_PROGRESSIVE = (0, 1)  # orders of fields: none that is known, and none


class Frame(NamedTuple):
    """A frame of a film.

    Attributes:
      pts: when it is shown, in the film's time base; more than that of the frame before.
      duration: in the film's time base; 0 where it is not known.
      luma: Y' in the film's own range.
    """

    pts: int
    duration: int
    luma: UInt8[np.ndarray, 'h w']


class Film(NamedTuple):
    """What a film's frames have in common.

    Attributes:
      height, width: as they are stored.
      aspect: of a pixel, its width by its height.
      turns: by 90 degrees, counterclockwise, that a frame is shown with.
      display: the whole matrix by which it is shown (FFmpeg's nine numbers), None where there is none.
      time_base: seconds of a tick.
      rate: frames per second in the mean, as the file has it.
      frames: how many there should be; None where nobody knows.
      interlaced: the film has fields, which were made frames.
      coding: of its luma.
    """

    height: int
    width: int
    aspect: Fraction
    turns: int
    display: tuple[int, ...] | None
    time_base: Fraction
    rate: Fraction
    frames: int | None
    interlaced: bool
    coding: pixels.Coding

    @property
    def shown(self) -> tuple[int, int]:
        """Height and width as it is shown: upright, with square pixels."""
        shape = self.height, max(1, round(self.width * self.aspect))
        return shape[::-1] if self.turns % 2 else shape


class Source:
    """A film file that is open for reading.

    Attributes:
      film: what its frames have in common.
      container: of FFmpeg.
      damaged: packets and frames that are, so far.
      last: when the last packet of any stream ends, in seconds.
    """

    def __init__(self, path: Path, most_pixels: int = MOST_PIXELS):
        """Open a file, and decode its first frame; `close` when done.

        Raises:
          FilmError: it is no film, or none that can be coloured.
        """
        self.damaged, self.last, self._path = 0, 0.0, path
        self.container = open_container(path)
        try:
            self._stream = self._choose_stream()
            self._check_size(most_pixels)
            self._decoded = self._decode()
            first = next(self._decoded, None)
            if first is None:
                raise FilmError('not one frame of it can be decoded')
            self.film = self._describe(first, most_pixels)
        except FilmError as error:
            self.close()
            raise type(error)(f'{path}: {error}') from error
        self._first: VideoFrame | None = first

    @property
    def stream(self) -> VideoStream:
        """The stream of its pictures."""
        return self._stream

    def frames(self) -> Iterator[Frame]:
        """Yield the frames from the first one on, once; stamps that are missing or go back are mended."""
        film, before, step = self.film, None, max(1, round(1 / (self.film.rate * self.film.time_base)))
        for frame in self._deinterlaced() if film.interlaced else self._all():
            pts = frame.pts
            if pts is not None and frame.time_base and frame.time_base != film.time_base:
                pts = round(pts * frame.time_base / film.time_base)
            if before is not None and (pts is None or pts <= before):
                pts = before + (step if pts is None else 1)
            before = 0 if pts is None else pts
            duration = max(0, frame.duration or 0)
            if frame.time_base and frame.time_base != film.time_base:
                duration = round(duration * frame.time_base / film.time_base)
            yield Frame(before, duration, pixels.luma(frame, film.height, film.width))

    @property
    def missing(self) -> float:
        """Seconds that the file should have after its last packet, as far as it says how long it is."""
        if self.container.duration is None or self.container.format.name in _ELEMENTARY:
            return 0.0
        seconds = self.container.duration / 1e6
        gap = (self.container.start_time or 0) / 1e6 + seconds - self.last
        return gap if gap > max(0.5, 0.02 * seconds) else 0.0

    def close(self) -> None:
        """Close the file."""
        self.container.close()

    def _choose_stream(self) -> VideoStream:
        streams = [s for s in self.container.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams:
            kinds = ', '.join(sorted({stream.type for stream in self.container.streams}))
            raise FilmError(f'there are no moving pictures in it{f", only {kinds}" if kinds else ""}')
        stream = streams[0]
        if stream.codec_context is None:
            raise FilmError('its pictures are of a codec that is not known')
        # Several threads conceal what is damaged now so, now so.
        stream.codec_context.thread_count = 1
        return stream

    def _check_size(self, most: int) -> None:
        height, width = self._stream.codec_context.height, self._stream.codec_context.width
        if height * width > most:
            raise LargeFilmError(f'its frames have {width} x {height} pixels; use at most {most}')

    def _describe(self, first: VideoFrame, most: int) -> Film:
        stream, context = self._stream, self._stream.codec_context
        if first.width * first.height > most:
            raise LargeFilmError(f'its frames have {first.width} x {first.height} pixels; use at most {most}')
        time_base, rate = stream.time_base or Fraction(1, 90_000), stream.average_rate or stream.guessed_rate
        rate = rate if rate and 0 < rate <= 1000 else Fraction(25)
        frames = stream.frames or None
        if not frames and (seconds := self.seconds):
            frames = round(seconds * rate)
        display = None
        if (data := first.side_data.get(av.sidedata.sidedata.Type.DISPLAYMATRIX)) is not None:
            display = tuple(int(number) for number in np.frombuffer(bytes(data)[:36], np.int32))
        aspect = stream.sample_aspect_ratio or context.sample_aspect_ratio or Fraction(1)
        return Film(
            height=first.height,
            width=first.width,
            aspect=aspect if Fraction(1, 16) <= aspect <= 16 else Fraction(1),
            turns=round(first.rotation / 90) % 4,
            display=display,
            time_base=time_base,
            rate=rate,
            frames=frames,
            interlaced=bool(first.interlaced_frame) or int(context.field_order) not in _PROGRESSIVE,
            coding=pixels.coding(first, context.name),
        )

    @property
    def seconds(self) -> float | None:
        """How long the film is, as far as the file says."""
        if self._stream.duration is not None and self._stream.time_base is not None:
            return float(self._stream.duration * self._stream.time_base)
        return None if self.container.duration is None else self.container.duration / 1e6

    def _decode(self) -> Iterator[VideoFrame]:
        for packet in self._packets():
            try:
                for frame in packet.decode():
                    self.damaged += bool(frame.is_corrupt)
                    yield frame
            except (FFmpegError, ValueError):
                self.damaged += 1

    def _packets(self) -> Iterator[Any]:
        try:
            for packet in self.container.demux():
                if packet.pts is not None and packet.time_base:
                    end = (packet.pts + (packet.duration or 0)) * packet.time_base
                    self.last = max(self.last, float(end))
                if packet.stream_index == self._stream.index:
                    yield packet
        except FFmpegError:  # the file ends here
            self.damaged += 1

    def _all(self) -> Iterator[VideoFrame]:
        first, self._first = self._first, None
        if first is not None:
            yield first
        yield from self._decoded

    def _deinterlaced(self) -> Iterator[VideoFrame]:
        """Yield as many frames as there are, of both fields each."""
        graph: av.filter.Graph | None = None
        for frame in self._all():
            if graph is None:
                graph = av.filter.Graph()
                graph.link_nodes(
                    graph.add_buffer(template=self._stream, time_base=self.film.time_base),
                    graph.add('bwdif', 'mode=send_frame:deint=interlaced'),
                    graph.add('buffersink'),
                ).configure()
            graph.vpush(frame)
            yield from _pull(graph)
        if graph is not None:
            graph.vpush(None)
            yield from _pull(graph)


def open_container(path: Path) -> InputContainer:
    """Open a file of one of the containers that are read.

    Raises:
      FilmError: it is none.
    """
    options = {'format_whitelist': _FORMATS, 'protocol_whitelist': 'file'}
    try:
        return av.open(f'file:{path}', options=options, metadata_errors='replace')
    except (FFmpegError, ValueError) as error:
        reason = getattr(error, 'strerror', None) or error
        raise FilmError(f'{path}: it can not be read as a film: {reason}') from error


def _pull(graph: av.filter.Graph) -> Iterator[VideoFrame]:
    with contextlib.suppress(av.error.BlockingIOError, av.error.EOFError):
        while True:
            yield graph.vpull()
