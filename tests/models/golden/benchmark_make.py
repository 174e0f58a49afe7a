"""Make the golden file of the networks that speed is compared with: `python tests/models/golden/benchmark_make.py`.

Each has as many parameters as ours at full size, and says the same at small widths. Those of Kanojia23 and of the model
that comes along have golden files of their own. Weights are not stored: `draw` makes the same ones here and in the
tests.
"""

import runpy
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
BATCH, SIZE = 2, 32
make = runpy.run_path(str(FOLDER / 'make.py'))
draw = make['draw']

# What makes a config's networks small, and what they drop nothing with.
NARROW = {
    'cifar_dcgan': (
        {'filters': 2},
        {'widths': (2, 3, 4, 4), 'hidden': (8,), 'dropout': 0.0, 'hidden_dropout': 0.0},
    ),
    'cifar_unet_regression': ({'filters': 2, 'depth': 3}, None),
    'cifar_valid_gan': ({'filters': 2}, {'widths': (2, 3, 4, 4, 5, 5, 6, 6), 'hidden': (8, 6, 4)}),
    'landscapes_spectral_gan': (
        {'depth': 4, 'widths': (2, 3, 4, 6), 'up_widths': (6, 4, 3), 'dropout': 0.0, 'dropout_layers': 3},
        {'filters': 2},
    ),
}
CONFIGS = (*NARROW, 'photos', 'photos_resnet_unet')


def inputs(network: str, colors: int) -> list[np.ndarray]:
    """Return what a generator or a discriminator is given, [b, h, w, c]."""
    channels = {'x': 1} if network == 'generator' else {'x': 1, 'y': colors}
    return [draw(name, (BATCH, SIZE, SIZE, c)) for name, c in channels.items()]


def leading_vector(matrix: np.ndarray) -> np.ndarray:
    """Return the left singular vector of the largest singular value."""
    return np.linalg.svd(matrix, full_matrices=False)[0][:, 0]


def main() -> None:
    import torch
    from torch_build import build_discriminator, build_generator, count
    from torch_networks import kernel_to_numpy, layers, load, parameters, to_numpy, to_torch

    from jaxcolor import experiments
    from jaxcolor.color.spaces import build_space

    def run(network: torch.nn.Module, pictures: list[np.ndarray]) -> dict[str, np.ndarray]:
        load(network, draw)
        for _, layer in layers(network):
            if torch.nn.utils.parametrize.is_parametrized(layer):
                norm, kernel = layer.parametrizations.weight[0], layer.parametrizations.weight.original.detach()
                u = torch.from_numpy(leading_vector(kernel.flatten(1).numpy()))
                norm._u.copy_(u)
                norm._v.copy_(torch.nn.functional.normalize(kernel.flatten(1).T @ u, dim=0))
        tensors = [to_torch(a).requires_grad_() for a in pictures]
        output = network(*tensors)
        (output * to_torch(draw('cotangent', to_numpy(output).shape))).sum().backward()
        gradients = {f'grad {name}': kernel_to_numpy(p.grad) for name, p in parameters(network) if p.ndim > 1}
        kept = {name: gradients[name] for name in (min(gradients), max(gradients))}
        return {'train': to_numpy(output), 'grad input': to_numpy(tensors[-1].grad)} | kept

    result: dict[str, np.ndarray] = {}
    for name in CONFIGS:
        config = experiments.get_config(name)
        fields, size = config.to_dict(), config.data.image_size
        colors = build_space(fields['space']).channels
        result[f'{name} generator count'] = np.array(count(build_generator(fields['generator'], colors)))
        if fields['discriminator']:
            discriminator = build_discriminator(fields['discriminator'], colors, size)
            result[f'{name} discriminator count'] = np.array(count(discriminator))
        for kind, narrow in zip(('generator', 'discriminator'), NARROW.get(name, ()), strict=False):
            if narrow is not None:
                small = fields[kind] | narrow
                built = (
                    build_generator(small, colors) if kind == 'generator' else build_discriminator(small, colors, SIZE)
                )
                values = run(built, inputs(kind, colors))
                result |= {f'{name} {kind} {key}': value for key, value in values.items()}
    np.savez_compressed(FOLDER / 'benchmark.npz', **result)


if __name__ == '__main__':
    main()
