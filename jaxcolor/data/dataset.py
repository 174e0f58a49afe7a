"""The pictures of a run: its two splits, each opened once and handed down."""

import contextlib
import functools
import logging
import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from jaxtyping import Float, Int
from ml_collections import ConfigDict
from tqdm import tqdm

from jaxcolor.color.colorfulness import colorfulness
from jaxcolor.data import colorfulness_cache
from jaxcolor.data.fingerprint import Fingerprint
from jaxcolor.data.loading import Decoder
from jaxcolor.data.mixture import Mixture, open_sources
from jaxcolor.data.sources import Source
from jaxcolor.errors import UserError
from jaxcolor.imaging.photos import PhotoError

T = TypeVar('T')

_LOG = logging.getLogger(__name__)
THREADS = max(1, min(16, os.cpu_count() or 1))


class Dataset:
    """The training and the test split of a config's `data`, opened when they are first asked for.

    Attributes:
      config: `source`, `train_split`, `test_split`, `labels` (None for all), `feature` (see `open_sources` for these),
        `image_size`, `resize` (the shorter side before the crop; None for `image_size`), `max_resize` (the most of it,
        where it is drawn), `fit` ('crop' or 'squash'), `batch_size` (of all processes together), `crop` ('random' or
        'center'), `rotation` (degrees, either way), `min_colorfulness` (0 keeps all pictures), `workers` (processes; 0
        means threads).
    """

    def __init__(self, config: ConfigDict):
        self.config = config

    @functools.cached_property
    def train(self) -> Decoder:
        """The decoder of the training split.

        Raises:
          UserError: see `open_sources`; a crop that is unknown or larger than what it is taken from.
        """
        _check_crop(self.config)
        return self._open(self.config.train_split, self.config.resize)

    @functools.cached_property
    def test(self) -> Decoder:
        """The decoder of the test split; UserError as from `open_sources`."""
        return self._open(self.config.test_split, None)

    @functools.cached_property
    def kept(self) -> Int[np.ndarray, ' kept']:
        """The places of the pictures to train on: all, or those of at least `min_colorfulness`; the others are logged.

        Raises:
          UserError: as from `train`; no picture, or none of a source, is colourful enough.
        """
        if self.config.min_colorfulness <= 0:
            return np.arange(len(self.train.source))
        return self._colorful(self.config.min_colorfulness)

    @property
    def weights(self) -> tuple[float, ...]:
        """What the shares of the training sources among the pictures of a batch are proportional to."""
        source = self.train.source
        return source.weights if isinstance(source, Mixture) else (1.0,)

    @functools.cached_property
    def starts(self) -> tuple[int, ...]:
        """Where in `kept` the pictures of each training source begin.

        Raises:
          UserError: of one of them none is kept.
        """
        source = self.train.source
        if not isinstance(source, Mixture):
            return (0,)
        found = np.searchsorted(self.kept, source.starts)
        for name, count in zip(source.sources, np.diff([*found, len(self.kept)]), strict=True):
            if not count:
                least = self.config.min_colorfulness
                raise UserError(f'data.min_colorfulness={least:g} leaves none of {name.name(0)} and its like; lower it')
        return tuple(found.tolist())

    @functools.cached_property
    def fingerprint(self) -> Fingerprint:
        """What tells the training pictures from others, those too that `kept` leaves out; none is read."""
        return self.train.source.fingerprint()

    @property
    def steps_per_epoch(self) -> int:
        """An epoch, as many pictures as are trained on: that number / batch_size, rounded up.

        It shows each of them once, if they are of one source. Of a mixture, a source with more than its share of the
        pictures is shown more than once, another one in part, and the rest of it in the epochs after that.
        """
        return math.ceil(len(self.kept) / self.config.batch_size)

    def _open(self, split: str, side: int | None) -> Decoder:
        data = self.config
        source = open_sources(data.source, split, data.labels, data.feature)
        return Decoder(source, data.image_size, side, squash=data.fit == 'squash')

    def _colorful(self, least: float) -> Int[np.ndarray, ' kept']:
        count, name = len(self.train.source), f'{self.config.source} {self.config.train_split}'
        file = colorfulness_cache.path(self.fingerprint, self.train.size, self.train.side, self.train.squash)
        values = colorfulness_cache.load(file, count)
        # What could not be read then is tried again: it may have been the network.
        unknown = np.flatnonzero(np.isnan(values))
        work = functools.partial(_colorfulness, self.train, unknown)
        for part, value in in_parts(work, len(unknown), 'colourfulness'):
            values[unknown[part]] = value
        if not np.isnan(values[unknown]).all():
            colorfulness_cache.save(file, values)
        keep, broken = np.flatnonzero(values >= least), np.flatnonzero(np.isnan(values))
        for index in broken:
            warn_unreadable(self.train.source, int(index))
        if not len(keep):
            raise UserError(f'data.min_colorfulness={least:g} leaves none of the {count} pictures of {name}; lower it')
        dropped = count - len(keep) - len(broken)
        _LOG.info('data.min_colorfulness=%g drops %d of the %d training pictures of %s', least, dropped, count, name)
        return keep


def _check_crop(data: ConfigDict) -> None:
    if data.crop not in ('random', 'center'):
        raise UserError(f'data.crop={data.crop!r} is neither random nor center')
    if data.resize is not None and data.resize < data.image_size:
        raise UserError(
            f'data.resize={data.resize} is smaller than data.image_size={data.image_size}, which is cut out of it; '
            'use more, or None for no jitter'
        )
    largest, least = data.get('max_resize'), data.resize or data.image_size
    if largest is not None and (largest < least or data.crop != 'random'):
        raise UserError(
            f'data.max_resize={largest} with data.crop={data.crop} draws nothing; use at least {least}, and crop=random'
        )


def in_parts(work: Callable[[range], T], count: int, title: str) -> Iterator[tuple[range, T]]:
    """Yield the parts of range(count) with the work on each, which threads do, and show how far it is."""
    with ThreadPoolExecutor(THREADS) as pool:
        parts = [range(start, min(start + 64, count)) for start in range(0, count, 64)]
        # Shown from the third second on, on a terminal.
        with tqdm(desc=title, total=count, delay=3, disable=None, leave=False) as progress:
            for part, done in zip(parts, pool.map(work, parts), strict=True):
                yield part, done
                progress.update(len(part))


def _colorfulness(decoder: Decoder, places: Int[np.ndarray, ' m'], part: range) -> Float[np.ndarray, ' n']:
    """Colourfulness of the centre crops of a part of the pictures at `places`; nan where one is unreadable."""
    indices = places[part].tolist()
    step = max(1, decoder.size // 64)  # a sample of the pixels tells as much
    values = np.full(len(indices), np.nan)
    readable, pixels = [], []
    for place, index in enumerate(indices):
        with contextlib.suppress(PhotoError):
            pixels.append(decoder(index, 0.5, 0.5)[::step, ::step])
            readable.append(place)
    if readable:
        values[readable] = colorfulness(np.stack(pixels).astype(np.float32))
    return values


def warn_unreadable(source: Source, index: int) -> str:
    """Warn once of a picture, and return its name. It is decoded again, for batches carry no reasons."""
    name = source.name(index)
    try:
        source.decode(source[index], at_least=1)
    except PhotoError as error:
        _warn_once(f'{name} cannot be read and is left out: {error}')
    return name


@functools.cache
def _warn_once(message: str) -> None:
    _LOG.warning('%s', message)
