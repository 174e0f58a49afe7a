"""What more devices would give `photos_pix2pix`, on paper; and what the pmapped step costs on one, measured.

    python tests/benchmarks/scaling.py [--batch 16] [--utilization 0.35]
    python tests/benchmarks/scaling.py --measure

On paper: what each device sums with the others, and its arithmetic, are counted in the step's own program, lowered
for a GPU (no GPU is needed); chips and networks are those of `CHIPS`, whose figures are their makers'. The last five
lines of each, and the utilization, are assumptions. Nothing here has been timed on any of these chips. It prints the
tables of launch/README.md.

Measured: the step through `parallel.pmap` against the same under plain `jax.jit`, taking turns on one device.
"""

import argparse
import math
import re
import runpy
import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from jaxcolor import config as configs
from jaxcolor.distributed import parallel
from jaxcolor.training.state import System, TrainState, build_system, create_state
from jaxcolor.training.train_step import train_step

CONFIG = Path(__file__).parents[2] / 'configs' / 'photos_pix2pix.py'
DEVICES = (8, 64, 512)
BACKWARD = 2 / 3  # the pass back's share of the arithmetic: gradients of inputs and of parameters, after a value


class Cost(NamedTuple):
    """What a step of one device takes, counted in its program."""

    gradients: int  # bytes that it sums with the other devices
    statistics: int  # the same, of BatchNorm, forward and backward
    terms: int  # and of the loss
    waits: int  # times that BatchNorm waits for its two sums
    operations: float  # additions and multiplications, as XLA counts them
    convolutions: int  # those of convolutions, by their shapes


class Network(NamedTuple):
    """How `n` chips sum."""

    layout: str
    bandwidth: float  # bytes/s that each chip sends, all links that an all-reduce uses together
    latency: float  # seconds of an all-reduce of next to nothing
    outside: float = math.inf  # bytes/s of each chip to other slices, where there are several
    slices: int = 1


class Chip(NamedTuple):
    """A kind of chip: its peak in bfloat16, operations/s, and its networks."""

    name: str
    peak: float
    network: Callable[[int], Network]


def h100(n: int) -> Network:
    """Eight in a box, 450 GB/s each way through NVLink; between boxes one 400 Gb/s InfiniBand port for each.

    So eight rings, each of which leaves a box through a port of its own. Sums of a few bytes go up and down a tree.
    """
    launch, hop, far = 10e-6, 2e-6, 5e-6
    boxes = n // 8
    latency = launch + 2 * 3 * hop + 2 * math.ceil(math.log2(boxes)) * far
    return Network(f'{boxes} x 8', 450e9 if boxes == 1 else 8 * 50e9, latency)


def v5e(n: int) -> Network:
    """A slice of at most 16 x 16, four ports of 50 GB/s each way; only a whole 16 closes to a ring, and uses them all.

    Several slices are joined by the hosts' network, 6.4 Tb/s of a slice of 256. Sums of a few bytes go along both
    axes and back.
    """
    hop, far = 1e-6, 50e-6
    slices = -(-n // 256)
    rows = 2 ** (int(math.log2(n // slices)) // 2)
    columns = n // slices // rows
    closed = rows == columns == 16
    hops = rows + columns if closed else 2 * (rows + columns - 2)
    layout = f'{rows} x {columns}' if slices == 1 else f'{slices} slices of {rows} x {columns}'
    latency = hops * hop + (2 * far if slices > 1 else 0)
    return Network(layout, 200e9 if closed else 100e9, latency, 6.4e12 / 8 / 256, slices)


CHIPS = (Chip('H100 SXM', 989.4e12, h100), Chip('TPU v5e', 197e12, v5e))


def build(config: ml_collections.ConfigDict) -> tuple[System, Callable[..., Any]]:
    """Returns the system, and its step: (state, image) -> (state, loss terms)."""
    system = build_system(config, parallel.AXIS)

    def step(state: TrainState, image: Any) -> Any:
        rng = jax.random.fold_in(jax.random.key(config.seed), state.step)
        return train_step(system, state, {'image': image}, rng, adversarial=True)

    return system, step


def count(config: ml_collections.ConfigDict) -> Cost:
    """Counts what one device does in a step of `data.batch_size` pictures."""
    system, step = build(config)
    size, batch = config.data.image_size, config.data.batch_size
    state = jax.eval_shape(lambda: create_state(system, size, jax.random.key(0)))
    image = jax.ShapeDtypeStruct((1, batch, size, size, 3), jnp.uint8)
    mapped = jax.pmap(step, parallel.AXIS, in_axes=(None, 0), out_axes=None, devices=jax.local_devices()[:1])
    # The form of the convolutions is chosen by platform: here the accelerators', not the CPU's.
    program = jax.jit(mapped).trace(state, image).lower(lowering_platforms=('cuda',))
    sums = re.findall(r'stablehlo\.all_reduce".*?\}\) : \(tensor<([\dx]*)f32>\)', program.as_text(), re.DOTALL)
    kinds, numbers = Counter[str](), Counter[str]()
    for shape in sums:
        kind = 'terms' if not shape else 'statistics' if shape.startswith('1x1x1x') else 'gradients'
        kinds[kind] += 4 * math.prod(int(n) for n in shape.split('x') if n)
        numbers[kind] += 1
    params = [p.params for p in (state.generator, state.discriminator)]
    parameters = 4 * sum(leaf.size for leaf in jax.tree.leaves(params))
    assert kinds['gradients'] == parameters, 'each parameter is float32, and its gradient summed once'
    operations = program.cost_analysis()['flops']
    waits = numbers['statistics'] // 2
    return Cost(
        *(kinds['gradients'], kinds['statistics'], kinds['terms'], waits, operations),
        sum(map(_convolution, re.findall(r'stablehlo\.convolution.*', program.as_text()))),
    )


def _convolution(line: str) -> int:
    """Counts the additions and multiplications of a convolution of two dimensions, borders left out."""
    names = [part.split(', ') for part in re.findall(r'\[([\w, ]*)\](?=x\[|->|, window)', line)]
    shapes = [[int(n) for n in shape.split('x')[:-1]] for shape in re.findall(r'tensor<([\w]*)>', line)[-3:]]
    x, kernel, y = (dict(zip(*pair, strict=True)) for pair in zip(names, shapes, strict=True))
    stride, dilation, taps = (
        [int(n) for n in re.findall(r'\d+', found)]
        for found in re.findall(r'(?:stride|lhs_dilate|rhs_dilate) = \[(.*?)\]', line)
    )
    pads = re.findall(r'\[(-?\d+), -?\d+\]', line.split('pad = [')[1].split(', lhs_dilate')[0])
    count = 2 * x['b'] * kernel['i'] * kernel['o']
    for axis in (0, 1):
        n, k, m = (sizes[str(axis)] for sizes in (x, kernel, y))
        places = (i * stride[axis] + j * taps[axis] - int(pads[axis]) for i in range(m) for j in range(k))
        count *= sum(0 <= place <= (n - 1) * dilation[axis] and place % dilation[axis] == 0 for place in places)
    return count


class Expectation(NamedTuple):
    """Seconds of a step on several chips, and the efficiency that follows."""

    network: Network
    compute: float
    waiting: float
    moving: float

    @property
    def without_overlap(self) -> float:
        """All one after the other."""
        return self.compute / (self.compute + self.waiting + self.moving)

    @property
    def with_overlap(self) -> float:
        """Gradients travel while the pass back goes on; nothing can be done beside BatchNorm's sums."""
        return self.compute / (self.compute + self.waiting + max(0.0, self.moving - BACKWARD * self.compute))


def expect(cost: Cost, chip: Chip, n: int, utilization: float) -> Expectation:
    """Returns what `n` chips should do, each with a batch of its own, by a ring's 2 (n - 1) / n bytes for one."""
    network = chip.network(n)
    inside = n // network.slices
    moving = 2 * (inside - 1) / inside * cost.gradients / network.bandwidth
    if network.slices > 1:  # between slices each chip sums the part that it holds
        moving += 2 * (network.slices - 1) / network.slices * cost.gradients / inside / network.outside
    return Expectation(network, cost.operations / (chip.peak * utilization), cost.waits * network.latency, moving)


def paper(batch: int, utilization: float) -> None:
    """Prints the tables."""
    config = runpy.run_path(str(CONFIG))['get_config']()
    config.update(dtype='bfloat16')
    config.data.batch_size = batch
    cost = count(config)
    print(f'`photos_pix2pix`, {config.data.image_size} px, {batch} pictures a chip, bfloat16. Per step and chip:\n')
    print('| what | |\n|---|---|')
    print(f'| gradients summed, float32 | {cost.gradients:,} bytes |')
    print(f"| BatchNorm's sums, forward and backward | {cost.statistics:,} bytes in {cost.waits} pairs |")
    print(f'| loss terms | {cost.terms} bytes |')
    print(f'| arithmetic | {cost.operations / 1e12:.3f} TFLOP |')
    print(f'| of which convolutions, by their shapes | {cost.convolutions / 1e12:.3f} TFLOP |\n')
    print(
        '| chips | layout | computes | waits for BatchNorm | moves gradients | efficiency, no overlap | full overlap |'
    )
    print('|---|---|---|---|---|---|---|')
    for chip in CHIPS:
        for n in DEVICES:
            e = expect(cost, chip, n, utilization)
            times = ' | '.join(f'{1e3 * s:.2f} ms' for s in (e.compute, e.waiting, e.moving))
            share = f'{e.without_overlap:.0%} | {e.with_overlap:.0%}'
            print(f'| {n} {chip.name} | {e.network.layout} | {times} | {share} |')


SETTINGS = {  # name: (pixels, batch, filters, depth of the U-Net, n_layers of the PatchGAN, rounds)
    'tiny': (16, 8, 4, 3, 1, 400),
    'medium': (32, 16, 32, 5, 2, 100),
}


def measure() -> None:
    """Prints the median time of a step through pmap and under plain jit, and their ratio."""
    print('| network | pmap | jit | ratio of medians |\n|---|---|---|---|')
    for name, (size, batch, filters, depth, n_layers, rounds) in SETTINGS.items():
        config = configs.default()
        config.data.update(image_size=size, batch_size=batch)
        configs.choose(config, 'generator', 'unet', filters=filters, depth=depth)
        configs.choose(config, 'discriminator', 'patchgan', filters=filters, n_layers=n_layers)
        system, step = build(config)
        image = np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), np.uint8)

        def alone(state: TrainState, image: Any, step: Any = step) -> Any:
            one = jax.vmap(step, in_axes=None, out_axes=None, axis_name=parallel.AXIS, axis_size=1)
            return one(state, image)

        steps = {
            'pmap': (parallel.pmap(step, in_axes=(None, 0), donate=(0,)), image[None]),
            'jit': (jax.jit(alone, donate_argnums=0), image),
        }
        states = {kind: parallel.replicate(create_state(system, size, jax.random.key(0))) for kind in steps}
        times: dict[str, list[float]] = {kind: [] for kind in steps}
        for _ in range(rounds + 3):
            for kind, (run, batch_of) in steps.items():
                began = time.perf_counter()
                states[kind], _terms = jax.block_until_ready(run(states[kind], batch_of))
                times[kind].append(time.perf_counter() - began)
        pmap, jit = (statistics.median(seconds[3:]) for seconds in times.values())  # the first ones compile
        title = f'{name}: {size} px, batch {batch}, {filters} filters'
        print(f'| {title} | {1e3 * pmap:.2f} ms | {1e3 * jit:.2f} ms | {pmap / jit:.3f} |', flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--batch', type=int, default=16, help='pictures a chip')
    parser.add_argument('--utilization', type=float, default=0.35, help='share of the peak that the step reaches')
    parser.add_argument('--measure', action='store_true', help='time pmap against jit on this machine, and end')
    args = parser.parse_args()
    if args.measure and jax.local_device_count() > 1:
        parser.error(f'--measure needs one device, and there are {jax.local_device_count()}')
    if args.batch < 1 or not 0 < args.utilization <= 1:
        parser.error(f'--batch={args.batch} must be 1 or more, --utilization={args.utilization} above 0 and at most 1')
    measure() if args.measure else paper(args.batch, args.utilization)


if __name__ == '__main__':
    main()
