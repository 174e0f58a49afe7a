"""pix2pix with a U-Net on a ResNet-18 trained on ImageNet (Kanojia23, sections 4.4 and 6.3).

20 epochs of L1 alone, then 20 with the PatchGAN. The report does not show the decoder; this is the one of its
cited tutorial, fastai's DynamicUnet, which ends without an activation.

    python -m jaxcolor.main --config=configs/photos_resnet_unet.py --config.data.source=folder:/path/to/pictures

The weights come from the Hugging Face hub once. Without a network name a file that you have, or nothing, to
train from scratch: --config.pretrained.weights=resnet18-f37072fd.pth or --config.pretrained.weights=
"""

import ml_collections

from jaxcolor import config as configs


def get_config(variant: str = '') -> ml_collections.ConfigDict:
    configs.check_variant(variant, 'smoke')
    config = configs.default()
    config.data.update(source='folder:photos', train_split='train[:80%]', test_split='train[80%:]', fit='squash')
    configs.choose(config, 'generator', 'resnet_unet')
    config.pretrained.weights = 'hf:timm/resnet18.tv_in1k'
    config.warmup_epochs = 20.0
    config.num_epochs = 40.0
    if variant == 'smoke':
        configs.smoke(config, image_size=64)
        config.pretrained.weights = ''
        config.generator.filters = 4
        config.discriminator.filters = 4
    return config
