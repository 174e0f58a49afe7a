"""Make the golden file from PyTorch and scikit-image: `python tests/training/golden/make.py`.

Three steps of the game of Kanojia23 section 5.5 on noise: colours converted by scikit-image, networks and
gradients by PyTorch, plain gradient descent.
"""

import runpy
import sys
from pathlib import Path

import numpy as np

FILTERS, SIZE, DEPTH, N_LAYERS, BATCH, STEPS, RATE = 2, 32, 5, 1, 4, 3, 1e-3
KEPT = {
    'generator': ('down_0/kernel', 'down_2/kernel', 'up_4/kernel', 'up_norm_2/scale', 'up_0/bias'),
    'discriminator': ('conv_0/kernel', 'conv_0/bias', 'norm_1/scale', 'logits/kernel'),
}
draw = runpy.run_path(str(Path(__file__).parents[2] / 'models/golden/make.py'))['draw']


def image() -> np.ndarray:
    """The batch, uint8 [b, h, w, 3]: the same at every step."""
    return np.random.default_rng(0).integers(0, 256, (BATCH, SIZE, SIZE, 3), np.uint8)


def main() -> None:
    import torch
    from skimage.color import rgb2lab

    sys.path.append(str(Path(__file__).parents[2] / 'models/golden'))
    from torch_networks import PatchGAN, UNet, kernel_to_numpy, load, parameters, to_torch

    lab = rgb2lab(image()).astype(np.float32)
    x, y = to_torch(lab[..., :1] / 50 - 1), to_torch(lab[..., 1:] / 110)
    players = {'generator': UNet(FILTERS, DEPTH), 'discriminator': PatchGAN(FILTERS, N_LAYERS)}
    for network in players.values():
        load(network, draw)
    generator, discriminator = players.values()
    descent = {name: torch.optim.SGD(network.parameters(), lr=RATE) for name, network in players.items()}
    bce = torch.nn.functional.binary_cross_entropy_with_logits

    losses = {'generator_loss': [], 'reconstruction': [], 'adversarial': [], 'discriminator_loss': []}
    for _ in range(STEPS):
        fake = generator(x)
        on_fake, on_real = discriminator(x, fake.detach()), discriminator(x, y)
        loss = (bce(on_fake, torch.zeros_like(on_fake)) + bce(on_real, torch.ones_like(on_real))) / 2
        losses['discriminator_loss'].append(loss.item())
        descent['discriminator'].zero_grad()
        loss.backward()
        descent['discriminator'].step()

        verdict = discriminator(x, fake)
        adversarial, reconstruction = bce(verdict, torch.ones_like(verdict)), (fake - y).abs().mean()
        loss = adversarial + 100 * reconstruction
        losses['adversarial'].append(adversarial.item())
        losses['reconstruction'].append(reconstruction.item())
        losses['generator_loss'].append(loss.item())
        descent['generator'].zero_grad()
        loss.backward()
        descent['generator'].step()

    kept = {
        f'{player} {name}': kernel_to_numpy(p)
        for player, network in players.items()
        for name, p in parameters(network)
        if name in KEPT[player]
    }
    np.savez(Path(__file__).with_name('game.npz'), **losses, **kept)


if __name__ == '__main__':
    main()
