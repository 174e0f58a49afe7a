"""Cb and Cr against scikit-image's L*, a*, b*, and FFmpeg's own conversion to RGB."""

import numpy as np
import pytest
import skimage.color

pytest.importorskip('av')
pytest.importorskip('cv2')

import av

from jaxcolor.films.chroma import ChromaProgram
from jaxcolor.films.pixels import Coding

WEIGHTS = {1: (0.2126, 0.0722), 6: (0.299, 0.114)}


@pytest.mark.parametrize('matrix', [1, 6])
@pytest.mark.parametrize('full', [False, True])
def test_colours_are_those_that_players_show(matrix, full):
    coding = Coding(WEIGHTS[matrix], full, matrix, 2, 2)
    grey = np.tile(np.linspace(60, 190, 32).astype(np.uint8), (32, 1)).repeat(2, 0).repeat(2, 1)
    wanted = np.float32([18, -12])
    functions = np.broadcast_to(np.float32([0, 0, *wanted]), (8, 8, 4))
    blue, red = ChromaProgram(64, 64, coding, 1.0)(grey, functions)
    frame = av.VideoFrame(64, 64, 'yuv420p')
    for plane, channel in zip(frame.planes, (grey, blue, red), strict=True):
        rows = np.zeros((plane.height, plane.line_size), np.uint8)
        rows[:, : plane.width] = channel
        plane.update(rows)
    name = 'ITU709' if matrix == 1 else 'ITU601'
    shown = frame.reformat(format='rgb24', src_colorspace=name, src_color_range='JPEG' if full else 'MPEG').to_ndarray()
    lab = skimage.color.rgb2lab(shown)
    assert np.abs(lab[..., 1:].mean((0, 1)) - wanted).max() < 1.0
    level = np.clip(grey / 255 if full else (grey - 16.0) / 219, 0, 1)
    lightness = skimage.color.rgb2lab(np.repeat(level[..., None], 3, 2))[..., 0]
    assert np.abs(lab[..., 0] - lightness).mean() < 2  # luma is what is kept
