"""Make the golden files from PyTorch: `python tests/models/golden/make.py`.

Weights are not stored: `draw` makes the same ones here and in the tests.
"""

import zlib
from pathlib import Path

import numpy as np

FILTERS, SIZE, DEPTH, N_LAYERS, BATCH = 2, 32, 5, 2, 2
GRADIENTS = {
    'unet': ('down_0/kernel', 'down_3/kernel', 'up_4/kernel', 'up_1/kernel', 'up_norm_2/scale', 'up_0/bias'),
    'patchgan': ('conv_0/kernel', 'conv_0/bias', 'conv_2/kernel', 'norm_1/bias', 'logits/kernel'),
}


def draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Draw the array called `name`, the same ever after: scales about 1, all else about 0."""
    values = 0.2 * np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    return (values + name.endswith('scale')).astype(np.float32)


def main() -> None:
    import torch
    import torch_networks
    from torch import nn
    from torch_networks import kernel_to_numpy, layers, load, parameters, to_numpy, to_torch

    def run(kind: str, network: nn.Module, inputs: list[np.ndarray]) -> dict[str, np.ndarray]:
        pixels = {}
        load(network, draw)
        for name, layer in layers(network):
            if isinstance(layer, nn.BatchNorm2d):
                layer.register_forward_pre_hook(
                    lambda _, args, name=name: pixels.update({name: args[0].numel() // args[0].shape[1]})
                )
        tensors = [to_torch(a).requires_grad_() for a in inputs]
        output = network(*tensors)
        (output * to_torch(draw('cotangent', to_numpy(output).shape))).sum().backward()
        result = {'train': to_numpy(output), 'grad input': to_numpy(tensors[-1].grad)}
        result |= {f'grad {n}': kernel_to_numpy(p.grad) for n, p in parameters(network) if n in GRADIENTS[kind]}
        for name, layer in layers(network):
            if isinstance(layer, nn.BatchNorm2d):
                # PyTorch keeps the unbiased variance, Flax and Keras the biased one.
                layer.running_var = 0.9 + (layer.running_var - 0.9) * (pixels[name] - 1) / pixels[name]
                result[f'mean {name}'] = layer.running_mean.numpy()
                result[f'var {name}'] = layer.running_var.numpy()
        network.eval()
        return result | {'eval': to_numpy(network(*tensors))}

    def spectral() -> dict[str, np.ndarray]:
        result = {}
        for kind, layer in (
            ('conv', nn.Conv2d(3, 5, 4, 2, 1, bias=False)),
            ('conv_transpose', nn.ConvTranspose2d(3, 5, 4, 2, 1, bias=False)),
        ):
            value = draw(kind, kernel_to_numpy(layer.weight).shape)
            layer.weight.data = torch.from_numpy(np.ascontiguousarray(value.transpose(3, 2, 0, 1)))
            layer = nn.utils.parametrizations.spectral_norm(layer)
            norm = layer.parametrizations.weight[0]
            matrix = norm._reshape_weight_to_matrix(layer.parametrizations.weight.original)
            u = torch.nn.functional.normalize(torch.from_numpy(draw('u', (5,))), dim=0)
            norm._u.copy_(u)
            norm._v.copy_(torch.nn.functional.normalize(matrix.detach().T @ u, dim=0))
            x = to_torch(draw('x', (2, 4, 4, 3)))
            result[f'{kind} train'] = to_numpy(layer(x))
            result[f'{kind} u'] = norm._u.numpy().copy()
            layer.eval()
            result[f'{kind} eval'] = to_numpy(layer(x))
        return result

    folder = Path(__file__).parent
    x, y = draw('x', (BATCH, SIZE, SIZE, 1)), draw('y', (BATCH, SIZE, SIZE, 2))
    np.savez(folder / 'unet.npz', **run('unet', torch_networks.UNet(FILTERS, DEPTH), [x]))
    np.savez(folder / 'patchgan.npz', **run('patchgan', torch_networks.PatchGAN(FILTERS, N_LAYERS), [x, y]))
    np.savez(folder / 'spectral_norm.npz', **spectral())
    counts = {
        'unet': sum(p.numel() for p in torch_networks.UNet(64, 8).parameters()),
        'patchgan': sum(p.numel() for p in torch_networks.PatchGAN(64, 3).parameters()),
    }
    np.savez(folder / 'parameter_counts.npz', **counts)


if __name__ == '__main__':
    main()
