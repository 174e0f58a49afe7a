"""The networks of Kanojia23 sections 5.2 and 5.3 in PyTorch, and what these and others need to be set and read."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn


class SameConv(nn.Conv2d):
    """TensorFlow's "SAME" padding: what the stride leaves of the kernel, the smaller half before."""

    def __init__(self, ins: int, outs: int, size: int, stride: int = 1, groups: int = 1, bias: bool = True) -> None:
        before, odd = divmod(size - stride, 2)
        super().__init__(ins, outs, size, stride, 0 if odd else before, groups=groups, bias=bias)
        self.uneven = (before, before + 1, before, before + 1) if odd else None

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(nn.functional.pad(x, self.uneven) if self.uneven else x)


class UNet(nn.Module):
    """The pix2pix U-Net, written as two lists instead of nested blocks."""

    def __init__(self, filters: int, depth: int, out_channels: int = 2, dropout: float = 0.5) -> None:
        super().__init__()
        widths = [filters * min(2**i, 8) for i in range(depth)]
        ins = [1, *widths[:-1]]
        self.down = nn.ModuleList(nn.Conv2d(c, d, 4, 2, 1, bias=False) for c, d in zip(ins, widths, strict=True))
        self.down_norm = nn.ModuleList(nn.BatchNorm2d(w) for w in widths[1:-1])
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(
                widths[i] * (1 if i == depth - 1 else 2), widths[i - 1] if i else out_channels, 4, 2, 1, bias=not i
            )
            for i in range(depth)
        )
        self.up_norm = nn.ModuleList(nn.BatchNorm2d(w) for w in widths[:-1])
        self.dropout = nn.Dropout(dropout)
        self.dropped = range(depth - 1 - max(depth - 5, 0), depth - 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        last = len(self.down) - 1
        for i, conv in enumerate(self.down):
            x = conv(nn.functional.leaky_relu(x, 0.2) if i else x)
            if 0 < i < last:
                x = self.down_norm[i - 1](x)
            skips.append(x)
        x = skips.pop()
        for i in range(last, 0, -1):
            x = self.up_norm[i - 1](self.up[i](torch.relu(x)))
            if i in self.dropped:
                x = self.dropout(x)
            x = torch.cat([skips.pop(), x], 1)
        return torch.tanh(self.up[0](torch.relu(x)))


class PatchGAN(nn.Module):
    """The pix2pix discriminator over n_layers strided convolutions."""

    def __init__(self, filters: int, n_layers: int, in_channels: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(in_channels, filters, 4, 2, 1), nn.LeakyReLU(0.2)]
        for i in range(1, n_layers + 1):
            stride = 1 if i == n_layers else 2
            layers += [
                nn.Conv2d(filters * min(2 ** (i - 1), 8), filters * min(2**i, 8), 4, stride, 1, bias=False),
                nn.BatchNorm2d(filters * min(2**i, 8)),
                nn.LeakyReLU(0.2),
            ]
        layers.append(nn.Conv2d(filters * min(2**n_layers, 8), 1, 4, 1, 1))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.layers(torch.cat([x, y], 1))


def to_torch(a: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(a.transpose(0, 3, 1, 2) if a.ndim == 4 else a))


def to_numpy(t: Tensor) -> np.ndarray:
    a = t.detach().numpy()
    return a.transpose(0, 2, 3, 1) if a.ndim == 4 else a


def kernel_to_numpy(t: Tensor) -> np.ndarray:
    a = t.detach().numpy()
    return a.transpose(2, 3, 1, 0) if a.ndim == 4 else a.T


def layers(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield convolutions and norms under the names that they have in jaxcolor."""
    if isinstance(network, UNet):
        for kind, first in (('down', 0), ('up', 0), ('down_norm', 1), ('up_norm', 1)):
            for i, layer in enumerate(getattr(network, kind), first):
                yield f'{kind}_{i}', layer
    elif isinstance(network, PatchGAN):
        convs = [layer for layer in network.layers if isinstance(layer, nn.Conv2d)]
        norms = [layer for layer in network.layers if isinstance(layer, nn.BatchNorm2d)]
        yield from ((f'conv_{i}', layer) for i, layer in enumerate(convs[:-1]))
        yield from ((f'norm_{i}', layer) for i, layer in enumerate(norms, 1))
        yield 'logits', convs[-1]
    else:  # it has them
        yield from (
            (name, layer) for name, layer in network.named_children() if getattr(layer, 'weight', None) is not None
        )


def parameters(network: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    for name, layer in layers(network):
        weight = 'scale' if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) else 'kernel'
        normalized = nn.utils.parametrize.is_parametrized(layer)
        yield f'{name}/{weight}', layer.parametrizations.weight.original if normalized else layer.weight
        if layer.bias is not None:
            yield f'{name}/bias', layer.bias


def load(network: nn.Module, draw: Callable[[str, tuple[int, ...]], np.ndarray]) -> None:
    """Set every parameter to what `draw` makes of its name and shape in jaxcolor."""
    for name, p in parameters(network):
        value = draw(name, kernel_to_numpy(p).shape)
        p.data = torch.from_numpy(np.ascontiguousarray(value.transpose(3, 2, 0, 1) if p.ndim == 4 else value.T))
