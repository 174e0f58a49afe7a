"""The film that is written: the pictures of its segments, and all else of the film that was read, packet by packet."""

import errno
import heapq
import io
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
from av.error import FFmpegError
from av.stream import Disposition

from jaxcolor.films.errors import FilmError
from jaxcolor.films.plan import CONTAINERS
from jaxcolor.films.source import Film, open_container

_OF_DISKS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG)


class _Timed(NamedTuple):
    """A packet, in the order of time."""

    seconds: float
    stream: int
    packet: Any


def join(path: Path, film: Film, segments: Sequence[Path], file: io.BufferedIOBase, suffix: str) -> list[str]:
    """Write a film; nothing is encoded again.

    Args:
      path: of the film that was read.
      film: the same, described.
      segments: files of its coloured pictures.
      file: to write to.
      suffix: of the file, one of `plan.CONTAINERS`.

    Returns:
      What of the film the container does not hold, in words.

    Raises:
      FilmError: the container does not hold the film.
    """
    left_out: list[str] = []
    try:
        with open_container(path) as source, av.open(str(segments[0])) as first:
            target: Any = av.open(file, 'w', format=CONTAINERS[suffix])
            read: Any = next(s for s in source.streams.video if not s.disposition & Disposition.attached_pic)
            pictures = target.add_stream_from_template(first.streams.video[0])
            pictures.time_base = film.time_base
            pictures.metadata.update(_words(read.metadata))
            pictures.disposition = read.disposition
            if film.display is not None:
                pictures.set_display_matrix(film.display)
            streams = {}
            for stream in source.streams:
                if stream is read:
                    continue
                kind = f'{stream.type} stream {stream.index}'
                is_cover = bool(stream.disposition & Disposition.attached_pic)
                if stream.type not in ('audio', 'subtitle') and not is_cover:
                    left_out.append(kind)
                    continue
                try:
                    copied = target.add_stream_from_template(stream)
                except (FFmpegError, ValueError, TypeError):
                    left_out.append(kind)
                    continue
                copied.metadata.update(_words(stream.metadata))
                copied.disposition = stream.disposition
                streams[stream.index] = copied
            target.metadata.update(_words(source.metadata))
            target.set_chapters(source.chapters())
            with target:
                for timed in heapq.merge(_pictures(segments), _others(source, streams)):
                    packet = timed.packet
                    packet.stream = streams[timed.stream] if timed.stream >= 0 else pictures
                    target.mux(packet)
    except FFmpegError as error:
        if error.errno in _OF_DISKS:
            raise
        raise FilmError(
            f'{path}: {CONTAINERS[suffix]} does not hold it: {error.strerror}; use --output=….mkv'
        ) from error
    return left_out


def _pictures(segments: Sequence[Path]) -> Iterator[_Timed]:
    for path in segments:
        with av.open(str(path)) as segment:
            for packet in segment.demux(video=0):
                if packet.size:
                    yield _Timed(float(packet.pts * packet.time_base), -1, packet)


def _others(source: Any, streams: dict[int, Any]) -> Iterator[_Timed]:
    """Yield the packets of the streams that are copied; where the file breaks off, what there is."""
    if not streams:
        return
    seconds = 0.0
    try:
        for packet in source.demux([source.streams[index] for index in streams]):
            if not packet.size:
                continue
            stamp = packet.dts if packet.dts is not None else packet.pts
            if stamp is not None:
                seconds = max(seconds, float(stamp * (packet.time_base or Fraction(1, 1000))))
            yield _Timed(seconds, packet.stream_index, packet)
    except FFmpegError:
        return


def _words(metadata: dict[str, str]) -> dict[str, str]:
    """Return what people have written of a film; what its encoder has is of that encoder."""
    own = ('encoder', 'vendor_id', 'duration', 'number_of_', 'bps', '_statistics', 'major_brand', 'minor_version')
    return {
        key: value
        for key, value in metadata.items()
        if not key.lower().startswith((*own, 'compatible_brands', 'handler_name'))
    }
