"""Images per second of `jaxcolor colorize` beside those of the model alone; seconds and memory of a large photograph.

    python tests/benchmarks/colorize.py FOLDER --model DIR [--count 200] [--rounds 3]
    python tests/benchmarks/colorize.py --model DIR --large MEGAPIXELS [--format png]

The command decodes, colours, encodes and writes; the model alone colours the same pictures, already decoded, in the
same batches. Both in this process, after all is compiled; they take turns, and the best round of each counts. A large
photograph is made up and coloured by the command as a person starts it, in a process of its own.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from jaxcolor import Colorizer
from jaxcolor.batch_inference import batch, discover
from jaxcolor.batch_inference.jobs import JobFiles, Settings
from jaxcolor.imaging import photos
from jaxcolor.inference.options import Options

BATCH = 32


def compare_speed(folder: Path, colorizer: Colorizer, count: int, rounds: int) -> None:
    """Prints a line for each round and one of the best."""
    settings = Settings(Options(), photos.Limits(), batch_size=BATCH, quality=95, depth=8, overwrite=True)
    with tempfile.TemporaryDirectory() as output:
        found = dict(list(discover.find([str(folder)], Path(output)).files.items())[:count])
        jobs = discover.plan(found, Path(output), 'same', samples=None, compare=False)
        pictures = [photos.read(job.source).pixels for job in jobs]
        size = np.mean([picture.shape[0] * picture.shape[1] for picture in pictures])
        print(f'{len(jobs)} photographs, {size / 1e6:.3f} megapixels in the mean, {os.cpu_count()} cores')

        def whole() -> None:
            batch.run(colorizer, JobFiles(settings), jobs)

        def alone() -> None:
            for start in range(0, len(pictures), BATCH):
                colorizer(pictures[start : start + BATCH])

        rates = {}
        for number in range(rounds + 1):
            for name, run in (('the command', whole), ('the model alone', alone)):
                start = time.perf_counter()
                run()
                rate = len(jobs) / (time.perf_counter() - start)
                if number:  # the first compiles
                    rates[name] = max(rate, rates.get(name, 0.0))
                    print(f'  {name:16}{rate:8.2f} images/s', flush=True)
    command, model = rates.values()
    print(f'{command:.2f} images/s of the {model:.2f} of the model alone: {command / model:.0%}')


def measure_large(megapixels: float, kind: str, model: Path) -> None:
    """Prints the wall time and the peak memory of a process that colours a photograph of so many megapixels."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f'large.{kind}')
        photograph(height, round(megapixels * 1e6 / height)).save(path, quality=90, compress_level=1)
        line = [
            sys.executable,
            '-m',
            'jaxcolor.cli',
            'colorize',
            path,
            '--model',
            model,
            '--output',
            f'{folder}/colored',
        ]
        start = time.perf_counter()
        process = subprocess.Popen(line)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        size = path.stat().st_size / 2**20
    if status:
        sys.exit('it failed')
    memory = usage.ru_maxrss / (2**30 if sys.platform == 'darwin' else 2**20)  # bytes there, kilobytes elsewhere
    print(f'{megapixels:g} megapixels, {kind} of {size:.0f} MiB: {seconds:.1f} s, {memory:.2f} GiB at most')


def photograph(height: int, width: int) -> Image.Image:
    """Returns a picture of soft shapes with grain, which compresses as a scan does."""
    rng = np.random.default_rng(0)
    soft = Image.fromarray(rng.integers(0, 256, (height // 100, width // 100, 3), np.uint8))
    image = np.array(soft.resize((width, height), Image.Resampling.BICUBIC))
    for row in image:
        row += rng.integers(0, 8, row.shape, np.uint8)
    return Image.fromarray(image)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', type=Path, nargs='?', help='photographs, of any sizes')
    parser.add_argument('--model', type=Path, required=True, help='the work directory of a run')
    parser.add_argument('--count', type=int, default=200, help='photographs at most')
    parser.add_argument('--rounds', type=int, default=3, help='after the one that compiles')
    parser.add_argument('--large', type=float, metavar='MEGAPIXELS')
    parser.add_argument('--format', choices=('jpg', 'png'), default='jpg', help='of the large photograph')
    args = parser.parse_args()
    if args.large:
        measure_large(args.large, args.format, args.model)
    elif args.folder:
        compare_speed(args.folder, Colorizer.restore(args.model), args.count, args.rounds)
    else:
        parser.error('name a folder, or --large')


if __name__ == '__main__':
    main()
