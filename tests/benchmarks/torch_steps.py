"""The training step of a config in plain PyTorch, channels last: the same networks, losses and optimizers.

    python tests/benchmarks/torch_steps.py < config.json

takes the first step in a process that does nothing else, and says so. Needs no JAX. What a person would leave to the
loader, flips, colour conversion and drawing hints, is not in the step, though it is in jaxcolor's.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

sys.path.append(str(Path(__file__).parents[1] / 'models' / 'golden'))
import torch_build

Fields = Mapping[str, Any]


class Training:
    """The networks of a config, with what trains them."""

    def __init__(self, config: Fields, *, compiled: bool = False) -> None:
        """Build all; `compiled` is for the networks and the reconstruction."""
        space, self.loss = config['space'], config['loss']
        colors = {'rgb': 3, 'palette': space.get('size')}.get(space['name'], 2)
        generator, discriminator = torch_build.build_generator(config['generator'], colors), None
        if config['discriminator']:
            size = config['data']['image_size']
            discriminator = torch_build.build_discriminator(config['discriminator'], colors, size)
        self.generator, self.discriminator = (
            network and network.to(memory_format=torch.channels_last) for network in (generator, discriminator)
        )
        self._generate, self._judge, self._reconstruction = (
            torch.compile(function) if compiled and function else function
            for function in (self.generator, self.discriminator, reconstruction(self.loss['reconstruction'], space))
        )
        self._clip = config['generator_optimizer']['max_grad_norm']
        self._g_optimizer = build_optimizer(config['generator_optimizer'], self.generator)
        if self.discriminator:
            self._d_optimizer = build_optimizer(config['discriminator_optimizer'], self.discriminator)
        decay = config['ema_decay']
        self._average = AveragedModel(self.generator, multi_avg_fn=get_ema_multi_avg_fn(decay)) if decay else None

    def step(self, x: Tensor, y: Tensor, *hints: Tensor) -> tuple[Tensor | None, Tensor]:
        """Take a step on grey pictures and their colours, [b, c, h, w]; return D's loss and the reconstruction term.

        The generator runs forward once; the discriminator is updated first. Of weight 0, D's verdict is not asked for.
        """
        fake = self._generate(x, *hints)
        d_loss = None
        if self.discriminator:
            smoothing = self.loss['label_smoothing'] / 2
            self.discriminator.requires_grad_(True)
            of_fake, of_real = bce(self._judge(x, fake.detach()), smoothing), bce(self._judge(x, y), 1 - smoothing)
            d_loss = (of_fake + of_real) / 2
            self._d_optimizer.zero_grad()
            d_loss.backward()
            self._d_optimizer.step()
            self.discriminator.requires_grad_(False)
        term = self._reconstruction(fake, y)
        loss = self.loss['reconstruction_weight'] * term
        if self.discriminator and self.loss['adversarial_weight']:
            loss = loss + self.loss['adversarial_weight'] * bce(self._judge(x, fake), 1.0)
        self._g_optimizer.zero_grad()
        loss.backward()
        if self._clip:
            nn.utils.clip_grad_norm_(self.generator.parameters(), self._clip)
        self._g_optimizer.step()
        if self._average:
            self._average.update_parameters(self.generator)
        return d_loss, term


def parameters(network: nn.Module | None) -> int:
    """Return how many a network has; none if it isn't there."""
    return 0 if network is None else torch_build.count(network)


def bce(logits: Tensor, target: float) -> Tensor:
    """Return the vanilla adversarial loss."""
    return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def reconstruction(kind: str, space: Fields) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the term of a config's `loss.reconstruction`; of a palette, that with shares of classes."""
    if kind != 'cross_entropy':
        return {'l1': functional.l1_loss, 'l2': functional.mse_loss}[kind]
    centers, width = torch.tensor(space['centers']), 2 * space['sigma'] ** 2

    def soft_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
        means = functional.avg_pool2d(target, target.shape[2] // logits.shape[2])
        distances = sum((means[:, i, None] - centers[:, i, None, None]) ** 2 for i in range(2))
        return functional.cross_entropy(logits, functional.softmax(-distances / width, 1))

    return soft_cross_entropy


def build_optimizer(fields: Fields, network: nn.Module) -> torch.optim.Optimizer:
    """Return Adam or AdamW, whose weights decay in kernels outside of the encoder. The rate is constant."""
    rate, betas = fields['learning_rate'], (fields['b1'], fields['b2'])
    if fields['name'] == 'adam':
        return torch.optim.Adam(network.parameters(), rate, betas)
    named = [(name.startswith('encoder.'), p) for name, p in network.named_parameters() if p.requires_grad]
    groups = [
        {'params': [p for inside, p in named if inside], 'lr': rate * fields['backbone_factor'], 'weight_decay': 0.0},
        {'params': [p for inside, p in named if not inside and p.ndim < 2], 'weight_decay': 0.0},
        {'params': [p for inside, p in named if not inside and p.ndim > 1]},
    ]
    return torch.optim.AdamW(groups, rate, betas, weight_decay=fields['weight_decay'])


def build_step(config: Fields, *, compiled: bool = False) -> tuple[Training, Callable[[], object]]:
    """Return a config's training, and a function that takes a step of it on noise."""
    torch.manual_seed(0)
    training = Training(config, compiled=compiled)
    size, batch = config['data']['image_size'], config['data']['batch_size']
    colors, scale = (3, 1.0) if config['space']['name'] == 'rgb' else (2, 0.5)
    scale *= 100 if config['space']['name'] == 'palette' else 1

    def pictures(channels: int, size: int) -> Tensor:
        return (2 * torch.rand(batch, channels, size, size) - 1).contiguous(memory_format=torch.channels_last)

    inputs = [pictures(1, size), scale * pictures(colors, size)]
    if config['generator'].get('hints'):
        inputs.append((torch.rand(batch, 1, size // 4, size // 4) < 0.02) * pictures(3, size // 4))
    return training, lambda: training.step(*inputs)


if __name__ == '__main__':
    build_step(json.load(sys.stdin))[1]()
    print('the first step is taken', flush=True)
