"""The luma of decoded frames, whatever their pixel format, and what its codes mean."""

from typing import NamedTuple

import numpy as np
from av.video.frame import VideoFrame
from jaxtyping import UInt8

from jaxcolor.films.errors import FilmError

# Weights of red and blue in luma, by the number of the matrix in ITU-T H.273.
_WEIGHTS = {
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC
    5: (0.299, 0.114),  # BT.601
    6: (0.299, 0.114),
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020
}
_RGB, _UNKNOWN = 0, 2
_HDR = {16: 'PQ', 18: 'HLG'}  # transfer characteristics
_LIMITED, _FULL = 1, 2  # ranges, as FFmpeg counts them
_HIGH = 720  # lines from which on an unnamed matrix is BT.709, as players have it


class Coding(NamedTuple):
    """What the codes of Y'CbCr mean.

    Attributes:
      weights: of red and blue in luma.
      full: luma has 0 to 255, not 16 to 235.
      matrix, primaries, transfer: numbers of ITU-T H.273, as they are written; 2 where a film does not say.
    """

    weights: tuple[float, float]
    full: bool
    matrix: int
    primaries: int
    transfer: int

    @property
    def luma_of_byte(self) -> UInt8[np.ndarray, ' 256']:
        """The luma from 0 to 255 that each code stands for."""
        codes = np.arange(256.0)
        return np.round(codes if self.full else np.clip((codes - 16) * 255 / 219, 0, 255)).astype(np.uint8)


def coding(frame: VideoFrame, codec: str) -> Coding:
    """Return what the codes of a frame's luma mean, as `luma` returns it.

    Raises:
      FilmError: high dynamic range, or a matrix whose luma is of another kind.
    """
    matrix, transfer = int(frame.colorspace), int(frame.color_trc)
    if transfer in _HDR:
        raise FilmError(f'its brightness is {_HDR[transfer]} (HDR); use a film of standard dynamic range')
    is_rgb = frame.format.is_rgb or frame.format.has_palette
    if is_rgb:
        matrix = 1 if frame.height >= _HIGH else 6
    if matrix not in (_UNKNOWN, *_WEIGHTS):
        raise FilmError(f'its colour matrix is {matrix} of H.273; use BT.601, BT.709 or BT.2020')
    weights = _WEIGHTS[(1 if frame.height >= _HIGH else 6) if matrix == _UNKNOWN else matrix]
    value = int(frame.color_range)
    full = value == _FULL or frame.format.name.startswith('yuvj')
    if _is_grey(frame) and value != _LIMITED:  # H.264 and HEVC are limited where nothing is said, grey or not
        full = full or codec not in ('h264', 'hevc')
    return Coding(weights, full and not is_rgb, matrix, int(frame.color_primaries), transfer)


def luma(frame: VideoFrame, height: int, width: int) -> UInt8[np.ndarray, '{height} {width}']:
    """Return the luma of a frame, in the range of its `coding`, scaled if it is of another size than the film's."""
    name = frame.format.name
    eight_bits = all(component.bits == 8 for component in frame.format.components)
    planar = eight_bits and (name.startswith(('yuv4', 'yuvj4', 'yuva4', 'nv')) or name in ('gray', 'gray8'))
    wanted = 'gray' if _is_grey(frame) else 'yuv420p'
    if frame.format.is_rgb or frame.format.has_palette:
        matrix = 'ITU709' if frame.height >= _HIGH else 'ITU601'
        frame = frame.reformat(
            width=width, height=height, format=wanted, dst_colorspace=matrix, dst_color_range='MPEG', threads=1
        )
    elif not planar or (frame.height, frame.width) != (height, width):
        frame = frame.reformat(width=width, height=height, format=wanted, threads=1)
    plane = frame.planes[0]
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:height, :width].copy()


def _is_grey(frame: VideoFrame) -> bool:
    return frame.format.name.startswith(('gray', 'ya', 'mono'))
