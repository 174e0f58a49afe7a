"""Batches of uint8 RGB pictures, through Grain; their order is a function of (seed, step) alone."""

import dataclasses
import itertools
import math
from collections.abc import Iterator

import grain
import numpy as np
from absl import flags
from jaxtyping import UInt8

from jaxcolor.data.dataset import THREADS, Dataset, in_parts, warn_unreadable
from jaxcolor.data.loading import Batch, LoadTest, LoadTrain
from jaxcolor.data.sources import Source
from jaxcolor.errors import UserError

_MOST_ROWS = 2**62


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
            self.unreadable.add(warn_unreadable(self.source, int(index)))
        return batch


def train_batches(
    dataset: Dataset,
    *,
    seed: int,
    start_step: int = 0,
    workers: int | None = None,
    process_index: int = 0,
    process_count: int = 1,
) -> Batches:
    """Training batches without end, shuffled anew in every epoch; prefetched.

    Of a mixture, each source is shuffled by itself, in its own epochs, and the sources take turns in proportion to
    their weights, which Grain rounds down to hundredths of the smallest.

    Batch k of a seed holds the same pictures, cropped the same way, wherever reading starts and however many
    processes share it: process p of n gets rows `p::n`. An epoch's last batch is filled from the next epoch.
    An unreadable picture's place is taken by the next readable one of its source: every row's mask is True.

    Args:
      dataset: the pictures.
      seed: of the order and the crops, in [0, 2^32).
      start_step: the first batch.
      workers: processes that decode, as `data.workers`, whose value None is.
      process_index: this process.
      process_count: how many processes read.

    Raises:
      UserError: see `Dataset.kept`; a batch that the processes cannot share.
    """
    data = dataset.config
    _check_shares(data.batch_size, process_count)
    keep, decoder = dataset.kept, dataset.train
    load = LoadTrain(
        decoder,
        keep,
        data.crop == 'random',
        process_index,
        process_count,
        dataset.starts,
        largest=data.max_resize,
        rotation=data.rotation,
    )
    # Only integers are shuffled and batched; a whole batch is then loaded by one function, for Grain's
    # overhead per element is of the order of decoding a 32-pixel picture.
    rows = _places(dataset, seed)
    batches = rows.batch(data.batch_size, batch_fn=np.asarray).random_map(load)[start_step:]
    return Batches(decoder.source, iter(_prefetched(batches, data.workers if workers is None else workers)))


def _places(dataset: Dataset, seed: int) -> grain.MapDataset:
    """Return places in `Dataset.kept`, without end."""
    starts, sources = dataset.starts, []
    for number, (start, end) in enumerate(itertools.pairwise((*starts, len(dataset.kept)))):
        # Without a number of epochs the length is sys.maxsize, which batches of one row overflow.
        epochs = _MOST_ROWS // len(starts) // (end - start)
        shuffled = grain.MapDataset.range(start, end).seed(seed).shuffle(seed=order_seed(seed, number))
        sources.append(shuffled.repeat(epochs))
    return sources[0] if len(sources) == 1 else grain.MapDataset.mix(sources, dataset.weights).seed(seed)


def training_images(dataset: Dataset) -> tuple[UInt8[np.ndarray, 'n s s 3'], set[str]]:
    """All training pictures, centre-cropped, in the order of `Dataset.kept`, and the names of unreadable ones.

    The place of an unreadable picture is taken by the next readable one, as in `train_batches`. Decoded by threads,
    with a progress bar.

    Raises:
      UserError: see `Dataset.kept`; no picture can be read.
    """
    keep, decoder = dataset.kept, dataset.train
    load, rng = LoadTrain(decoder, keep, False, 0, 1), np.random.default_rng()  # of which nothing is drawn
    images = np.empty((len(keep), decoder.size, decoder.size, 3), np.uint8)
    unreadable: set[int] = set()
    for part, batch in in_parts(lambda part: load(np.asarray(part), rng), len(keep), 'decoding'):
        images[part.start : part.stop] = batch['image']
        unreadable.update(map(int, batch['unreadable']))
    return images, {warn_unreadable(decoder.source, index) for index in sorted(unreadable)}


def order_seed(seed: int, source: int = 0) -> int:
    """Return the seed of the order of `train_batches`: what Grain derives from `seed` for a shuffle without one.

    Args:
      seed: of the run.
      source: its number in a mixture. Each has an order of its own.
    """
    entropy = (seed, 1, source) if source else (seed, 1)
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])


def test_batches(dataset: Dataset, *, process_index: int = 0, process_count: int = 1) -> Batches:
    """Every picture of the test split once, centre-cropped, in a fixed order; prefetched by threads.

    The last batch is padded; padding and unreadable pictures have mask False. All processes get equally many
    batches, of the same shapes.

    Args:
      dataset: the pictures.
      process_index: this process, which gets rows `process_index::process_count` of each batch.
      process_count: how many processes read.

    Raises:
      UserError: see `Dataset.test`; a batch that the processes cannot share.
    """
    batch_size, decoder = dataset.config.batch_size, dataset.test
    _check_shares(batch_size, process_count)
    load = LoadTest(decoder, batch_size, process_index, process_count)
    batches = grain.MapDataset.range(math.ceil(len(decoder.source) / batch_size)).map(load)
    return Batches(decoder.source, iter(_prefetched(batches, workers=0)))


def test_samples(dataset: Dataset, count: int) -> UInt8[np.ndarray, 'n s s 3']:
    """Up to `count` pictures spread over the test split, centre-cropped; the same in every process.

    The place of an unreadable picture is taken by the next readable one.

    Raises:
      UserError: see `Dataset.test`; no picture can be read.
    """
    decoder = dataset.test
    places = np.arange(len(decoder.source))
    load = LoadTrain(decoder, places, random_crop=False, process_index=0, process_count=1)
    chosen = places[:: max(1, len(places) // count)][:count]
    return load(chosen, np.random.default_rng())['image']  # of which nothing is drawn


def _prefetched(batches: grain.MapDataset, workers: int) -> grain.IterDataset:
    # Grain's own default keeps 500 elements ready, and an element is a batch here.
    threads = THREADS if workers == 0 else max(1, THREADS // workers)
    ready = batches.to_iter_dataset(grain.ReadOptions(num_threads=threads, prefetch_buffer_size=threads + 2))
    if workers == 0:
        return ready
    if not flags.FLAGS.is_parsed():  # Grain's workers are handed absl's flags; a notebook has not parsed any
        flags.FLAGS.mark_as_parsed()
    return ready.mp_prefetch(grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=2))


def _check_shares(batch_size: int, process_count: int) -> None:
    if batch_size % process_count:
        raise UserError(f'data.batch_size={batch_size} is not a multiple of the {process_count} processes')
