"""A few steps of every config of `configs/`, on whatever pictures are there: does it run, how fast, does it learn?

    python tests/benchmarks/zoo.py [--folder PHOTOS] [--steps 10] [--batch 2] [--smoke] [NAME ...]

Configs of CIFAR-10 read it where $TFDS_DATA_DIR has it prepared; all others, and these where it has not, read
PHOTOS where that is given and the bundled pictures otherwise. Each takes the same batch over and over, so that a
falling loss is no accident of the pictures, and with the discriminator from the first step on. Batches are small,
that the full-size networks fit a CPU: `--batch` pictures, or what the config has, up to 32, at 32 px. Pretrained
weights are left out. Nothing is written.

Exits with 1 if some config fails or its reconstruction loss does not fall.
"""

import argparse
import math
import os
import runpy
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import ml_collections
from tqdm import tqdm

from jaxcolor import config as configs
from jaxcolor.data import pipeline
from jaxcolor.data.dataset import Dataset
from jaxcolor.distributed import parallel
from jaxcolor.errors import UserError
from jaxcolor.training import palette, train_metrics
from jaxcolor.training.state import build_system, create_state
from jaxcolor.training.update import make_update

CONFIGS = Path(__file__).parents[2] / 'configs'
SMALL = 32  # pixels; up to this a config keeps its batch, up to as many pictures


class Row(NamedTuple):
    """What a config did."""

    generator: int  # parameters
    discriminator: int
    size: int  # pixels
    batch: int
    speed: float  # images/s, the first step apart
    first: float  # reconstruction loss of the first step
    last: float

    @property
    def falls(self) -> bool:
        """Whether the reconstruction loss did; not if it is not a number."""
        return self.last < self.first


def read_config(path: Path, args: argparse.Namespace) -> ml_collections.ConfigDict:
    """Returns the config of a file, on the pictures that are there, with a batch that a CPU can take."""
    config = runpy.run_path(str(path))['get_config']('smoke' if args.smoke else '')
    data = config.data
    with_cifar = data.source == 'tfds:cifar10' and Path(os.environ.get('TFDS_DATA_DIR', ''), 'cifar10').is_dir()
    if not with_cifar:
        data.update(source=f'folder:{args.folder}' if args.folder else 'bundled', labels=None)
    batch = min(data.batch_size, SMALL) if data.image_size <= SMALL else args.batch
    data.batch_size = math.ceil(batch / jax.device_count()) * jax.device_count()
    data.min_colorfulness = 0.0
    config.pretrained.weights = ''
    return config


def sweep(names: Sequence[str], args: argparse.Namespace) -> int:
    """Runs the configs one after the other and prints the table; returns 1 if not all is well."""
    rows: dict[str, Row | Exception] = {}
    try:
        # On a terminal only, which `None` finds out.
        with tqdm(total=len(names) * args.steps, unit='step', dynamic_ncols=True, disable=None) as bar:
            for number, name in enumerate(names, 1):
                bar.set_description(name)
                began, trouble = time.perf_counter(), ''
                try:
                    rows[name] = run(read_config(CONFIGS / f'{name}.py', args), args.steps, bar.update)
                except Exception as error:  # whatever it is, the others have their turn
                    rows[name] = error
                    trouble = '' if isinstance(error, UserError) else f'\n{traceback.format_exc()}'
                    bar.update(number * args.steps - bar.n)
                jax.clear_caches()  # fifteen programs of this size do not fit a small machine
                verb = 'done' if isinstance(rows[name], Row) else 'failed'
                bar.write(f'{number}/{len(names)} {name}: {verb} in {time.perf_counter() - began:.0f} s{trouble}')
                sys.stdout.flush()
    finally:  # also when it has taken too long for someone
        if rows:
            print(f'\n{table(rows)}')
    return int(not all(isinstance(row, Row) and row.falls for row in rows.values()))


def run(config: ml_collections.ConfigDict, steps: int, advance: Callable[[], Any]) -> Row:
    """Takes `steps` steps of a training run, on one batch."""
    configs.check(config, jax.device_count())
    dataset = Dataset(config.data)
    palette.resolve(config, dataset)
    system = build_system(config, parallel.AXIS)
    state = create_state(system, config.data.image_size, jax.random.key(config.seed))
    generator, discriminator = (0 if p is None else count(p.params) for p in (state.generator, state.discriminator))
    state = parallel.replicate(state)
    adversarial = system.discriminator is not None
    update = make_update(system, config.seed, adversarial=adversarial)
    images = parallel.shard(next(pipeline.train_batches(dataset, seed=config.seed)))['image']
    losses, started = [], 0.0
    for step in range(steps):
        sums = parallel.replicate(train_metrics.empty(adversarial=adversarial))
        state, sums = update(state, sums, images, parallel.shard_numbers())
        losses.append(train_metrics.means(sums)['reconstruction'])
        if step == 0:
            started = time.perf_counter()  # the first step compiled
        advance()
    speed = (steps - 1) * config.data.batch_size / (time.perf_counter() - started)
    return Row(generator, discriminator, config.data.image_size, config.data.batch_size, speed, losses[0], losses[-1])


def count(params: Any) -> int:
    """Returns the number of trainable parameters."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def table(rows: dict[str, Row | Exception]) -> str:
    """Returns the results, a line for each config."""
    wide = max(map(len, rows))
    title = f'{"config":{wide}}{"generator":>13}{"discriminator":>15}{"px":>5}{"batch":>7}{"images/s":>10}'
    lines = [f'{title}   {"reconstruction":19}falls', '-' * (wide + 78)]
    for name, row in rows.items():
        if isinstance(row, Exception):
            lines.append(f'{name:{wide}}  {type(row).__name__}: {str(row).splitlines()[0] if str(row) else ""}')
            continue
        played = f'{row.discriminator:15,}' if row.discriminator else f'{"none":>15}'
        loss = f'{row.first:.4f} -> {row.last:.4f}'
        falls = 'yes' if row.falls else 'NO'
        start = f'{name:{wide}}{row.generator:13,}{played}{row.size:5}{row.batch:7}{row.speed:10.1f}'
        lines.append(f'{start}   {loss:19}{falls}')
    return '\n'.join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    there = sorted(CONFIGS.glob('*.py'))
    names = [path.stem for path in there]
    parser.add_argument('names', nargs='*', metavar='NAME', help=f'which ones; all if left out: {", ".join(names)}')
    parser.add_argument('--folder', help='a folder of pictures')
    parser.add_argument('--steps', type=int, default=10, help='of each config, 2 or more')
    parser.add_argument('--batch', type=int, default=2, help=f'of those above {SMALL} px')
    parser.add_argument('--smoke', action='store_true', help='their variants `:smoke`')
    args = parser.parse_args()
    chosen = args.names or names
    if unknown := sorted(set(chosen) - set(names)):
        parser.error(f'no config {", ".join(unknown)} in {CONFIGS}; there are {", ".join(names)}')
    if args.steps < 2:
        parser.error(f'--steps={args.steps}: a loss can not fall in less than 2')
    sys.exit(sweep(chosen, args))


if __name__ == '__main__':
    main()
