"""Steps per second of a tiny network, whose devices are through before the host has said what comes next.

    python tests/benchmarks/dispatch.py [--batches 8 64] [--filters 4] [--per-call 8] [--seconds 5]

CIFAR-10 where $TFDS_DATA_DIR has it prepared, else the bundled pictures, at 32 px; a U-Net of three levels alone. Each
line is a batch size with the pictures read by the host and kept on the devices (data.cache), one step at a call and
several (steps_per_call). The best of three rounds, which take turns, because machines are noisy.
"""

import argparse
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import ml_collections

from jaxcolor import config as configs
from jaxcolor.data.dataset import Dataset
from jaxcolor.distributed import parallel
from jaxcolor.training.schedule import Schedule
from jaxcolor.training.state import build_system, create_state
from jaxcolor.training.update import train_steps

ROUNDS = 3
CASES = [(cache, several) for cache in ('host', 'device') for several in (False, True)]


def read_config(batch: int, filters: int, cache: str, steps_per_call: int) -> ml_collections.ConfigDict:
    config = configs.default()
    source = 'tfds:cifar10' if Path(os.environ.get('TFDS_DATA_DIR', ''), 'cifar10').is_dir() else 'bundled'
    config.data.update(source=source, image_size=32, batch_size=batch, crop='center', cache=cache)
    config.steps_per_call = steps_per_call
    configs.choose(config, 'generator', 'unet', depth=3, filters=filters)
    config.discriminator = None
    return config


def start(config: ml_collections.ConfigDict) -> Iterator[Any]:
    """Returns the steps of a run, all compiled, its data read once."""
    system = build_system(config, parallel.AXIS)
    state = parallel.replicate(create_state(system, config.data.image_size, jax.random.key(0)))
    endless = 10**9 * config.steps_per_call
    run = train_steps(
        config,
        Dataset(config.data),
        system,
        state,
        Schedule(warmup=0, total=endless, log=endless, evaluate=endless, save=endless),
    )
    next(run)
    return run


def rate(run: Iterator[Any], seconds: float) -> float:
    """Returns steps per second, after a call that fills what a pause has emptied."""
    first, _, throughput = next(run)
    jax.block_until_ready(throughput.metrics)
    begin = time.perf_counter()
    while time.perf_counter() < begin + seconds:
        last, _, throughput = next(run)
    jax.block_until_ready(throughput.metrics)
    return (last - first) / (time.perf_counter() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--batches', type=int, nargs='+', default=[8, 64], help='of all devices together')
    parser.add_argument('--filters', type=int, default=4, help="of the network's first layer")
    parser.add_argument('--per-call', type=int, default=8, help='steps_per_call, beside 1')
    parser.add_argument('--seconds', type=float, default=5, help='per round and case, after compilation')
    args = parser.parse_args()
    several = f'x{args.per_call}'
    print(f'{jax.device_count()} x {jax.devices()[0].device_kind}, {os.cpu_count()} cores; steps/s')
    print(f'{"batch":>5} {"host":>9} {"host " + several:>9} {"device":>9} {"device " + several:>9}')
    for batch in args.batches:
        settings = [(batch, args.filters, cache, args.per_call if many else 1) for cache, many in CASES]
        runs = [start(read_config(*setting)) for setting in settings]
        rounds = [[rate(run, args.seconds) for run in runs] for _ in range(ROUNDS)]
        best = [max(rates) for rates in zip(*rounds, strict=True)]
        print(f'{batch:>5} ' + ' '.join(f'{steps:>9.1f}' for steps in best), flush=True)


if __name__ == '__main__':
    main()
