"""ResNet-18 with torchvision's names, and the U-Net that fastai 2.4's DynamicUnet builds on it, in PyTorch."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional


class BasicBlock(nn.Module):
    def __init__(self, ins: int, outs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(ins, outs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outs)
        self.conv2 = nn.Conv2d(outs, outs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outs)
        self.downsample = (
            nn.Sequential(nn.Conv2d(ins, outs, 1, stride, bias=False), nn.BatchNorm2d(outs))
            if stride > 1 or ins != outs
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.downsample(x) + self.bn2(self.conv2(y)))


class ResNet18(nn.Module):
    """Returns the features at 1/2 (before the max pool), 1/4, ..., 1/32 of the picture's size."""

    def __init__(self, in_channels: int = 3, filters: int = 64, classes: int = 1000) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, filters, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        ins = filters
        for i in range(4):
            outs = filters * 2**i
            setattr(
                self,
                f'layer{i + 1}',
                nn.Sequential(BasicBlock(ins, outs, 2 if i else 1), BasicBlock(outs, outs, 1)),
            )
            ins = outs
        self.fc = nn.Linear(ins, classes)

    def forward(self, x: Tensor) -> list[Tensor]:
        features = [torch.relu(self.bn1(self.conv1(x)))]
        features.append(self.layer1(self.maxpool(features[-1])))
        for layer in (self.layer2, self.layer3, self.layer4):
            features.append(layer(features[-1]))
        return features


class UnetBlock(nn.Module):
    def __init__(self, ins: int, skip: int, last: bool) -> None:
        super().__init__()
        self.grow = nn.Conv2d(ins, ins // 2 * 4, 1)
        self.skip_norm = nn.BatchNorm2d(skip)
        joined = ins // 2 + skip
        self.outs = joined // 2 if last else joined
        self.convs = nn.ModuleList([nn.Conv2d(joined, self.outs, 3, 1, 1), nn.Conv2d(self.outs, self.outs, 3, 1, 1)])

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = functional.pixel_shuffle(torch.relu(self.grow(x)), 2)
        x = torch.relu(torch.cat([x, self.skip_norm(skip)], 1))
        for conv in self.convs:
            x = torch.relu(conv(x))
        return x


class ResNetUNet(nn.Module):
    def __init__(self, in_channels: int = 1, filters: int = 64, out_channels: int = 2) -> None:
        super().__init__()
        self.backbone = ResNet18(in_channels, filters)
        del self.backbone.fc
        width = 8 * filters
        self.middle_norm = nn.BatchNorm2d(width)
        self.middle = nn.ModuleList([nn.Conv2d(width, 2 * width, 3, 1, 1), nn.Conv2d(2 * width, width, 3, 1, 1)])
        self.blocks = nn.ModuleList()
        for level in (3, 2, 1, 0):
            self.blocks.append(UnetBlock(width, filters * 2 ** max(level - 1, 0), last=not level))
            width = self.blocks[-1].outs
        self.grow = nn.Conv2d(width, 4 * width, 1)
        width += in_channels
        self.residual = nn.ModuleList([nn.Conv2d(width, width, 3, 1, 1), nn.Conv2d(width, width, 3, 1, 1)])
        self.output = nn.Conv2d(width, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        *skips, y = self.backbone(x)
        y = torch.relu(self.middle_norm(y))
        for conv in self.middle:
            y = torch.relu(conv(y))
        for block in self.blocks:
            y = block(y, skips.pop())
        y = torch.cat([functional.pixel_shuffle(torch.relu(self.grow(y)), 2), x], 1)
        y = torch.relu(y + self.residual[1](torch.relu(self.residual[0](y))))
        return self.output(y)

    def decoder(self) -> Iterator[tuple[str, nn.Module]]:
        """Yields the layers outside the backbone under the names that they have in jaxcolor."""
        yield 'middle_norm', self.middle_norm
        for i in range(2):
            yield f'middle_{i}', self.middle[i]
            yield f'residual_{i}', self.residual[i]
        for level, block in zip((3, 2, 1, 0), self.blocks, strict=True):
            yield f'double_{level}', block.grow
            yield f'skip_norm_{level}', block.skip_norm
            for i in range(2):
                yield f'up_{level}_{i}', block.convs[i]
        yield 'double_picture', self.grow
        yield 'output', self.output
