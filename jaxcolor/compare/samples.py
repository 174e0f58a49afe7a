"""The same pictures by several runs, from what each drew at the evaluation by which it counts.

They are of that step and of that run's own pictures, whichever checkpoints are still there; nothing is coloured anew.
"""

import base64
import io
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from jaxcolor.compare.runs import Run
from jaxcolor.evaluation.figures import read_sample_grid
from jaxcolor.storage import read_bytes

Pictures = UInt8[np.ndarray, 'n h w 3']

_MOST = 8  # pictures of a run
_LARGEST = 256  # px, what is larger is made smaller
_LOSSLESS = 64  # px, up to where a PNG is small


class Samples(NamedTuple):
    """Pictures as they are, in grey, and by some runs, by their names."""

    true: Pictures
    grey: Pictures
    generated: dict[str, Pictures]


def collect(runs: Iterable[Run]) -> tuple[list[Samples], list[str]]:
    """Return the runs' pictures, those of the same true ones together; and the names of runs that have drawn none."""
    found: list[Samples] = []
    missing = []
    for run in runs:
        rows = _read(run)
        if rows is None:
            missing.append(run.name)
            continue
        same = next((samples for samples in found if np.array_equal(samples.true, rows['true'])), None)
        if same is None:
            found.append(Samples(rows['true'], rows['grey'], {run.name: rows['generated']}))
        else:
            same.generated[run.name] = rows['generated']
    return found, missing


def _read(run: Run) -> dict[str, Pictures] | None:
    content = read_bytes(run.path / 'samples' / f'{int(run.outcome["step"])}.png')
    try:
        with Image.open(io.BytesIO(content or b'')) as image:
            rows = read_sample_grid(image, run.config.data.image_size)
    except (OSError, ValueError):  # not there, half written, or drawn by another version
        return None
    return {name: row[:_MOST] for name, row in rows.items()}


def data_uris(pictures: Pictures) -> Sequence[str]:
    """Return each picture as an address that holds it: a PNG where it is small, else a WebP of 256 px at most."""
    return [_data_uri(Image.fromarray(picture)) for picture in pictures]


def _data_uri(image: Image.Image) -> str:
    buffer = io.BytesIO()
    if image.width <= _LOSSLESS:
        image.save(buffer, 'PNG', optimize=True)
        kind = 'png'
    else:
        image.thumbnail((_LARGEST, _LARGEST))
        image.save(buffer, 'WEBP', quality=85)
        kind = 'webp'
    return f'data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}'
