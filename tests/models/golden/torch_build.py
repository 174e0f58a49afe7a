"""The networks of a config in PyTorch, as far as benchmarks ask for them. Needs no JAX."""

from collections.abc import Mapping
from typing import Any

from efficientnet_networks import EfficientNetUNet
from listed_networks import DCGAN, ConvUNet, DenseDiscriminator, SpectralPatchGAN, SpectralUNet, Valid
from resnet_networks import ResNetUNet
from torch import nn
from torch_networks import PatchGAN, UNet

Fields = Mapping[str, Any]


def build_generator(fields: Fields, out_channels: int) -> nn.Module:
    """Return the network of `config.generator`; all fields of the kind must be there."""

    def take(*names: str) -> dict[str, Any]:
        return {'out_channels': out_channels} | {name: fields[name] for name in names}

    match fields['name']:
        case 'unet' if fields['style'] == 'keras':
            iterations = fields['spectral_norm']
            return SpectralUNet(**take('widths', 'up_widths', 'dropout', 'dropout_layers'), iterations=iterations)
        case 'unet':
            return UNet(**take('filters', 'depth', 'dropout'))
        case 'dcgan':
            return DCGAN(**take('filters'))
        case 'valid':
            return Valid(**take('filters'))
        case 'conv_unet':
            return ConvUNet(**take('filters', 'depth'))
        case 'resnet_unet':
            return ResNetUNet(**take('filters'))
        case 'efficientnet_unet':
            return EfficientNetUNet(**take('widths', 'blocks', 'frozen_blocks'))
    raise ValueError(f'generator {fields["name"]!r} has not been written in PyTorch')


def build_discriminator(fields: Fields, colors: int, size: int) -> nn.Module:
    """Return the network of `config.discriminator`, for pictures of that size and `colors` channels beside grey."""
    match fields['name']:
        case 'patchgan' if fields['style'] == 'keras':
            return SpectralPatchGAN(fields['filters'], colors, fields['spectral_norm'])
        case 'patchgan':
            return PatchGAN(fields['filters'], fields['n_layers'], 1 + colors)
        case 'dense':
            names = ('widths', 'kernel_sizes', 'pool', 'dropout', 'hidden', 'activation', 'hidden_norm')
            others = {name: fields[name] for name in (*names, 'hidden_dropout', 'conditional')}
            return DenseDiscriminator(**others, colors=colors, size=size)
    raise ValueError(f'discriminator {fields["name"]!r} has not been written in PyTorch')


def count(network: nn.Module) -> int:
    """Return the number of parameters, frozen ones included."""
    return sum(parameter.numel() for parameter in network.parameters())
