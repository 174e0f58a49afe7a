"""Make the golden files of ResNet-18 and its U-Net from PyTorch: `python tests/models/golden/resnet_make.py`.

Weights are not stored: `draw_entry` makes the same ones here and in the tests.
"""

import runpy
from collections.abc import Mapping
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
FILTERS, SIZE, BATCH = 2, 64, 2
GRADIENTS = {
    1: ('conv1.weight', 'layer1.1.conv2.weight', 'layer2.0.downsample.0.weight', 'layer4.0.bn1.bias'),
    3: ('conv1.weight', 'bn1.weight', 'layer3.0.conv1.weight', 'layer4.1.conv2.weight'),
}
DECODER_GRADIENTS = (
    'double_3/kernel',
    'up_0_1/kernel',
    'skip_norm_0/scale',
    'residual_0/kernel',
    'output/bias',
)

draw = runpy.run_path(str(FOLDER / 'make.py'))['draw']


def draw_entry(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Draw what a state dict holds under `name`: scales and variances about 1, all else about 0."""
    if name.endswith('num_batches_tracked'):
        return np.zeros(shape, np.int64)
    about_one = name.endswith('running_var') or (len(shape) == 1 and name.endswith('weight'))
    return np.abs(draw(name, shape) + about_one) if about_one else draw(name, shape)


def draw_state_dict(golden: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Draw the state dict whose names and shapes a golden file lists."""
    entries = (entry.split() for entry in golden['entries'])
    return {name: draw_entry(name, tuple(map(int, shape))) for name, *shape in entries}


def main() -> None:
    import torch
    from resnet_networks import ResNet18, ResNetUNet
    from torch import nn
    from torch_networks import kernel_to_numpy, to_numpy, to_torch

    def load(network: nn.Module) -> None:
        state = network.state_dict()
        network.load_state_dict({n: torch.from_numpy(draw_entry(n, tuple(t.shape))) for n, t in state.items()})

    def encoder(channels: int) -> dict[str, np.ndarray]:
        network = ResNet18(channels, FILTERS, classes=3)
        load(network)
        x = to_torch(draw('x', (BATCH, SIZE, SIZE, channels)))
        result = {'entries': np.array([' '.join(map(str, (n, *t.shape))) for n, t in network.state_dict().items()])}
        network.eval()
        result |= {f'eval {i}': to_numpy(f) for i, f in enumerate(network(x))}
        network.train()
        features = network(x)
        result['train'] = to_numpy(features[-1])
        sum((f * to_torch(draw(f'cotangent_{i}', to_numpy(f).shape))).sum() for i, f in enumerate(features)).backward()
        parameters = dict(network.named_parameters())
        return result | {f'grad {n}': kernel_to_numpy(parameters[n].grad) for n in GRADIENTS[channels]}

    def unet() -> dict[str, np.ndarray]:
        network = ResNetUNet(1, FILTERS)
        load(network.backbone)
        parameters = {}
        for name, layer in network.decoder():
            norm = isinstance(layer, nn.BatchNorm2d)
            for leaf, p in (('scale' if norm else 'kernel', layer.weight), ('bias', layer.bias)):
                parameters[f'{name}/{leaf}'] = p
                value = draw(f'{name}/{leaf}', kernel_to_numpy(p).shape)
                if name.startswith('double') and leaf == 'kernel':
                    # jaxcolor's blocks of 2 x 2 are the slower index of the channels, PyTorch's the faster.
                    value = value.reshape(*value.shape[:3], 4, -1).swapaxes(3, 4).reshape(value.shape)
                elif name.startswith('double'):
                    value = value.reshape(4, -1).T.ravel()
                p.data = torch.from_numpy(np.ascontiguousarray(value.transpose(3, 2, 0, 1) if p.ndim == 4 else value))
        x = to_torch(draw('x', (BATCH, SIZE, SIZE, 1)))
        network.eval()
        result = {'eval': to_numpy(network(x))}
        network.train()
        output = network(x)
        (output * to_torch(draw('cotangent', to_numpy(output).shape))).sum().backward()
        result |= {
            'train': to_numpy(output),
            'grad conv1': kernel_to_numpy(network.backbone.conv1.weight.grad),
        }
        for name in DECODER_GRADIENTS:
            gradient = kernel_to_numpy(parameters[name].grad)
            if name.startswith('double'):
                gradient = gradient.reshape(*gradient.shape[:3], -1, 4).swapaxes(3, 4).reshape(gradient.shape)
            result[f'grad {name}'] = gradient
        return result

    for channels in (1, 3):
        np.savez_compressed(FOLDER / f'resnet_{channels}.npz', **encoder(channels))
    parameters = sum(p.numel() for p in ResNetUNet(1).parameters())
    np.savez_compressed(FOLDER / 'resnet_unet.npz', parameters=parameters, **unet())
    torchvision = sum(p.numel() for p in ResNet18().parameters())
    without_fc = torchvision - sum(p.numel() for p in ResNet18().fc.parameters())
    # torchvision's documentation and the number that the colourings of the cited source print.
    assert (torchvision, without_fc) == (11_689_512, 11_176_512)
    assert sum(p.numel() for p in ResNetUNet(3).parameters()) == 31_113_008


if __name__ == '__main__':
    main()
