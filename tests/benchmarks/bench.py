"""The table of docs/speed.md: training steps, input and colouring photographs, with ratios; `make bench` prints it.

    python tests/benchmarks/bench.py [--only gan_step_32 cifar_dcgan input colorize …] [--folder PHOTOGRAPHS]
        [--sizes 32 128 256] [--seconds 20] [--no-torch | --profile]

Markdown, a line as soon as it is known. A training step stands beside the same networks and losses in plain PyTorch,
channels last, eager and compiled; the ratio is to the better one. They take turns in one process, and each one's best
step counts, because machines are noisy. The last columns are the time of a fresh process up to the end of its first
step: jaxcolor's with an empty compilation cache and then with all in it, and PyTorch's, eager.
"""

import argparse
import importlib.util
import tempfile
from collections.abc import Iterator
from pathlib import Path

import colorize
import input_pipeline
import training_step
from turns import Row, heading

from jaxcolor import xla_flags

OTHERS = ('input', 'colorize')


def rows(args: argparse.Namespace, *, with_torch: bool) -> Iterator[Row]:
    """Yield the lines of what is asked for."""
    cases = [case for case in training_step.CASES if case in args.only]
    yield from training_step.rows(cases, args.seconds, with_torch=with_torch)
    with tempfile.TemporaryDirectory() as folder:
        photographs = args.folder or str(colorize.write_photographs(Path(folder)))
        if 'input' in args.only:
            yield from input_pipeline.rows(photographs)
        if 'colorize' in args.only:
            yield from colorize.rows(Path(photographs))


def main() -> None:
    """Print the table, or a profile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = (*training_step.CASES, *OTHERS)
    parser.add_argument('--only', nargs='+', choices=names, default=names, metavar='ROW', help=', '.join(names))
    parser.add_argument('--sizes', type=int, nargs='+', choices=list(training_step.SIZES), help='of gan_step, alone')
    parser.add_argument('--folder', help='photographs, which stand for those of 128 px; else some are made')
    parser.add_argument('--seconds', type=float, default=20, help='of turns for each training step (%(default)s)')
    parser.add_argument('--no-torch', action='store_true', help="time jaxcolor's steps alone")
    parser.add_argument('--profile', action='store_true', help='show where steps spend their time, and end')
    args = parser.parse_args()
    if args.sizes:
        args.only = [f'gan_step_{size}' for size in args.sizes]
    if args.profile:
        xla_flags.set_for_training()
        for case in training_step.CASES:
            if case in args.only:
                print('\n'.join(training_step.profile(case)), flush=True)
        return
    with_torch = not args.no_torch
    if with_torch and importlib.util.find_spec('torch') is None:
        with_torch = False
        print("PyTorch is not installed: jaxcolor's steps alone. For the comparison: pip install .[bench]")
    print(heading(), flush=True)
    for row in rows(args, with_torch=with_torch):
        print(row, flush=True)


if __name__ == '__main__':
    main()
