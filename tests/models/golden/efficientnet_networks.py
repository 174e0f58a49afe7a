"""EfficientNet-Lite0 in PyTorch, for any width, with the names of `efficientnet_lite_pytorch`; and the U-Net on it."""

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch_networks import SameConv

# (blocks, expand, kernel, stride, channels), Tan and Le 2019, table 1.
STAGES = (
    (1, 1, 3, 1, 16),
    (2, 6, 3, 2, 24),
    (2, 6, 5, 2, 40),
    (3, 6, 3, 2, 80),
    (3, 6, 5, 1, 112),
    (4, 6, 5, 2, 192),
    (1, 6, 3, 1, 320),
)
TAPS = (0, 2, 4, 10, 15)


class Block(nn.Module):
    def __init__(self, channels, expand, kernel, stride, features):
        super().__init__()
        wide = channels * expand
        if expand > 1:
            self._expand_conv = nn.Conv2d(channels, wide, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(wide, eps=1e-3)
        self._depthwise_conv = SameConv(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = nn.BatchNorm2d(wide, eps=1e-3)
        self._project_conv = nn.Conv2d(wide, features, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(features, eps=1e-3)

    def forward(self, x):
        y = x
        if hasattr(self, '_expand_conv'):
            y = functional.relu6(self._bn0(self._expand_conv(y)))
        y = functional.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if x.shape == y.shape else y


class EfficientNetLite0(nn.Module):
    def __init__(self, channels):
        """`channels` are the stem's, then each stage's."""
        super().__init__()
        stem, *stages = channels
        self._conv_stem = SameConv(3, stem, 3, 2, bias=False)
        self._bn0 = nn.BatchNorm2d(stem, eps=1e-3)
        blocks, width = [], stem
        for (count, expand, kernel, stride, _), features in zip(STAGES, stages, strict=True):
            for i in range(count):
                blocks.append(Block(width, expand, kernel, 1 if i else stride, features))
                width = features
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = nn.Conv2d(width, 8, 1, bias=False)
        self._fc = nn.Linear(8, 3)

    def forward(self, x):
        """`x` is grey, as RGB of three equal channels."""
        x = x.expand(-1, self._conv_stem.in_channels, -1, -1)
        y = functional.relu6(self._bn0(self._conv_stem(x)))
        features = []
        for i, block in enumerate(self._blocks):
            y = block(y)
            if i in TAPS:
                features.append(y)
        return features

    def fold(self):
        """Make each norm's statistics part of the convolution before it, for grey pictures; drop the classifier."""
        self.eval()
        for module, pairs in (
            (self, (('_conv_stem', '_bn0'),)),
            *(
                (b, (('_expand_conv', '_bn0'), ('_depthwise_conv', '_bn1'), ('_project_conv', '_bn2')))
                for b in self._blocks
            ),
        ):
            for conv, norm in pairs:
                if hasattr(module, conv):
                    setattr(module, conv, fuse_conv_bn_eval(getattr(module, conv), getattr(module, norm)))
                    setattr(module, norm, nn.Identity())
        stem = self._conv_stem
        stem.in_channels, stem.weight = 1, nn.Parameter(stem.weight.detach().sum(1, keepdim=True))
        del self._conv_head, self._fc
        return self


class Decoder(nn.Module):
    """The U-Net's way up; layers are named as in Flax."""

    def __init__(self, encoded, widths, blocks, out_channels, hint_features=32):
        super().__init__()
        self.widths, self.blocks = widths, blocks
        inputs = (encoded[-1], *(w + e for w, e in zip(widths, reversed(encoded[:-1]), strict=False)))
        for name, number in (('bottom', 0), ('up_16', 1), ('up_8', 2), ('up_4', 3)):
            width = widths[number]
            self._conv(f'{name}_in', inputs[number], width)
            self._hints(f'{name}_hints', width, hint_features)
            self._norm(f'{name}_norm', width)
            for i in range(blocks[number]):
                self.add_module(f'{name}_{i}_depthwise', nn.Conv2d(width, width, 5, padding=2, groups=width))
                self._conv(f'{name}_{i}_project', width, width)
                self._norm(f'{name}_{i}_norm', width)
        self._conv('mean', encoded[-1], widths[0], bias=True)
        self._hints('mean_hints', widths[0], hint_features)
        self._conv('output', widths[3], out_channels, bias=True)

    def _conv(self, name, inputs, outputs, bias=False):
        self.add_module(name, nn.Conv2d(inputs, outputs, 1, bias=bias))

    def _hints(self, name, width, features):
        self._conv(f'{name}_0', 3, features)
        self._conv(f'{name}_1', features, width)

    def _norm(self, name, width):
        self.add_module(name, nn.BatchNorm2d(width, eps=1e-5))

    def _add_hints(self, y, hints, name):
        means = functional.adaptive_avg_pool2d(hints, y.shape[2:])
        pooled = torch.where(means[:, 2:] > 0, means / means[:, 2:].clamp(min=1e-9), torch.zeros(()))
        return y + self.get_submodule(f'{name}_1')(functional.relu(self.get_submodule(f'{name}_0')(pooled)))

    def _level(self, y, hints, number, name):
        y = self.get_submodule(f'{name}_norm')(self.get_submodule(f'{name}_in')(y))
        y = functional.relu(self._add_hints(y, hints, f'{name}_hints'))
        for i in range(self.blocks[number]):
            z = self.get_submodule(f'{name}_{i}_depthwise')(y)
            y = functional.relu(
                y + self.get_submodule(f'{name}_{i}_norm')(self.get_submodule(f'{name}_{i}_project')(z))
            )
        return y

    def forward(self, features, hints):
        _, *skips, deepest = features
        y = self._level(deepest, hints, 0, 'bottom')
        mean = self.mean(deepest.mean((2, 3), keepdim=True))
        y = y + functional.relu(self._add_hints(mean, hints, 'mean_hints'))
        for number, (skip, name) in enumerate(zip(reversed(skips), ('up_16', 'up_8', 'up_4'), strict=True), 1):
            doubled = functional.interpolate(y, scale_factor=2, mode='bilinear', align_corners=False)
            y = self._level(torch.cat([doubled, skip], 1), hints, number, name)
        return self.output(y)


class EfficientNetUNet(nn.Module):
    """The whole, of full width, its encoder folded and so many blocks of it frozen."""

    def __init__(self, widths, blocks, out_channels, frozen_blocks=0):
        super().__init__()
        stages = tuple(stage[-1] for stage in STAGES)
        self.encoder = EfficientNetLite0((32, *stages)).fold()
        if frozen_blocks:
            for module in (self.encoder._conv_stem, *self.encoder._blocks[:frozen_blocks]):
                module.requires_grad_(False)
        self.decoder = Decoder([stages[i] for i in (0, 1, 2, 4, 6)], widths, blocks, out_channels)

    def forward(self, x, hints):
        return self.decoder(self.encoder(x), hints)
