"""Images per second of whole training steps, and the first step of a fresh process, beside PyTorch's.

    python tests/benchmarks/training_step.py CASE [--dtype bfloat16] [--seconds 20 [--no-torch]]

takes the first step of a case and says so; then, for so many seconds, jaxcolor's and PyTorch's steps take turns in this
process, and each one's best rate is said as JSON. `bench.py` runs this for each case.

A step is that of a training run: flips, colour conversion, the generator forward once, the discriminator updated on
true and detached fake pictures, the generator's gradient through the updated discriminator, metrics and averages. The
pictures are noise, and lie ready.
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import ml_collections
import numpy as np
from turns import Row, best_times, until_first_line

from jaxcolor import compilation_cache, experiments, xla_flags
from jaxcolor import config as configs
from jaxcolor.checkpoints.load import load
from jaxcolor.distributed import parallel
from jaxcolor.models import onednn
from jaxcolor.training import train_metrics
from jaxcolor.training.state import Player, TrainState, build_system, create_state
from jaxcolor.training.update import make_update

Step = Callable[[], object]

SIZES = {  # of `gan_step`: (batch, filters, depth of the U-Net, n_layers of the PatchGAN)
    32: (64, 32, 5, 2),
    128: (8, 32, 7, 3),
    256: (2, 64, 8, 3),
}
CONFIGS = {  # the batch, where a config's own is too large for a few seconds on a CPU
    'cifar_dcgan': None,
    'cifar_unet_regression': None,
    'cifar_valid_gan': None,
    'photos_resnet_unet': 2,
    'landscapes_spectral_gan': 8,
    'photos': None,
}
CASES = (*(f'gan_step_{size}' for size in SIZES), *CONFIGS)

KINDS = {  # of operations, by the names that XLA gives them; the first that fits
    'products, convolutions, sums': r'^ynn|dot|conv|reduce',  # YNN is XLA's library of these on CPUs
    'transposes and copies': r'transpose|copy',
    'shifts and patches': r'pad|concatenate|slice',
}


def read_config(case: str) -> ml_collections.ConfigDict:
    """Return the config of a case."""
    if case not in CONFIGS:
        return gan_step(int(case.removeprefix('gan_step_')))
    config = experiments.get_config(case)
    config.data.batch_size = CONFIGS[case] or config.data.batch_size
    if config.space.name == 'palette':  # whose colours come from pictures: those of the model that comes along
        config.space = load().config.space
    return config


def gan_step(size: int) -> ml_collections.ConfigDict:
    """Return the config of a U-Net and a PatchGAN for pictures of that size."""
    batch, filters, depth, n_layers = SIZES[size]
    config = configs.default()
    config.data.update(image_size=size, batch_size=batch, flip=False)
    configs.choose(config, 'generator', 'unet', filters=filters, depth=depth)
    configs.choose(config, 'discriminator', 'patchgan', filters=filters, n_layers=n_layers)
    return config


def build_step(config: ml_collections.ConfigDict) -> tuple[TrainState, Step]:
    """Return the shapes of the state, and a function that takes one step of a training run and waits for it."""
    size, adversarial = config.data.image_size, config.discriminator is not None
    system = build_system(config, parallel.AXIS)
    state = parallel.replicate(create_state(system, size, jax.random.key(0)))
    shapes = jax.eval_shape(lambda: state)
    sums = parallel.replicate(train_metrics.empty(adversarial=adversarial))
    update = make_update(system, seed=0, adversarial=adversarial)
    shape = config.data.batch_size, size, size, 3
    image = parallel.shard({'image': np.random.default_rng(0).integers(0, 256, shape, np.uint8)})['image']

    def run() -> None:
        nonlocal state, sums
        state, sums = jax.block_until_ready(update(state, sums, image, parallel.shard_numbers()))

    return shapes, run


def parameters(player: Player | None) -> int:
    """Return how many a network has; none if it isn't there."""
    return 0 if player is None else sum(leaf.size for leaf in jax.tree.leaves(player.params))


def build_torch_steps(config: ml_collections.ConfigDict, state: TrainState) -> dict[str, Step]:
    """Return PyTorch's steps by name, of networks with as many parameters; SystemExit if they have not."""
    import torch_steps

    steps = {}
    for name in ('eager', 'compiled'):
        training, steps[name] = torch_steps.build_step(config.to_dict(), compiled=name == 'compiled')
        for ours, theirs in ((state.generator, training.generator), (state.discriminator, training.discriminator)):
            counts = parameters(ours), torch_steps.parameters(theirs)
            if counts[0] != counts[1]:
                raise SystemExit('not the same network: {:,} parameters here, {:,} in PyTorch'.format(*counts))
    return steps


def rows(cases: list[str], seconds: float, *, with_torch: bool) -> Iterator[Row]:
    """Yield the line of each case, each in processes of its own."""
    for case in cases:
        config = read_config(case)
        data = config.data
        command = [sys.executable, __file__, case]
        first = []
        with tempfile.TemporaryDirectory() as cache:
            first.append(until_first_line(command, cache=cache)[0])
            turns = [*command, '--seconds', str(seconds), *([] if with_torch else ['--no-torch'])]
            warm, rates = until_first_line(turns, cache=cache)
            first.append(warm)
        if with_torch:
            torch = [sys.executable, str(Path(__file__).with_name('torch_steps.py'))]
            first.append(until_first_line(torch, configs.to_json(config))[0])
        ours, *theirs = json.loads(rates).items()
        title = f'`{case}`: {data.image_size} px, batch {data.batch_size}'
        yield Row(title, 'images/s', ours[1], dict(theirs), first)


def profile(case: str, steps: int = 5) -> Iterator[str]:
    """Yield lines that say what kinds of operations a step's processor time goes into."""
    _, run = build_step(read_config(case))
    with onednn.allowed():
        run()
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            for _ in range(steps):
                run()
        (trace,) = Path(folder).rglob('*.xplane.pb')
        planes = jax.profiler.ProfileData.from_file(str(trace)).planes
        times = dict.fromkeys([*KINDS, 'other element-wise'], 0.0)
        for event in (e for plane in planes for line in plane.lines for e in line.events):
            name = dict(event.stats).get('hlo_op')
            if name and not re.match('while|call|conditional', name):  # those contain the others
                kind = next((k for k, pattern in KINDS.items() if re.search(pattern, name)), 'other element-wise')
                times[kind] += event.duration_ns / 1e6 / steps
    total = sum(times.values())
    yield f'{case}, {total:.0f} ms of processor time a step'
    yield from (f'  {ms / total:>5.0%}  {kind}' for kind, ms in sorted(times.items(), key=lambda item: -item[1]))


def main() -> None:
    """Take the first step, and then the others."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('case', choices=CASES)
    parser.add_argument('--seconds', type=float, help='of turns; none if left out')
    parser.add_argument('--dtype', help="of jaxcolor's networks; PyTorch's stay float32")
    parser.add_argument('--no-torch', action='store_true', help='jaxcolor alone')
    args = parser.parse_args()
    xla_flags.set_for_training()
    compilation_cache.use()
    config = read_config(args.case)
    config.dtype = args.dtype or config.dtype
    state, run = build_step(config)
    with onednn.allowed():  # as in a long training
        run()
    print('the first step is taken', flush=True)
    if args.seconds is not None:
        steps = {'jaxcolor': run} | ({} if args.no_torch else build_torch_steps(config, state))
        times = best_times(steps, args.seconds)
        print(json.dumps({name: config.data.batch_size / seconds for name, seconds in times.items()}))


if __name__ == '__main__':
    main()
