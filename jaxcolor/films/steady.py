"""Colours that keep still within a shot: carried along by motion, and averaged where that can be trusted.

What a network says of one frame it does not quite say of the next. So the colour of a pixel is the mean over those
that it had in the frames before, found by optical flow (Kroeger et al., "Fast optical flow using dense inverse
search", 2016), a recursive filter. Where the flow there and back does not close, or lightness does not fit, the
pixel was hidden, and begins anew.
"""

from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from jaxcolor.films.shots import is_cut

LONGEST = 12
"""Frames that a colour's mean weighs as much as, at most: then it follows what the network says."""

_CLOSE = 1.0  # pixels by which the flow there and back may miss
_LEAST = 12  # pixels of the longer side, of which the search needs so many
_FIT = 0.08  # of 1, by which lightness may differ beside its mean's change


class State(NamedTuple):
    """What a shot hands on from frame to frame, in the small picture.

    Attributes:
      grey: the frame's luma.
      chroma: a* and b*.
      age: frames that the mean is of.
    """

    grey: UInt8[np.ndarray, 'h w']
    chroma: Float32[np.ndarray, 'h w 2']
    age: Float32[np.ndarray, 'h w']


def advance(state: State | None, grey: UInt8[np.ndarray, 'h w'], chroma: Float[np.ndarray, 'h w 2']) -> State:
    """Return the state after the next frame, whose `chroma` is the one to show.

    Args:
      state: after the frame before; None at the beginning.
      grey: the frame's luma.
      chroma: what the network says of it.
    """
    chroma = np.ascontiguousarray(chroma, np.float32)
    if state is None or is_cut(state.grey, grey):
        return State(grey, chroma, np.ones(chroma.shape[:2], np.float32))
    place, trusted = _places_before(state.grey, grey)
    carried = cv2.remap(state.chroma, place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    age = cv2.remap(state.age, place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    age *= trusted
    share = 1 / (1 + age[..., None])
    return State(grey, carried + share * (chroma - carried), np.minimum(age + 1, LONGEST))


def _places_before(
    before: UInt8[np.ndarray, 'h w'], after: UInt8[np.ndarray, 'h w']
) -> tuple[Float32[np.ndarray, 'h w 2'], Bool[np.ndarray, 'h w']]:
    """Return for each pixel of a frame its (x, y) in the one before, and whether it was to be seen there."""
    back, there = _flow(after, before), _flow(before, after)
    place = _grid(*after.shape) + back
    returned = back + cv2.remap(there, place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    was = cv2.remap(before.astype(np.float32), place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    change = after - was
    change = cv2.blur(change - np.median(change), (3, 3))
    height, width = after.shape
    inside = (place[..., 0] > -0.5) & (place[..., 0] < width - 0.5) & (place[..., 1] > -0.5)
    inside &= place[..., 1] < height - 0.5
    fits = (np.hypot(*np.moveaxis(returned, -1, 0)) < _CLOSE) & (np.abs(change) < _FIT * 255)
    return place, inside & fits


def _flow(one: UInt8[np.ndarray, 'h w'], other: UInt8[np.ndarray, 'h w']) -> Float32[np.ndarray, 'h w 2']:
    if max(one.shape) < _LEAST:  # a place is next to where it was
        return np.zeros((*one.shape, 2), np.float32)
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return search.calc(one, other, None)


def _grid(height: int, width: int) -> Float32[np.ndarray, '{height} {width} 2']:
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
