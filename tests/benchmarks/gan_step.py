"""Images per second of the whole GAN step, jaxcolor's beside the same networks in PyTorch.

    python tests/benchmarks/gan_step.py [--sizes 32 128 256] [--seconds 30] [--no-torch | --profile]

One step: the generator forward once, the discriminator updated on real and detached fake pictures, the
generator's gradient pulled through the updated discriminator; vanilla loss + 100 L1, Adam. The two sides
take turns, and each one's best round counts, because machines are noisy.
"""

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxcolor import config as configs
from jaxcolor.color.spaces import Lab
from jaxcolor.distributed import parallel
from jaxcolor.training import train_metrics
from jaxcolor.training.state import build_system, create_state
from jaxcolor.training.update import make_update

SETTINGS = {  # image size: (batch, filters, depth of the U-Net, n_layers of the PatchGAN)
    32: (64, 32, 5, 2),
    128: (8, 32, 7, 3),
    256: (2, 64, 8, 3),
}
LEARNING_RATE, BETAS, L1_WEIGHT = 2e-4, (0.5, 0.999), 100.0

KINDS = {  # of operations, by the names that XLA gives them; the first that fits
    'products, convolutions, sums': r'^ynn|dot|conv|reduce',  # YNN is XLA's library of these on CPUs
    'transposes and copies': r'transpose|copy',
    'shifts and patches': r'pad|concatenate|slice',
}

Step = Callable[[], object]


def pictures(size: int) -> np.ndarray:
    """Returns noise, uint8 [b, h, w, 3]."""
    return np.random.default_rng(0).integers(0, 256, (SETTINGS[size][0], size, size, 3), np.uint8)


def jax_step(size: int) -> Step:
    """Returns a function that takes one step of a training run, colour conversion included, and waits for it."""
    batch, filters, depth, n_layers = SETTINGS[size]
    config = configs.default()
    config.data.update(image_size=size, batch_size=batch, flip=False)
    configs.choose(config, 'generator', 'unet', filters=filters, depth=depth)
    configs.choose(config, 'discriminator', 'patchgan', filters=filters, n_layers=n_layers)
    system = build_system(config, parallel.AXIS)
    state = parallel.replicate(create_state(system, size, jax.random.key(0)))
    sums = parallel.replicate(train_metrics.empty(adversarial=True))
    update = make_update(system, seed=0, adversarial=True)
    image = parallel.shard({'image': pictures(size)})['image']

    def run() -> None:
        nonlocal state, sums
        state, sums = jax.block_until_ready(update(state, sums, image, parallel.shard_numbers()))

    return run


def torch_step(size: int, compiled: bool) -> Step:
    """Return a function that takes one step of PyTorch's, channels last, eager or compiled."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss

    sys.path.append(str(Path(__file__).parents[1] / 'models' / 'golden'))
    import torch_networks

    _, filters, depth, n_layers = SETTINGS[size]
    x, y = (
        torch.from_numpy(np.array(a)).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        for a in Lab().split(jnp.asarray(pictures(size)))
    )
    generator = torch_networks.UNet(filters, depth).to(memory_format=torch.channels_last)
    discriminator = torch_networks.PatchGAN(filters, n_layers).to(memory_format=torch.channels_last)
    g_optimizer, d_optimizer = (
        torch.optim.Adam(net.parameters(), lr=LEARNING_RATE, betas=BETAS) for net in (generator, discriminator)
    )
    run_generator = torch.compile(generator) if compiled else generator
    run_discriminator = torch.compile(discriminator) if compiled else discriminator

    def bce(logits, target):
        return binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))

    def run() -> None:
        fake = run_generator(x)
        discriminator.requires_grad_(True)
        loss = 0.5 * (bce(run_discriminator(x, fake.detach()), 0.0) + bce(run_discriminator(x, y), 1.0))
        d_optimizer.zero_grad()
        loss.backward()
        d_optimizer.step()
        discriminator.requires_grad_(False)
        loss = bce(run_discriminator(x, fake), 1.0) + L1_WEIGHT * l1_loss(fake, y)
        g_optimizer.zero_grad()
        loss.backward()
        g_optimizer.step()

    return run


def best_times(steps: dict[str, Step], seconds: float) -> dict[str, float]:
    """Run the steps in turn for about `seconds` in all; return each one's best time of a step, in seconds."""
    best = dict.fromkeys(steps, float('inf'))
    for run in steps.values():  # compile, warm up
        run()
        run()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, run in steps.items():
            for _ in range(3):
                start = time.perf_counter()
                run()
                best[name] = min(best[name], time.perf_counter() - start)
    return best


def profile(run: Step, steps: int = 5) -> dict[str, float]:
    """Returns the processor time of a step that goes into each kind of operation, in milliseconds."""
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
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--sizes', type=int, nargs='+', default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument('--seconds', type=float, default=30, help='per size, after compilation')
    parser.add_argument('--no-torch', action='store_true', help="time jaxcolor's step alone")
    parser.add_argument('--profile', action='store_true', help="show where jaxcolor's step spends its time, and end")
    args = parser.parse_args()
    if args.profile:
        for size in args.sizes:
            run = jax_step(size)
            run()
            times = profile(run)
            print(f'{size} px, {sum(times.values()):.0f} ms of processor time a step')
            for kind, ms in sorted(times.items(), key=lambda item: -item[1]):
                print(f'  {ms / sum(times.values()):>5.0%}  {kind}')
        return
    with_torch = not args.no_torch
    if with_torch:
        try:
            import torch  # noqa: F401
        except ImportError:
            with_torch = False
            print("PyTorch is not installed: jaxcolor's step alone. For the comparison: pip install .[bench]")
    print(f'{"size":>5} {"batch":>5} {"nf":>4} {"jaxcolor":>10} {"eager":>10} {"compiled":>10} {"ratio":>6}   images/s')
    for size in args.sizes:
        batch, filters, *_ = SETTINGS[size]
        steps = {'jaxcolor': jax_step(size)}
        if with_torch:
            steps |= {'eager': torch_step(size, False), 'compiled': torch_step(size, True)}
        rates = {name: batch / seconds for name, seconds in best_times(steps, args.seconds).items()}
        row = f'{size:>5} {batch:>5} {filters:>4} {rates["jaxcolor"]:>10.2f}'
        if with_torch:
            theirs = max(rates['eager'], rates['compiled'])
            row += f' {rates["eager"]:>10.2f} {rates["compiled"]:>10.2f} {rates["jaxcolor"] / theirs:>6.2f}'
        print(row, flush=True)


if __name__ == '__main__':
    main()
