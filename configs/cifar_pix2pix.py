"""pix2pix (Kanojia23 sections 4 and 5) sized for 32 px: a U-Net of five levels against a PatchGAN of 16-pixel patches.

The report's PatchGAN sees 70 pixels, more than the picture has; with `n_layers` 1 it gives 14 x 14 verdicts on
patches of 16. A U-Net of five levels has, by the report's formula, no dropout.

    TFDS_DATA_DIR=… python -m jaxcolor.main --config=configs/cifar_pix2pix.py

Ten epochs (--config.num_epochs=10 --config.dtype=bfloat16, 33 minutes on two CPU cores beside other work): as colourful
as the truth (34.2; 33.7), and by every other score worse than grey: PSNR 22.79 dB (grey 24.83), Delta E 11.64 (grey
10.46), no better than after two. The discriminator pays for colour, not for the right one, and leaves bright spots.
With an L1 that weighs ten times as much, averaged weights and a falling rate, its Delta E is below grey's, and its
PSNR is not: `jaxcolor sweep cifar_recipe`.
"""

import ml_collections

from jaxcolor import config as configs


def get_config(variant: str = '') -> ml_collections.ConfigDict:
    configs.check_variant(variant, 'smoke')
    config = configs.default()
    config.data.update(source='tfds:cifar10', image_size=32, batch_size=64)
    configs.choose(config, 'generator', 'unet', depth=5, filters=32)
    configs.choose(config, 'discriminator', 'patchgan', n_layers=1, filters=32)
    config.num_epochs = 20.0
    config.log_every = 100
    if variant == 'smoke':
        configs.smoke(config, image_size=32)
        config.generator.filters = 4
        config.discriminator.filters = 4
    return config
