"""Tiny films, made by PyAV."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import skimage.data

RATE = 25


def luma(number: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Returns a frame's luma, of limited range: a window that moves over a photograph."""
    picture = skimage.data.camera()[100 + number :, 150 + 2 * number :][:height, :width]
    return (16 + picture * (219 / 255)).astype(np.uint8)


def make(
    path: Path,
    frames: int = 20,
    *,
    size: tuple[int, int] = (48, 64),
    codec: str = 'libx264',
    pix_fmt: str = 'yuv420p',
    options: dict[str, str] | None = None,
    pts: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 12800),
    audio: bool = False,
    subtitles: bool = False,
    display: Sequence[int] | None = None,
    **context: Any,
) -> Path:
    """Writes a film whose frames are `luma(0)`, `luma(1)`, …, grey; `context` is for the encoder's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stamps = [512 * number for number in range(frames)] if pts is None else pts
    with av.open(str(path), 'w') as film:
        stream = film.add_stream(codec, rate=RATE, options=options or {})
        stream.height, stream.width = size
        stream.pix_fmt, stream.time_base = pix_fmt, time_base
        for name, value in {'time_base': time_base, **context}.items():
            setattr(stream.codec_context, name, value)
        if display is not None:
            stream.set_display_matrix(display)
        if audio:
            sound = film.add_stream('aac' if path.suffix != '.mkv' else 'libmp3lame', rate=44100, layout='mono')
        if subtitles:
            captions = _captions(film)
        film.metadata['title'] = 'A walk'
        for number, stamp in enumerate(stamps):
            film.mux(stream.encode(frame(number, stamp, size, pix_fmt, time_base, context)))
            if audio:
                tone = np.sin(np.arange(1764) / 20 + number)[None].astype(np.float32)
                sounding = av.AudioFrame.from_ndarray(tone, 'fltp', 'mono')
                sounding.rate, sounding.pts = 44100, number * 1764
                film.mux(sound.encode(sounding))
            if subtitles and number % 10 == 5:
                film.mux(_caption(captions, number))
        film.mux(stream.encode(None))
        if audio:
            film.mux(sound.encode(None))
    return path


def frame(number: int, stamp: int, size: tuple[int, int], pix_fmt: str, time_base: Fraction, context: dict[str, Any]):
    height, width = size
    grey = np.ascontiguousarray(luma(number, height, width))
    made = av.VideoFrame.from_ndarray(grey, 'gray')
    made.color_range = context.get('color_range', 1)
    if pix_fmt == 'yuv420p' and height % 2 == width % 2 == 0:
        planes = np.full((height * 3 // 2, width), 128, np.uint8)
        planes[:height] = grey
        made = av.VideoFrame.from_ndarray(planes, 'yuv420p')
        made.color_range = context.get('color_range', 1)
    elif pix_fmt != 'gray':
        made = made.reformat(format=pix_fmt, src_color_range=1, dst_color_range=2 if 'rgb' in pix_fmt else 1)
    made.pts, made.time_base, made.duration = stamp, time_base, 512
    return made


def _captions(film: Any) -> Any:
    return film.add_mux_stream('subrip', rate=1000)


def _caption(stream: Any, number: int) -> Any:
    packet = av.Packet(f'caption {number}'.encode())
    packet.stream, packet.time_base = stream, Fraction(1, 1000)
    packet.pts = packet.dts = number * 40
    packet.duration = 200
    return packet


def packets(path: Path, kind: str) -> list[tuple[float, bytes]]:
    """Returns the seconds and the bytes of each packet of the first stream of a kind."""
    with av.open(str(path)) as film:
        stream = next(stream for stream in film.streams if stream.type == kind)
        return [(float(p.pts * p.time_base), bytes(p)) for p in film.demux(stream) if p.size]


def decoded(path: Path) -> list[tuple[Fraction, np.ndarray]]:
    """Returns the time and the planes [3, …] of each frame, chroma as large as luma."""
    with av.open(str(path)) as film:
        return [
            (frame.pts * frame.time_base, frame.reformat(format='yuv444p', interpolation='POINT').to_ndarray())
            for frame in film.decode(video=0)
        ]
