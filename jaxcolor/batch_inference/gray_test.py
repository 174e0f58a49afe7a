"""`--gray-test`: how near colour photographs that were greyed come to their own colours."""

import dataclasses
import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8
from PIL import Image

from jaxcolor.color import convert
from jaxcolor.errors import missing_package
from jaxcolor.imaging import resize
from jaxcolor.imaging.photos import Photo
from jaxcolor.storage import write_atomic

Rgb = UInt8[np.ndarray, 'h w 3']
Score = Callable[[Sequence[Rgb], UInt8[np.ndarray, 'h w 1'], Rgb], dict[str, float]]

_CHUNK = 2**18  # pixels greyed at a time: one program whatever the pictures' sizes
_LONGEST = 512  # pixels; of the side of what is compared, which is a multiple of
_GRAIN = 32  # so that pictures of any sizes take 16 programs at most, besides those for the tiniest


def greyed(photo: Photo) -> Photo:
    """Return a colour photograph in grey, 8 bits: the neutral colour of each pixel's L*."""
    flat = photo.pixels.reshape(-1, 3)
    grey = np.empty((len(flat), 1), np.uint8)
    for start in range(0, len(flat), _CHUNK):
        chunk = flat[start : start + _CHUNK]
        padded = np.zeros((_CHUNK, 3), np.uint8)
        padded[: len(chunk)] = chunk
        grey[start : start + _CHUNK] = np.asarray(_neutral(padded))[: len(chunk)]
    return dataclasses.replace(photo, pixels=grey.reshape(*photo.pixels.shape[:2], 1))


@jax.jit
def _neutral(rgb: UInt8[Array, 'n 3']) -> UInt8[Array, 'n 1']:
    neutral = convert.lightness_to_rgb(convert.rgb_to_lightness(convert.to_float(rgb)))
    return jnp.round(255 * neutral[:, :1]).astype(jnp.uint8)


@functools.cache
def make_score() -> Score:
    """Return a function (colourings of a picture, it greyed, it as it is) -> the scores of `metrics.score`.

    What is compared is the picture's centre square, for a picture of each size would need a program of its own:
    the shorter side scaled down to 512 pixels if it is longer, then cut down to a multiple of 32. Scores of several
    colourings are their means.

    Raises:
      UserError: the metrics' libraries are not installed.
    """
    try:
        from jaxcolor.evaluation import metrics
    except ModuleNotFoundError as error:
        raise missing_package(error, '--gray-test', 'train') from error

    @jax.jit
    def measure(
        colorings: UInt8[Array, 'n s s 3'], grey: UInt8[Array, 'n s s 3'], truth: UInt8[Array, 'n s s 3']
    ) -> dict[str, Float[Array, '']]:
        generated, grey, truth = (convert.to_float(image) for image in (colorings, grey, truth))
        return {name: jnp.mean(score) for name, score in metrics.score(generated, truth, grey).items()}

    def score(colorings: Sequence[Rgb], grey: UInt8[np.ndarray, 'h w 1'], truth: Rgb) -> dict[str, float]:
        several = np.stack([centre(coloring) for coloring in colorings])
        others = (np.broadcast_to(centre(image), several.shape) for image in (np.repeat(grey, 3, axis=2), truth))
        return {name: float(value) for name, value in measure(several, *others).items()}

    return score


def centre(image: Rgb) -> UInt8[np.ndarray, 's s 3']:
    """Return the square of a picture that is scored; see `make_score`."""
    side = min(*image.shape[:2], _LONGEST)
    return resize.fit(Image.fromarray(image), side // _GRAIN * _GRAIN or side, side=side)


class Scores:
    """`scores.jsonl` of an output folder: a line for each picture, by its name.

    Lines are added as pictures are finished, so that an interrupted run has them when it goes on.
    """

    def __init__(self, folder: Path, *, anew: bool):
        """Open those of `folder`; `anew` leaves none of them."""
        self.path = folder / 'scores.jsonl'
        self._lines = {} if anew else {line['name']: line for line in _read(self.path)}
        write_atomic(self.path, b''.join(map(_line, self._lines.values())))

    def __contains__(self, name: str) -> bool:
        return name in self._lines

    def add(self, name: str, scores: dict[str, float]) -> None:
        """Add a picture."""
        self._lines[name] = {'name': name, **scores}
        with self.path.open('ab') as file:
            file.write(_line(self._lines[name]))

    def means(self, names: Sequence[str]) -> dict[str, int | float]:
        """Return the mean of each score over the pictures `names` that have one, and their number as `pictures`."""
        lines = [self._lines[name] for name in names if name in self._lines]
        keys = [key for key in (lines[0] if lines else {}) if key != 'name']
        return {'pictures': len(lines)} | {key: float(np.mean([line[key] for line in lines])) for key in keys}


def _line(scores: dict[str, object]) -> bytes:
    return f'{json.dumps(scores)}\n'.encode()


def _read(path: Path) -> list[dict[str, Any]]:
    """Return the lines that are whole: the last may not be, of a run that was killed."""
    lines = []
    for text in path.read_text().splitlines() if path.exists() else ():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and 'name' in line:
            lines.append(line)
    return lines
