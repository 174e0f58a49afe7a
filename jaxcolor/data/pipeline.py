"""Batches of uint8 RGB pictures, through Grain; their order is a function of (seed, step) alone."""

import contextlib
import dataclasses
import functools
import logging
import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import grain
import numpy as np
from absl import flags
from jaxtyping import Float, Int, UInt8
from ml_collections import ConfigDict
from tqdm import tqdm

from jaxcolor.data.loading import Batch, Decoder, LoadTest, LoadTrain, open_decoder
from jaxcolor.data.sources import Source, open_source
from jaxcolor.errors import UserError
from jaxcolor.imaging import resize
from jaxcolor.imaging.photos import PhotoError

T = TypeVar('T')

_LOG = logging.getLogger(__name__)
_THREADS = max(1, min(16, os.cpu_count() or 1))


@dataclasses.dataclass
class Batches(Iterator[Batch]):
    """Batches `{'image': uint8 [b, s, s, 3], 'mask': bool [b]}` of this process's rows.

    Pictures that turn out unreadable are warned of by name, once per process, and gathered in `unreadable`.
    """

    source: Source
    iterator: Iterator[Batch]
    unreadable: set[str] = dataclasses.field(default_factory=set)

    def __next__(self) -> Batch:
        batch = next(self.iterator)
        for index in batch.pop('unreadable'):
            self.unreadable.add(_warn_unreadable(self.source, int(index)))
        return batch


def train_batches(
    data: ConfigDict, *, seed: int, start_step: int = 0, process_index: int = 0, process_count: int = 1
) -> Batches:
    """Training batches without end, shuffled anew in every epoch; prefetched.

    Batch k of a seed holds the same pictures, cropped the same way, wherever reading starts and however many
    processes share it: process p of n gets rows `p::n`. An epoch's last batch is filled from the next epoch.
    An unreadable picture's place is taken by the next readable one: every row's mask is True.

    Args:
      data: `source`, `train_split`, `labels` (None for all), `image_size`, `resize` (the shorter side before
        the crop; None for `image_size`), `max_resize` (the most of it, where it is drawn), `batch_size` (of all
        processes together), `crop` ('random' or 'center'), `min_colorfulness` (0 keeps all pictures), `workers`
        (processes; 0 means threads).
      seed: of the order and the crops, in [0, 2^32).
      start_step: the first batch.
      process_index: this process.
      process_count: how many processes read.

    Raises:
      UserError: see `training_pictures`; a batch that the processes cannot share.
    """
    _check_shares(data.batch_size, process_count)
    keep, decoder = training_pictures(data), _training_decoder(data)
    largest = data.get('max_resize')  # not in a config of an older version
    load = LoadTrain(decoder, keep, data.crop == 'random', process_index, process_count, largest)
    # Only integers are shuffled and batched; a whole batch is then loaded by one function, for Grain's
    # overhead per element is of the order of decoding a 32-pixel picture.
    rows = grain.MapDataset.range(len(keep)).seed(seed).shuffle(seed=order_seed(seed)).repeat()
    batches = rows.batch(data.batch_size, batch_fn=np.asarray).random_map(load)[start_step:]
    return Batches(decoder.source, iter(_prefetched(batches, data.workers)))


def training_images(data: ConfigDict) -> tuple[UInt8[np.ndarray, 'n s s 3'], set[str]]:
    """All training pictures, centre-cropped, in the order of `training_pictures`, and the names of unreadable ones.

    The place of an unreadable picture is taken by the next readable one, as in `train_batches`. Decoded by threads,
    with a progress bar.

    Raises:
      UserError: see `training_pictures`; no picture can be read.
    """
    keep, decoder = training_pictures(data), _training_decoder(data)
    load, rng = LoadTrain(decoder, keep, False, 0, 1), np.random.default_rng()  # of which nothing is drawn
    images = np.empty((len(keep), decoder.size, decoder.size, 3), np.uint8)
    unreadable: set[int] = set()
    for part, batch in _in_parts(lambda part: load(np.asarray(part), rng), len(keep), 'decoding'):
        images[part.start : part.stop] = batch['image']
        unreadable.update(map(int, batch['unreadable']))
    return images, {_warn_unreadable(decoder.source, index) for index in sorted(unreadable)}


def order_seed(seed: int) -> int:
    """The seed of the order of `train_batches`: what Grain derives from `seed` for a shuffle that is given none."""
    return int(np.random.SeedSequence((seed, 1)).generate_state(1)[0])


def test_batches(data: ConfigDict, *, process_index: int = 0, process_count: int = 1) -> Batches:
    """Every picture of `data.test_split` once, centre-cropped, in a fixed order; prefetched by threads.

    The last batch is padded; padding and unreadable pictures have mask False. All processes get equally many
    batches, of the same shapes.

    Args:
      data: `source`, `test_split`, `labels`, `image_size`, `batch_size` (of all processes together).
      process_index: this process, which gets rows `process_index::process_count` of each batch.
      process_count: how many processes read.

    Raises:
      UserError: see `open_source`; a batch that the processes cannot share.
    """
    _check_shares(data.batch_size, process_count)
    decoder = open_decoder(data.source, data.test_split, data.image_size, data.labels)
    load = LoadTest(decoder, data.batch_size, process_index, process_count)
    batches = grain.MapDataset.range(math.ceil(len(decoder.source) / data.batch_size)).map(load)
    return Batches(decoder.source, iter(_prefetched(batches, workers=0)))


def test_samples(data: ConfigDict, count: int) -> UInt8[np.ndarray, 'n s s 3']:
    """Up to `count` pictures spread over `data.test_split`, centre-cropped; the same in every process.

    The place of an unreadable picture is taken by the next readable one.

    Raises:
      UserError: see `open_source`; no picture can be read.
    """
    decoder = open_decoder(data.source, data.test_split, data.image_size, data.labels)
    places = np.arange(len(decoder.source))
    load = LoadTrain(decoder, places, random_crop=False, process_index=0, process_count=1)
    chosen = places[:: max(1, len(places) // count)][:count]
    return load(chosen, np.random.default_rng())['image']  # of which nothing is drawn


def steps_per_epoch(data: ConfigDict) -> int:
    """The fewest training batches that show every picture once: pictures / batch_size, rounded up."""
    return math.ceil(len(training_pictures(data)) / data.batch_size)


def training_pictures(data: ConfigDict) -> Int[np.ndarray, ' kept']:
    """Places of the pictures to train on, in `open_source(data.source, data.train_split, data.labels)`.

    That is all of them if `data.min_colorfulness` is 0, else those at least this colourful; how many are not is
    logged, once per process.

    Raises:
      UserError: see `open_source`; no picture is colourful enough; a crop that is unknown or larger than what it
        is taken from.
    """
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
    if data.min_colorfulness <= 0:
        return np.arange(len(open_source(data.source, data.train_split, data.labels)))
    return _colorful(data.min_colorfulness, *_training_decoder_arguments(data))


def _training_decoder(data: ConfigDict) -> Decoder:
    return open_decoder(*_training_decoder_arguments(data))


def _training_decoder_arguments(data: ConfigDict) -> tuple[str, str, int, tuple[str, ...], int | None]:
    return data.source, data.train_split, data.image_size, tuple(data.labels or ()), data.resize


def _prefetched(batches: grain.MapDataset, workers: int) -> grain.IterDataset:
    # Grain's own default keeps 500 elements ready, and an element is a batch here.
    threads = _THREADS if workers == 0 else max(1, _THREADS // workers)
    ready = batches.to_iter_dataset(grain.ReadOptions(num_threads=threads, prefetch_buffer_size=threads + 2))
    if workers == 0:
        return ready
    if not flags.FLAGS.is_parsed():  # Grain's workers are handed absl's flags; a notebook has not parsed any
        flags.FLAGS.mark_as_parsed()
    return ready.mp_prefetch(grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=2))


def _check_shares(batch_size: int, process_count: int) -> None:
    if batch_size % process_count:
        raise UserError(f'data.batch_size={batch_size} is not a multiple of the {process_count} processes')


@functools.lru_cache(maxsize=8)
def _colorful(
    least: float, source: str, split: str, size: int, labels: tuple[str, ...], side: int | None
) -> Int[np.ndarray, ' kept']:
    """Places of the pictures at least this colourful; logs how many are not."""
    decoder = open_decoder(source, split, size, labels, side)
    count = len(decoder.source)
    values: Float[np.ndarray, ' n'] = np.empty(count)
    for part, value in _in_parts(functools.partial(_colorfulness, decoder), count, 'colourfulness'):
        values[part] = value
    keep, broken = np.flatnonzero(values >= least), np.flatnonzero(np.isnan(values))
    for index in broken:
        _warn_unreadable(decoder.source, int(index))
    if not len(keep):
        raise UserError(
            f'data.min_colorfulness={least:g} leaves none of the {count} pictures of {source} {split}; lower it'
        )
    dropped = count - len(keep) - len(broken)
    message = 'data.min_colorfulness=%g drops %d of the %d training pictures of %s %s'
    _LOG.info(message, least, dropped, count, source, split)
    return keep


def _in_parts(work: Callable[[range], T], count: int, title: str) -> Iterator[tuple[range, T]]:
    """Yields the parts of range(count) with the work on each, which threads do, and shows how far it is."""
    with ThreadPoolExecutor(_THREADS) as pool:
        parts = [range(start, min(start + 64, count)) for start in range(0, count, 64)]
        # Shown from the third second on, on a terminal.
        with tqdm(desc=title, total=count, delay=3, disable=None, leave=False) as progress:
            for part, done in zip(parts, pool.map(work, parts), strict=True):
                yield part, done
                progress.update(len(part))


def _colorfulness(decoder: Decoder, indices: range) -> Float[np.ndarray, ' n']:
    """Colourfulness of the pictures' centre crops; nan where one is unreadable."""
    step = max(1, decoder.size // 64)  # a sample of the pixels tells as much
    values = np.full(len(indices), np.nan)
    readable, pixels = [], []
    for place, index in enumerate(indices):
        with contextlib.suppress(PhotoError):
            pixels.append(decoder(index, 0.5, 0.5)[::step, ::step])
            readable.append(place)
    if readable:
        values[readable] = resize.colorfulness(np.stack(pixels))
    return values


def _warn_unreadable(source: Source, index: int) -> str:
    """Warns once of a picture, and returns its name. It is decoded again, for batches carry no reasons."""
    name = source.name(index)
    try:
        source.decode(source[index], at_least=1)
    except PhotoError as error:
        _warn_once(f'{name} cannot be read and is left out: {error}')
    return name


@functools.cache
def _warn_once(message: str) -> None:
    _LOG.warning('%s', message)
