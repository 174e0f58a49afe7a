"""Records per second of the input pipeline alone, this process and its threads.

    python tests/benchmarks/input_pipeline.py [FOLDER]

CIFAR-10 where $TFDS_DATA_DIR has it prepared, FOLDER at 128 px where one is given, and the bundled pictures.
The first epoch decodes; later ones find square pictures of a small data set in memory.
"""

import argparse
import os
import time
from collections.abc import Iterator
from pathlib import Path

from ml_collections import ConfigDict

from jaxcolor.data import pipeline
from jaxcolor.data.dataset import Dataset

_BATCHES = 200  # at most, of an epoch


def _rate(batches: Iterator[dict], size: int, count: int) -> float:
    next(batches)
    start = time.perf_counter()
    for _ in range(count):
        next(batches)
    return size * count / (time.perf_counter() - start)


def main() -> None:
    """Prints a line for each source that is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folder', nargs='?', help='a folder of pictures, measured at 128 px')
    folder = parser.parse_args().folder
    cases = [('bundled', 64)]
    if folder:
        cases.insert(0, (f'folder:{folder}', 128))
    if Path(os.environ.get('TFDS_DATA_DIR', ''), 'cifar10').is_dir():
        cases.insert(0, ('tfds:cifar10', 32))
    print(f'{"source":40}{"px":>5}{"first epoch":>14}{"later":>12}   records/s, {os.cpu_count()} cores')
    for source, size in cases:
        config = ConfigDict(
            {
                'source': source,
                'train_split': 'train',
                'labels': None,
                'image_size': size,
                'feature': 'image',
                'resize': None,
                'max_resize': None,
                'fit': 'crop',
                'rotation': 0.0,
                'batch_size': 64,
                'crop': 'random',
                'min_colorfulness': 0.0,
                'workers': 0,
            }
        )
        dataset = Dataset(config)
        count = min(_BATCHES, dataset.steps_per_epoch - 1)
        # The same batches twice: what can be remembered is, the second time.
        rates = [_rate(pipeline.train_batches(dataset, seed=0), 64, count) for _ in range(2)]
        print(f'{source[-40:]:40}{size:5}{rates[0]:14,.0f}{rates[1]:12,.0f}')


if __name__ == '__main__':
    main()
