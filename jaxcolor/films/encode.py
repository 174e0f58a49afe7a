"""Frames into a file of their own: a segment of the film, which others can follow without encoding again."""

import io
from typing import Any, NamedTuple

import av
import numpy as np
from av.video.frame import VideoFrame
from jaxtyping import UInt8

from jaxcolor.films.source import Film, Frame

SEGMENT_FORMAT = 'nut'  # which holds any codec, and any time base exactly


class Codec(NamedTuple):
    """An encoder of FFmpeg's, and its options."""

    encoder: str
    options: dict[str, str]


# Frames in their order (no B-frames), so that segments follow each other with the time stamps that they have. One
# thread, and no macroblock tree, which in x264 goes by what was in memory before: the same frames are the same file.
H264 = Codec('libx264', {'crf': '18', 'preset': 'fast', 'bf': '0', 'threads': '1', 'mbtree': '0'})
VP9 = Codec('libvpx-vp9', {'crf': '24', 'b': '0', 'deadline': 'good', 'cpu-used': '4', 'threads': '1'})


class SegmentWriter:
    """Encodes frames into one file, which is whole after `close`."""

    def __init__(self, file: io.BufferedIOBase, film: Film, codec: Codec):
        """Begin a file; frames are those of `film`, with rows and columns added to make them even."""
        self._film = film
        self._container: Any = av.open(file, 'w', format=SEGMENT_FORMAT)
        stream = self._container.add_stream(
            codec.encoder, rate=film.rate.limit_denominator(1001), options=codec.options
        )
        stream.height, stream.width = even_size(film)
        stream.pix_fmt = 'yuv420p'
        stream.time_base = film.time_base
        context, coding = stream.codec_context, film.coding
        context.time_base, context.sample_aspect_ratio = film.time_base, film.aspect
        context.color_range = 2 if coding.full else 1
        context.colorspace = coding.matrix
        context.color_primaries, context.color_trc = coding.primaries, coding.transfer
        self._stream = stream

    def write(self, frame: Frame, chroma: UInt8[np.ndarray, '2 rows columns']) -> None:
        """Encode a frame, whose luma has even sizes."""
        picture = _picture(frame.luma, chroma)
        picture.pts, picture.time_base, picture.duration = frame.pts, self._film.time_base, frame.duration
        picture.color_range, picture.colorspace = 2 if self._film.coding.full else 1, self._film.coding.matrix
        self._mux(self._stream.encode(picture))

    def close(self) -> None:
        """Write what the encoder still has, and the end of the file."""
        self._mux(self._stream.encode(None))
        self._container.close()

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            self._container.mux(packet)


def even_size(film: Film) -> tuple[int, int]:
    """Return height and width of the film that is written: 4:2:0 has even ones."""
    return film.height + film.height % 2, film.width + film.width % 2


def codec_for(suffix: str) -> Codec:
    """Return what a film is encoded with, in a file of this suffix."""
    return VP9 if suffix == '.webm' else H264


def _picture(luma: UInt8[np.ndarray, 'h w'], chroma: UInt8[np.ndarray, '2 p q']) -> VideoFrame:
    frame = VideoFrame(luma.shape[1], luma.shape[0], 'yuv420p')
    for plane, channel in zip(frame.planes, (luma, *chroma), strict=True):
        rows = np.zeros((plane.height, plane.line_size), np.uint8)
        rows[:, : plane.width] = channel
        plane.update(rows)
    return frame
