"""A pix2pix in PyTorch and ours, trained on the same pictures for the same minutes; for `quality.py --torch`."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np

from jaxcolor import config as configs
from jaxcolor.checkpoints.load import load
from jaxcolor.checkpoints.model import Model, build
from jaxcolor.color.spaces import Lab
from jaxcolor.data import pipeline
from jaxcolor.data.dataset import Dataset
from jaxcolor.errors import UserError, missing_package

ROOT = Path(__file__).parents[2]
SIZE, RESIZED = 64, 72  # pixels: 256 and 286 in the paper, of which two CPU cores would see too little
DEPTH, FILTERS, BATCH = 6, 64, 16
ENDLESS = 10**6  # steps


def both(folder: str, minutes: float, workdir: Path) -> dict[str, Model]:
    """Trains one after the other; returns the two by name. Starting and compiling count as well."""
    networks = torch_networks()
    ours = train_ours(folder, minutes, workdir)
    network, step = train_torch(networks, batches(folder), 60 * minutes)
    return {
        f'configs/photos.py, {minutes:g} min, {ours.step} steps': ours,
        f'pix2pix in PyTorch, {minutes:g} min, {step} steps': to_flax(networks, network, step),
    }


def torch_networks():
    """Returns the module with PyTorch's networks.

    Raises:
      UserError: PyTorch is not installed.
    """
    sys.path.append(str(ROOT / 'tests' / 'models' / 'golden'))
    try:
        import torch_networks as networks
    except ModuleNotFoundError as error:
        raise missing_package(error, '--torch', 'bench') from error
    return networks


def train_ours(folder: str, minutes: float, workdir: Path) -> Model:
    """Trains configs/photos.py until a signal ends it, which saves first. So the rate rises, and never falls."""
    command = [
        sys.executable,
        '-m',
        'jaxcolor.main',
        f'--config={ROOT / "configs" / "photos.py"}',
        f'--workdir={workdir}',
        f'--config.data.source=folder:{Path(folder).resolve()}',
        '--config.data.train_split=train',
        '--config.data.test_split=train[:16]',  # there must be one
        f'--config.num_steps={ENDLESS}',
        f'--config.eval_every={ENDLESS}',
        f'--config.checkpoint_every={ENDLESS}',
    ]
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            process.wait(60 * minutes)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
    if process.returncode != 128 + signal.SIGTERM:
        raise UserError(f'training configs/photos.py on {folder} ended with status {process.returncode}; see above')
    return load(workdir)


def config(folder: str):
    """Returns what the networks are in jaxcolor, and the pictures that they are trained on."""
    config = configs.default()
    config.data.update(source=f'folder:{folder}', image_size=SIZE, resize=RESIZED, batch_size=BATCH)
    configs.choose(config, 'generator', 'unet', filters=FILTERS, depth=DEPTH)
    return config


def batches(folder: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields L* and (a*, b*) of random crops, mirrored or not, [b, h, w, c] in [-1, 1]."""
    split = jax.jit(Lab().split)
    for batch in pipeline.train_batches(Dataset(config(folder).data), seed=0):
        yield tuple(map(np.array, split(batch['image'])))


def train_torch(networks, pairs: Iterator[tuple[np.ndarray, np.ndarray]], seconds: float):
    """Trains pix2pix as its authors do: vanilla loss and 100 L1, Adam, normal initialisation; the rate is constant.

    Returns:
      The generator, and the number of steps.
    """
    import torch
    from torch_steps import Training

    def initialize(layer):
        if isinstance(layer, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            torch.nn.init.normal_(layer.weight, 0.0, 0.02)
        elif isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(layer.weight, 1.0, 0.02)

    end = time.perf_counter() + seconds
    torch.manual_seed(0)
    training = Training(config('').to_dict())
    training.generator.apply(initialize)
    training.discriminator.apply(initialize)
    step = 0
    while time.perf_counter() < end:
        pair = (networks.to_torch(array).contiguous(memory_format=torch.channels_last) for array in next(pairs))
        d_loss, l1 = training.step(*pair)
        step += 1
        if step % 100 == 0:
            print(f'pix2pix in PyTorch, step {step}: discriminator {d_loss.item():.3f}, L1 {l1.item():.4f}', flush=True)
    return training.generator, step


def to_flax(networks, network, step: int) -> Model:
    """Returns the generator as our U-Net, which says the same (tests/models/test_golden.py): one way to colour."""
    params: dict[str, dict[str, np.ndarray]] = {}
    for name, value in networks.parameters(network):
        layer, leaf = name.split('/')
        params.setdefault(layer, {})[leaf] = networks.kernel_to_numpy(value)
    stats = {
        name: {'mean': layer.running_mean.numpy(), 'var': layer.running_var.numpy()}
        for name, layer in networks.layers(network)
        if hasattr(layer, 'running_mean')
    }
    settings = config('')
    return Model(settings, step, *build(settings), {'params': params, 'batch_stats': stats})
