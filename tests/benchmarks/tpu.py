"""What a TPU's own compiler says of the training step of a config, on a machine without one.

    make tpu OPTIONS='cifar_dcgan --fusions 12'
    python tests/benchmarks/tpu.py [CONFIG ...] [--topology v5e:2x2] [--batch 16] [--fusions 12] [--text FILE]

The second line needs libtpu, which `make tpu` gets, and which is no part of jaxcolor: it would look for a TPU.

Compiles the step of every device of a slice, gradients' all-reduces included, in bfloat16, and prints for each config:
the compiler's estimate (the sum of the `estimated_cycles` of what the step runs, at the chip's clock), the least that
the chip's matrix units and its memory allow, the all-reduces, the memory it takes of a chip's, and the dearest fusions
with the network and the pass that they come from. Estimates are no timings: what waits for a host or another chip is
not in them.
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

import jax
import ml_collections
import numpy as np
from jax.experimental import topologies
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxcolor import experiments
from jaxcolor.distributed.parallel import AXIS
from jaxcolor.training import train_metrics
from jaxcolor.training.state import build_system, create_state
from jaxcolor.training.update import one_device


class Chip(NamedTuple):
    """A kind of TPU, by its maker's figures."""

    clock: float  # Hz
    flops: float  # a second, bfloat16
    bandwidth: float  # bytes a second
    memory: int  # bytes


CHIPS = {
    'v4': Chip(1.05e9, 275e12, 1228e9, 32 * 2**30),
    'v5e': Chip(0.94e9, 197e12, 819e9, 16 * 2**30),
    'v5p': Chip(1.75e9, 459e12, 2765e9, 95 * 2**30),
    'v6e': Chip(0.94e9, 918e12, 1640e9, 32 * 2**30),
}

_OPERATION = re.compile(
    r'^  (?:ROOT )?%(?P<name>[\w.-]+) = (?P<shape>.*?) (?P<kind>[\w-]+)\(.*"estimated_cycles":"(?P<cycles>\d+)"', re.M
)
_COMPUTATION = re.compile(r'^(?:ENTRY )?%(?P<name>[\w.-]+) \(.*?^}', re.M | re.S)


class Step(NamedTuple):
    """What the compiler says of a step on one chip."""

    seconds: float
    flops: float
    bytes: float
    memory: int
    all_reduces: int
    operations: list[tuple[str, float]]  # the dearest first, each with its seconds


def prepare(config: ml_collections.ConfigDict, dtype: str, batch: int | None) -> ml_collections.ConfigDict:
    """Return the config without what a run gets from data and files, and so compiles without them."""
    config.dtype, config.pretrained.weights = dtype, ''
    config.data.batch_size = batch or config.data.batch_size
    if config.space.name == 'palette':  # any colours: their values change no program's cost
        if config.space.spacing:
            config.space.size = 157  # as photographs have them with a spacing of 10
        width = 3 if config.space.basis == 'rgb' else 2
        config.space.centers = np.random.default_rng(0).uniform(0, 1, (config.space.size, width)).tolist()
        config.space.frequencies = [1 / config.space.size] * config.space.size
    return config


def compile_step(config: ml_collections.ConfigDict, topology: str) -> Any:
    """Compile the step of `config` for each chip of a slice; `config.data.batch_size` is of one chip."""
    kind, shape = topology.split(':')
    bounds = tuple(map(int, shape.split('x')))
    options = {'chips_per_host_bounds': (*bounds, 1)[:3]} if kind in ('v5e', 'v6e') else {}
    devices = topologies.get_topology_desc(topology, 'tpu', **options).devices
    mesh = Mesh(np.array(devices), (AXIS,))
    everywhere, each = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec(AXIS))

    system = build_system(config, AXIS, lambda: 100_000)
    size, batch, adversarial = config.data.image_size, config.data.batch_size, system.discriminator is not None
    update = one_device(system, seed=0, adversarial=adversarial)
    state = jax.eval_shape(lambda: create_state(system, size, jax.random.key(0)))
    averages = jax.eval_shape(lambda: train_metrics.empty(adversarial=adversarial))
    images = jax.ShapeDtypeStruct((len(devices), batch, size, size, 3), np.uint8, sharding=each)
    numbers = jax.ShapeDtypeStruct((len(devices),), np.int32, sharding=each)
    state, averages = (
        jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=everywhere), tree)
        for tree in (state, averages)
    )
    step = jax.shard_map(
        lambda state, averages, image, number: update(state, averages, image[0], number[0]),
        mesh=mesh,
        in_specs=(PartitionSpec(), PartitionSpec(), PartitionSpec(AXIS), PartitionSpec(AXIS)),
        out_specs=PartitionSpec(),
        check_vma=False,
    )
    return jax.jit(step, donate_argnums=(0, 1)).lower(state, averages, images, numbers).compile()


def read(compiled: Any, chip: Chip) -> Step:
    """Read the compiler's estimates of a compiled step."""
    text = compiled.as_text()
    entry = next(found[0] for found in _COMPUTATION.finditer(text) if found[0].startswith('ENTRY'))
    names = dict(re.findall(r'%([\w.-]+) = .*?op_name="([^"]*)"', text))
    costs: collections.Counter[str] = collections.Counter()
    for found in _OPERATION.finditer(entry):
        shape = re.sub(r'\{.*?\}', '', found['shape'])
        costs[f'{_short(names.get(found["name"], ""))}  {found["kind"]} {shape}'] += int(found['cycles'])
    memory = compiled.memory_analysis()
    cost = compiled.cost_analysis()
    return Step(
        seconds=sum(costs.values()) / chip.clock,
        flops=cost['flops'],
        bytes=cost['bytes accessed'],
        memory=sum(getattr(memory, f'{part}_size_in_bytes') for part in ('argument', 'output', 'temp'))
        - memory.alias_size_in_bytes,
        all_reduces=len(re.findall(r' all-reduce(?:-start)?\(', entry)),
        operations=[(name, cycles / chip.clock) for name, cycles in costs.most_common()],
    )


def _short(name: str) -> str:
    """Return what an operation's name says of network, layer and pass."""
    name = re.sub(r'jit\([^)]*\)/|shard_map/|closed_call/|checkpoint/|rematted_computation/', '', name)
    name = re.sub(r'jvp\((\w*)\)', r'\1', re.sub(r'transpose\(jvp\((\w*)\)\)', r'gradient of \1', name))
    return name or 'unnamed'


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
    chip = CHIPS[args.topology.partition(':')[0]]
    columns: tuple[str, ...] = (
        'config, batch a chip',
        f'estimate on {args.topology}',
        'images/s a chip',
        'matrix units',
        'memory traffic',
        'memory',
        'all-reduces',
    )
    print(f'| {" | ".join(columns)} |\n{"|---" * len(columns)}|')
    failed = False
    for name in args.configs or [name for name in experiments.paths() if name != 'quickstart']:
        config = prepare(experiments.get_config(name), args.dtype, args.batch)
        title = f'{name}, {config.data.batch_size}'
        try:
            compiled = compile_step(config, args.topology)
        except jax.errors.JaxRuntimeError as error:  # such as one that needs more memory than there is
            failed = True
            print(f'| {title} | {str(error).splitlines()[0]} |', flush=True)
            continue
        step = read(compiled, chip)
        columns = (
            title,
            f'{step.seconds * 1e3:.2f} ms',
            f'{config.data.batch_size / step.seconds:,.0f}',
            f'{step.flops / chip.flops * 1e3:.2f} ms',
            f'{step.bytes / 1e9:.2f} GB, {step.bytes / chip.bandwidth * 1e3:.2f} ms',
            f'{step.memory / 2**30:.2f} of {chip.memory / 2**30:.0f} GiB',
            str(step.all_reduces),
        )
        print(f'| {" | ".join(columns)} |', flush=True)
        for operation, seconds in step.operations[: args.fusions]:
            print(f'    {seconds * 1e3:8.3f} ms  {seconds / step.seconds:5.1%}  {operation}')
        if args.text:
            args.text.write_text(compiled.as_text())
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
