"""What a TPU's own compiler says of the training step of a config, on a machine without one.

    make tpu OPTIONS='cifar_dcgan --fusions 12'
    python tests/benchmarks/tpu.py [CONFIG ...] [--topology v5e:2x2] [--batch 16] [--fusions 12] [--text FILE]

The second line needs libtpu, which `make tpu` gets, and which is no part of jaxcolor: it would look for a TPU.

Compiles the step of every device of a slice, gradients' all-reduces included, in bfloat16, and prints for each config:
the compiler's estimate (the sum of the `estimated_cycles` of what the step runs, at the chip's clock), the least that
the chip's matrix units allow, the memory it takes of a chip's, the all-reduces, and the dearest fusions with the
network and the pass that they come from. Estimates are no timings: what waits for a host or another chip is not in
them.
"""

import argparse
import collections
import os
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

# Before libtpu is loaded, which would ask Google's cloud what machine this is.
os.environ |= {
    'TPU_SKIP_MDS_QUERY': '1',
    'TPU_WORKER_HOSTNAMES': 'localhost',
    'TPU_WORKER_ID': '0',
    'ALLOW_MULTIPLE_LIBTPU_LOAD': '1',
    'JAX_PLATFORMS': 'cpu',
    'TF_CPP_MIN_LOG_LEVEL': '3',
}

import compiled_step
import ml_collections
from jax.experimental import topologies


class Chip(NamedTuple):
    """A kind of TPU, by its maker's figures, and how to ask for one."""

    flops: float  # a second, bfloat16
    flops_per_cycle: int  # of all matrix units: two for each of their cells
    memory: int  # bytes
    config_name: str = 'default'

    @property
    def clock(self) -> float:
        """Cycles a second."""
        return self.flops / self.flops_per_cycle


# A v6e has two units of 256 x 256, which take two products a cycle: the compiler's own estimate of a product of
# 8192 x 8192 matrices, which is 88 to 93 % of the others' peaks, would be 1.4 times the peak with one, and is 70 %.
CHIPS = {
    'v4': Chip(275e12, 2 * 8 * 128**2, 32 * 2**30, 'megacore'),  # both cores as one device
    'v5e': Chip(197e12, 2 * 4 * 128**2, 16 * 2**30),
    'v5p': Chip(459e12, 2 * 8 * 128**2, 95 * 2**30),
    'v6e': Chip(918e12, 2 * 4 * 256**2, 32 * 2**30),
}

_OPERATION = re.compile(
    r'^  (?:ROOT )?%(?P<name>[\w.-]+) = (?P<shape>.*?) (?P<kind>[\w-]+)\(.*"estimated_cycles":"(?P<cycles>\d+)"', re.M
)


class Step(NamedTuple):
    """What the compiler says of a step on one chip."""

    seconds: float
    flops: float
    memory: int
    all_reduces: int
    operations: list[tuple[str, float]]  # the dearest first, each with its seconds


def slice_devices(topology: str) -> list[Any]:
    """Return the devices of a slice that one can compile for, such as 'v5e:2x2'."""
    kind, shape = topology.split(':')
    bounds = (*map(int, shape.split('x')), 1)[:3]
    name = CHIPS[kind].config_name
    return topologies.get_topology_desc(topology, 'tpu', chips_per_host_bounds=bounds, chip_config_name=name).devices


def read(compiled: Any, chip: Chip) -> Step:
    """Read the compiler's estimates of a compiled step."""
    text = compiled.as_text()
    entry, names = compiled_step.entry(text), compiled_step.names(text)
    costs: collections.Counter[str] = collections.Counter()
    for found in _OPERATION.finditer(entry):
        shape = re.sub(r'\{.*?\}', '', found['shape'])
        costs[f'{names.get(found["name"], "unnamed")}  {found["kind"]} {shape}'] += int(found['cycles'])
    return Step(
        seconds=sum(costs.values()) / chip.clock,
        flops=compiled.cost_analysis()['flops'],
        memory=compiled_step.memory(compiled),
        all_reduces=len(re.findall(r' all-reduce(?:-start)?\(', entry)),
        operations=[(name, cycles / chip.clock) for name, cycles in costs.most_common()],
    )


def main() -> int:
    """Print the table; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('configs', nargs='*', metavar='CONFIG', help='all if none is named')
    parser.add_argument('--topology', default='v5e:2x2', help='kind of TPU and shape of the slice (%(default)s)')
    parser.add_argument('--batch', type=int, help="pictures a chip; the config's batch if not given")
    parser.add_argument('--fusions', type=int, default=0, help='how many of the dearest to print (%(default)s)')
    parser.add_argument('--dtype', default='bfloat16', help='of the arithmetic: %(default)s or float32')
    parser.add_argument('--text', type=Path, help='write the compiled program of the last config there')
    args = parser.parse_args()
    if not re.fullmatch(f'({"|".join(CHIPS)}):[0-9]+(x[0-9]+)+', args.topology):
        parser.error(f'--topology={args.topology} is no slice; use {" or ".join(CHIPS)} and its shape, such as v5e:2x2')
    chip, devices = CHIPS[args.topology.partition(':')[0]], slice_devices(args.topology)

    def describe(config: ml_collections.ConfigDict, compiled: Any) -> tuple[list[str], list[str]]:
        step = read(compiled, chip)
        cells = [
            f'{step.seconds * 1e3:.2f} ms',
            f'{config.data.batch_size / step.seconds:,.0f}',
            f'{step.flops / chip.flops * 1e3:.2f} ms',
            f'{step.memory / 2**30:.2f} of {chip.memory / 2**30:.0f} GiB',
            str(step.all_reduces),
        ]
        return cells, [
            f'    {seconds * 1e3:8.3f} ms  {seconds / step.seconds:5.1%}  {operation}'
            for operation, seconds in step.operations[: args.fusions]
        ]

    columns = (f'estimate on {args.topology}', 'images/s a chip', 'matrix units', 'memory', 'all-reduces')
    given = {'batch': args.batch, 'dtype': args.dtype, 'text': args.text}
    return compiled_step.print_table(columns, args.configs, devices, describe, **given)


if __name__ == '__main__':
    sys.exit(main())
