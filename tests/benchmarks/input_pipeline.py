"""Records per second of the input pipeline alone, this process and its threads; beside Pillow on one thread.

The first epoch decodes; later ones find square pictures of a small data set in memory.
"""

import io
import itertools
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from PIL import Image, ImageOps
from turns import Row

from jaxcolor import config as configs
from jaxcolor.data import pipeline
from jaxcolor.data.dataset import Dataset

_BATCH = 64
_BATCHES = 200  # at most, of an epoch
_PLAIN = 5000  # records at most that Pillow reads by itself


def rows(folder: str) -> Iterator[Row]:
    """Yield lines of CIFAR-10, if $TFDS_DATA_DIR has it prepared, of a folder at 128 px, of the bundled pictures."""
    if Path(os.environ.get('TFDS_DATA_DIR', ''), 'cifar10').is_dir():
        yield from _measure('CIFAR-10, PNG', 'tfds:cifar10', 32, {'TFDS and Pillow': _cifar10()})
    yield from _measure('a folder', f'folder:{folder}', 128, {'Pillow': _folder(folder, 128)})
    yield from _measure('bundled, no files', 'bundled', 64, {})


def _measure(title: str, source: str, size: int, plain: dict[str, Iterable[object]]) -> Iterator[Row]:
    config = configs.default().data
    config.update(source=source, train_split='train', image_size=size, batch_size=_BATCH)
    dataset = Dataset(config)
    count = min(_BATCHES, dataset.steps_per_epoch)
    # The same batches twice: what can be remembered is, the second time.
    rates = [_rate(pipeline.train_batches(dataset, seed=0), count) * _BATCH for _ in range(2)]
    beside = {f'{name}, one thread': _rate(records, _PLAIN) for name, records in plain.items()}
    for rate, epoch in zip(rates, ('first epoch', 'later'), strict=True):
        yield Row(f'input, {title}, {size} px: {epoch}', 'records/s', rate, beside)


def _rate(items: Iterable[object], count: int) -> float:
    """Return how many come in a second, of so many at most."""
    start = time.perf_counter()
    seen = sum(1 for _ in itertools.islice(items, count))
    return seen / (time.perf_counter() - start)


def _cifar10() -> Iterator[Image.Image]:
    """Decode CIFAR-10 as one would without jaxcolor."""
    import tensorflow_datasets as tfds

    raw = {'image': tfds.decode.SkipDecoding()}
    for record in tfds.data_source('cifar10', split='train', decoders=raw):
        yield Image.open(io.BytesIO(record['image'])).convert('RGB')


def _folder(folder: str, size: int) -> Iterator[Image.Image]:
    for path in sorted(Path(folder).rglob('*.*')):
        with Image.open(path) as image:
            yield ImageOps.fit(image.convert('RGB'), (size, size))
