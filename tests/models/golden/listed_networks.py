"""The networks of Mehani23 and Akshat23 in PyTorch: those of keras_networks.py, their layers named as in jaxcolor.

Keras' defaults: 'same' padding where nothing else is said, BatchNorm's epsilon and momentum, LeakyReLU of slope 0.3.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_networks import SameConv

SLOPE = 0.3


def norm(width: int, kind: type[nn.Module] = nn.BatchNorm2d) -> nn.Module:
    return kind(width, eps=1e-3, momentum=0.01)


def flat(x: Tensor) -> Tensor:
    """Flatten pictures as Keras does, channels last."""
    return x.permute(0, 2, 3, 1).flatten(1)


class DCGAN(nn.Module):
    """The generator of Mehani23 Figure 4."""

    def __init__(self, filters: int = 32, out_channels: int = 2) -> None:
        super().__init__()
        widths = [filters * n for n in (1, 2, 4, 4, 8, 4, 2, 1)] + [out_channels]
        for i, (c, d) in enumerate(zip([1, *widths[:-1]], widths, strict=True)):
            self.add_module(f'Conv_{i}', SameConv(c, d, 3, 2 if i in (1, 2) else 1))
        for i, place in enumerate((1, 3, 4, 5, 6, 8)):
            self.add_module(f'Norm_{i}', norm(widths[place]))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.Conv_0(x))
        x = self.Norm_0(torch.relu(self.Conv_1(x)))
        x = torch.relu(self.Conv_2(x))
        x = self.Norm_1(torch.relu(self.Conv_3(x)))
        x = self.Norm_2(torch.relu(self.Conv_4(x)))
        x = self.Norm_3(torch.relu(self.Conv_5(functional.interpolate(x, scale_factor=2))))
        x = self.Norm_4(torch.relu(self.Conv_6(functional.interpolate(x, scale_factor=2))))
        x = torch.relu(self.Conv_7(x))
        return torch.tanh(self.Norm_5(self.Conv_8(x)))


class DenseDiscriminator(nn.Module):
    """The discriminators of Mehani23 Figures 6 (the defaults) and 19, up to their logits."""

    def __init__(
        self,
        widths: Sequence[int] = (32, 32, 64, 64),
        kernel_sizes: Sequence[int] = (3, 3, 3, 3),
        pool: str = 'average',
        dropout: float = 0.25,
        hidden: Sequence[int] = (512,),
        activation: str = 'leaky_relu',
        hidden_norm: str = 'batch',
        hidden_dropout: float = 0.5,
        conditional: bool = True,
        size: int = 32,
        colors: int = 2,
    ) -> None:
        super().__init__()
        self.convs, self.hidden, self.conditional = len(widths), len(hidden), conditional
        self.slope = 0.2 if activation == 'leaky_relu' else 0.0
        self.pool = functional.avg_pool2d if pool == 'average' else functional.max_pool2d
        self.dropout, self.hidden_dropout = nn.Dropout(dropout), nn.Dropout(hidden_dropout)
        ins = (colors + conditional, *widths[:-1])
        for i, (c, d, kernel) in enumerate(zip(ins, widths, kernel_sizes, strict=True)):
            self.add_module(f'Conv_{i}', SameConv(c, d, kernel))
        ins = (widths[-1] * (size >> len(widths) // 2) ** 2, *hidden)
        for i, (c, d) in enumerate(zip(ins, (*hidden, 1), strict=True)):
            self.add_module(f'Dense_{i}', nn.Linear(c, d))
        for i, d in enumerate(hidden):
            self.add_module(f'Norm_{i}', norm(d, nn.BatchNorm1d) if hidden_norm == 'batch' else nn.Identity())

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        h = torch.cat([x, y], 1) if self.conditional else y
        for i in range(self.convs):
            h = torch.relu(self.get_submodule(f'Conv_{i}')(h))
            h = self.dropout(self.pool(h, 2)) if i % 2 else h
        h = flat(h)
        for i in range(self.hidden):
            h = functional.leaky_relu(self.get_submodule(f'Dense_{i}')(h), self.slope)
            h = self.hidden_dropout(self.get_submodule(f'Norm_{i}')(h))
        return self.get_submodule(f'Dense_{self.hidden}')(h)


class Valid(nn.Module):
    """The generator of Mehani23 Figure 18."""

    def __init__(self, filters: int = 16, out_channels: int = 3) -> None:
        super().__init__()
        width = 1
        for level in range(3):
            f = filters << level
            for i, (kernel, features) in enumerate(((5, f), (3, 2 * f), (3, 2 * f))):
                self.add_module(f'down_{level}_{i}', nn.Conv2d(width, features, kernel))
                width = features
        self.bottleneck = SameConv(width, width, 3)
        for level in (2, 1, 0):
            f = filters << level
            last = f if level else out_channels
            width += 2 * f
            for i, (kernel, features) in enumerate(((3, 2 * f), (3, 2 * f), (5, last))):
                self.add_module(f'up_{level}_{i}', nn.ConvTranspose2d(width, features, kernel))
                width = features

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for level in range(3):
            for i in range(3):
                x = functional.leaky_relu(self.get_submodule(f'down_{level}_{i}')(x), SLOPE)
            skips.append(x)
        x = torch.tanh(self.bottleneck(x))
        for level in (2, 1, 0):
            x = torch.cat([x, skips.pop()], 1)
            for i in range(3):
                x = torch.relu(self.get_submodule(f'up_{level}_{i}')(x))
        return x


class ConvUNet(nn.Module):
    """The generator of Mehani23 Figures 28 and 29."""

    def __init__(self, filters: int = 64, depth: int = 5, out_channels: int = 3) -> None:
        super().__init__()
        self.depth = depth
        for level in range(depth):
            width = filters << level
            self._convs(f'down_{level}', width // 2 if level else 1, width)
            if level < depth - 1:
                self.add_module(f'up_{level}', nn.ConvTranspose2d(2 * width, width, 2, 2))
                self._convs(f'merge_{level}', 2 * width, width)
        self.last = nn.Conv2d(filters, out_channels, 1)

    def _convs(self, name: str, ins: int, width: int) -> None:
        for i in range(2):
            self.add_module(f'{name}_{i}', SameConv(width if i else ins, width, 3))
            self.add_module(f'{name}_norm_{i}', norm(width))

    def _run(self, x: Tensor, name: str, slope: float) -> Tensor:
        for i in range(2):
            x = self.get_submodule(f'{name}_norm_{i}')(self.get_submodule(f'{name}_{i}')(x))
            x = functional.leaky_relu(x, slope) if slope else torch.relu(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for level in range(self.depth):
            x = self._run(functional.max_pool2d(x, 2) if level else x, f'down_{level}', 0.2)
            skips.append(x)
        x = skips.pop()
        for level in reversed(range(self.depth - 1)):
            x = torch.cat([skips.pop(), self.get_submodule(f'up_{level}')(x)], 1)
            x = self._run(x, f'merge_{level}', 0.0)
        return self.last(x)


def spectral(layer: nn.Module, iterations: int) -> nn.Module:
    """Return the layer with Keras' spectral norm, which sets a kernel's last axis against the rest."""
    return nn.utils.parametrizations.spectral_norm(layer, n_power_iterations=iterations, dim=0)


class SpectralUNet(nn.Module):
    """The generator of Akshat23 Figures 3.8 to 3.10."""

    def __init__(
        self,
        widths: Sequence[int] = (32, 64, 128, 128, 256, 256, 512),
        up_widths: Sequence[int] = (512, 256, 256, 128, 128, 64),
        out_channels: int = 2,
        dropout: float = 0.5,
        dropout_layers: int = 4,
        iterations: int = 10,
    ) -> None:
        super().__init__()
        self.depth, self.dropout = len(widths), nn.Dropout(dropout)
        self.dropped = range(self.depth - dropout_layers, self.depth)
        width = 1
        for level, features in enumerate(widths):
            self.add_module(f'down_{level}', spectral(nn.Conv2d(width, features, 4, 2, 1, bias=False), iterations))
            if level:
                self.add_module(f'down_norm_{level}', norm(features))
            width = features
        for level, features in zip(range(self.depth - 1, 0, -1), up_widths, strict=True):
            conv = nn.ConvTranspose2d(width, features, 4, 2, 1, bias=False)
            self.add_module(f'up_{level}', spectral(conv, iterations))
            width = features + widths[level - 1]
        self.up_0 = nn.ConvTranspose2d(width, out_channels, 4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for level in range(self.depth):
            x = self.get_submodule(f'down_{level}')(x)
            x = functional.leaky_relu(self.get_submodule(f'down_norm_{level}')(x) if level else x, SLOPE)
            skips.append(x)
        x = skips.pop()
        for level in range(self.depth - 1, 0, -1):
            x = self.get_submodule(f'up_{level}')(x)
            x = self.dropout(x) if level in self.dropped else x
            x = torch.cat([torch.relu(x), skips.pop()], 1)
        return torch.tanh(self.up_0(x))


class SpectralPatchGAN(nn.Module):
    """The discriminator of Akshat23 Figure 3.11."""

    def __init__(self, filters: int = 32, colors: int = 2, iterations: int = 10) -> None:
        super().__init__()
        width = 1 + colors
        for i in range(4):
            conv = SameConv(width, filters << i, 4, 2 if i < 2 else 1, bias=False)
            self.add_module(f'conv_{i}', spectral(conv, iterations) if i < 2 else conv)
            width = filters << i
            if i:
                self.add_module(f'norm_{i}', norm(width))
        self.logits = SameConv(width, 1, 4)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        h = torch.cat([x, y], 1)
        for i in range(4):
            h = self.get_submodule(f'conv_{i}')(h)
            h = functional.leaky_relu(self.get_submodule(f'norm_{i}')(h) if i else h, SLOPE)
        return self.logits(h)
