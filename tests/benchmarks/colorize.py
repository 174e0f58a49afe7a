"""Images per second of `jaxcolor colorize` beside those of the model alone; seconds and memory of a large photograph.

    python tests/benchmarks/colorize.py FOLDER [--model MODEL] [--count 200] [--rounds 3]
    python tests/benchmarks/colorize.py --large MEGAPIXELS [--format png] [--model MODEL]

The command decodes, colours, encodes and writes; the model alone colours the same pictures, already decoded, in the
same batches. Both in this process, after all is compiled; they take turns, and the best round of each counts. A large
photograph is made up and coloured by the command as a person starts it, in processes of its own: the first finds
nothing compiled.
"""

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from turns import Row, heading

from jaxcolor import Colorizer
from jaxcolor.batch_inference import batch, discover
from jaxcolor.batch_inference.jobs import JobFiles, Settings
from jaxcolor.data.bundled import open_bundled
from jaxcolor.imaging import photos
from jaxcolor.inference.options import Options
from jaxcolor.weights import DEFAULT

BATCH = 32


def rows(folder: Path, model: Path | str = DEFAULT) -> Iterator[Row]:
    """Yield lines of photographs of 1 and 12 megapixels, and of up to 200 of a folder."""
    for megapixels in (1, 12):
        yield large(megapixels, 'jpg', model)
    yield many(folder, Colorizer.restore(model))


def many(folder: Path, colorizer: Colorizer, count: int = 200, rounds: int = 3) -> Row:
    """Return the rates of the command and of the model alone, which take turns; each one's best of so many rounds."""
    settings = Settings(Options(), photos.Limits(), batch_size=BATCH, quality=95, depth=8, overwrite=True)
    with tempfile.TemporaryDirectory() as output:
        found = dict(list(discover.find([str(folder)], Path(output)).files.items())[:count])
        jobs = discover.plan(found, Path(output), 'same', samples=None, compare=False)
        pictures = [photos.read(job.source).pixels for job in jobs]
        size = np.mean([picture.shape[0] * picture.shape[1] for picture in pictures])

        def whole() -> None:
            batch.run(colorizer, JobFiles(settings), jobs)

        def alone() -> None:
            for start in range(0, len(pictures), BATCH):
                colorizer(pictures[start : start + BATCH])

        times = {'the command': math.inf, 'the model alone': math.inf}
        for number in range(rounds + 1):
            for name, run in zip(times, (whole, alone), strict=True):
                start = time.perf_counter()
                run()
                if number:  # the first compiles
                    times[name] = min(times[name], time.perf_counter() - start)
    command, model = (len(jobs) / seconds for seconds in times.values())
    title = f'`jaxcolor colorize`: {len(jobs)} photographs, {size / 1e6:.3f} megapixels in the mean'
    return Row(title, 'images/s', command, {'the model alone': model})


def large(megapixels: float, kind: str, model: Path | str, rounds: int = 2) -> Row:
    """Return the seconds of processes that colour one photograph, the first with nothing compiled; and their memory."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f'large.{kind}')
        photograph(height, round(megapixels * 1e6 / height)).save(path, quality=90, compress_level=1)
        options = ['--model', str(model), '--output', f'{folder}/colored', '--overwrite']
        command = [sys.executable, '-m', 'jaxcolor.cli', 'colorize', str(path), *options]
        seconds, memory = [], []
        for _ in range(1 + rounds):
            start = time.perf_counter()
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, 'XDG_CACHE_HOME': folder})
            _, status, usage = os.wait4(process.pid, 0)
            seconds.append(time.perf_counter() - start)
            memory.append(usage.ru_maxrss / (2**30 if sys.platform == 'darwin' else 2**20))  # bytes there, kB elsewhere
            if status:
                sys.exit(f'{" ".join(command)} failed')
        size = path.stat().st_size / 2**20
    first, again = seconds[0], min(seconds[1:])
    title = f'`jaxcolor colorize`: {megapixels:g} megapixels, {kind} of {size:.0f} MiB; {max(memory):.2f} GiB at most'
    return Row(title, 's', again, seconds=(first, again))


def write_photographs(folder: Path, count: int = 1000, size: int = 128) -> Path:
    """Write tiles of the bundled photographs as JPEGs; return the folder."""
    source = open_bundled('train')
    for number in range(count):
        tile = source.decode(source[number * len(source) // count], size)
        tile.convert('RGB').resize((size, size)).save(folder / f'{number:04}.jpg', quality=90)
    return folder


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
    parser.add_argument('--model', default=DEFAULT, help='a run, a file or a name; %(default)s if left out')
    parser.add_argument('--count', type=int, default=200, help='photographs at most')
    parser.add_argument('--rounds', type=int, default=3, help='after the one that compiles')
    parser.add_argument('--large', type=float, metavar='MEGAPIXELS')
    parser.add_argument('--format', choices=('jpg', 'png'), default='jpg', help='of the large photograph')
    args = parser.parse_args()
    if not (args.large or args.folder):
        parser.error('name a folder, or --large')
    print(heading(), flush=True)
    if args.large:
        print(large(args.large, args.format, args.model), flush=True)
    if args.folder:
        print(many(args.folder, Colorizer.restore(args.model), args.count, args.rounds))


if __name__ == '__main__':
    main()
