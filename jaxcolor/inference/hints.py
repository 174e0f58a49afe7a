"""Colour hints: places of a photograph whose colour somebody says, drawn onto the grid on which networks take them."""

import json
import math
import re
from collections.abc import Iterator, Sequence
from numbers import Real
from pathlib import Path
from reprlib import repr as brief
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, UInt8

from jaxcolor.color import convert
from jaxcolor.color.hints import SCALE, STRIDE
from jaxcolor.errors import UserError
from jaxcolor.inference import white_balance
from jaxcolor.inference.network import Plan, SmallCopy

MOST = 1000
"""Hints of a picture."""

_FORM = "[x, y, '#rrggbb']"
_HEX = re.compile('#[0-9a-fA-F]{6}', re.ASCII)
_rgb_to_lab = jax.jit(convert.rgb_to_lab)


class Hint(NamedTuple):
    """A place of a picture and its colour.

    Attributes:
      x: pixels from the left edge of the upright picture, 0 <= x < width.
      y: pixels from its upper edge.
      color: sRGB as `#rrggbb`; its a* and b* count, lightness is the picture's own.
    """

    x: float
    y: float
    color: str


def parse(value: Any) -> tuple[Hint, ...]:
    """Return the hints of a picture.

    Args:
      value: a list of `[x, y, '#rrggbb']`, at most `MOST`.

    Raises:
      UserError: anything else.
    """
    if not isinstance(value, list | tuple):
        raise UserError(f'hints={brief(value)} is no list of points; use [{_FORM}, …]')
    if len(value) > MOST:
        raise UserError(f'hints={len(value):,} points are too many; use {MOST:,} or fewer')
    return tuple(_parse(number, point) for number, point in enumerate(value))


def read(path: Path) -> dict[str, tuple[Hint, ...]]:
    """Read a file of hints, JSON: a list for each picture by its name, `{"photo.jpg": [[x, y, "#rrggbb"], …], …}`.

    Raises:
      UserError: no such file, or none of hints.
    """
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f'hints={path}: {error.strerror}') from error
    except (ValueError, RecursionError) as error:
        raise UserError(f'hints={path} is no JSON: {error}; use {{"photo.jpg": [{_FORM}, …]}}') from error
    if not isinstance(content, dict):
        raise UserError(f'hints={path} holds no pictures by their names; use {{"photo.jpg": [{_FORM}, …]}}')
    hints = {}
    for name, points in content.items():
        try:
            hints[name] = parse(points)
        except UserError as error:
            raise UserError(f'{path}, {name}: {error}') from error
    return hints


def check_inside(hints: Sequence[Hint], height: int, width: int) -> None:
    """Check that all hints lie within a picture.

    Raises:
      UserError: one does not.
    """
    for number, hint in enumerate(hints):
        if not (0 <= hint.x < width and 0 <= hint.y < height):
            bounds = f'use x from 0 to {width - 1} and y from 0 to {height - 1}'
            raise UserError(
                f'hints[{number}]={list(hint)} is outside the picture of {width} x {height} pixels; {bounds}'
            )


def draw(
    hints: Sequence[Hint], height: int, width: int, copy: SmallCopy, saturation: float = 1.0, warmth: float = 0.0
) -> Float[np.ndarray, 'p q 3']:
    """Return hints as a network takes them; see `color.hints`.

    Args:
      hints: that lie within the picture; of several in a patch, the last counts.
      height: of the picture.
      width: of the picture.
      copy: of the picture, not mirrored; what it mirrors beyond the picture's ends has its hints mirrored.
      saturation: by which rendering will multiply chroma, after
      warmth: a hint is what shall be seen in the end.
    """
    plan = copy.plan
    grid = np.zeros((plan.shape[0] // STRIDE, plan.shape[1] // STRIDE, 3), np.float32)
    rgb = [tuple(bytes.fromhex(hint.color[1:])) for hint in hints]
    chroma = to_lab(np.array(rgb, np.uint8).reshape(-1, 3))[:, 1:]
    places = [locate(hint, height, width, plan) for hint in hints]
    lightness = to_lab(np.array([copy.pixels[place] for place in places], np.uint8).reshape(-1, 3))[:, :1]
    chroma = white_balance.undo(lightness, chroma / max(saturation, 0.1), warmth)
    for hint, (a, b) in zip(hints, np.clip(chroma / SCALE, -1, 1), strict=True):
        for row in _places(hint.y, height, plan.content[0], plan.shape[0]):
            for column in _places(hint.x, width, plan.content[1], plan.shape[1]):
                grid[row // STRIDE, column // STRIDE] = a, b, 1
    return grid


def locate(hint: Hint, height: int, width: int, plan: Plan) -> tuple[int, int]:
    """Return the row and the column of the small copy where a hint lies."""
    return _place(hint.y, height, plan.content[0]), _place(hint.x, width, plan.content[1])


def to_lab(rgb: UInt8[np.ndarray, 'n 3']) -> Float[np.ndarray, 'n 3']:
    """Return CIELAB of `MOST` colours at most."""
    padded = np.zeros((MOST, 3), np.float32)  # of one shape, for one program
    padded[: len(rgb)] = rgb / np.float32(255)
    return np.asarray(_rgb_to_lab(padded))[: len(rgb)]


def _parse(number: int, point: Any) -> Hint:
    where = f'hints[{number}]={brief(point)}'
    if not isinstance(point, list | tuple) or len(point) != 3:
        raise UserError(f'{where} is no point; use {_FORM}')
    *place, color = point
    if not all(isinstance(value, Real) and not isinstance(value, bool) and _is_finite(value) for value in place):
        raise UserError(f'{where} has no place; use {_FORM}, x and y in pixels')
    if not isinstance(color, str) or not _HEX.fullmatch(color):
        raise UserError(f'{where} has no colour; use {_FORM}, two hexadecimal digits each for red, green and blue')
    return Hint(float(place[0]), float(place[1]), color.lower())


def _is_finite(number: Any) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # an integer beyond floats
        return False


def _places(position: float | int, length: int, content: int, whole: int) -> Iterator[int]:
    """Yield where a pixel of a picture lies along a side of its small copy, and in what is mirrored beyond that."""
    place = _place(position, length, content)
    yield place
    if (mirrored := 2 * content - 1 - place) < whole:
        yield mirrored


def _place(position: float | int, length: int, content: int) -> int:
    return min(int((math.floor(position) + 0.5) * content / length), content - 1)
