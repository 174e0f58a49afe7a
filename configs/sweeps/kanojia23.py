"""Kanojia23, sections 5 and 6.3: a U-Net or a pretrained ResNet-18, each with L1 alone first and without, at 64 px.

The report compares pix2pix' U-Net from scratch (45 epochs) with a U-Net on a ResNet-18, which learns from L1 alone
for 20 epochs before the discriminator joins. It changes both at once; here are all four. At 64 px the U-Net has six
levels, and a PatchGAN of 34 px in place of 70, for the picture has no more.

    jaxcolor sweep kanojia23 --config.data.source=folder:/path/to/pictures

The encoder's weights come from the Hugging Face hub once; without a network: --only unet,unet_warmup
"""

from jaxcolor.compare.sweep import Sweep


def get_sweep() -> Sweep:
    unet = {'generator.depth': 6}
    resnet18 = {'config': 'photos_resnet_unet'}
    return Sweep(
        config='photos_pix2pix',
        fields={'data.image_size': 64, 'discriminator.n_layers': 2, 'num_epochs': 20.0},
        variants={
            'unet': unet,
            'unet_warmup': {**unet, 'warmup_epochs': 10.0},
            'resnet18': {**resnet18, 'warmup_epochs': 0.0},
            'resnet18_warmup': {**resnet18, 'warmup_epochs': 10.0},
        },
    )
