"""pix2pix of Naim25, section 4: a U-Net of seven levels from grey to RGB at 128 px, against a PatchGAN.

The report gives no rates and no weight of L1: those of pix2pix, 2e-4 and 100, fit its generator loss of 14 to 16
(an L1 of about 0.13 in [-1, 1]). It trains for 10 epochs, then 10 more.

    python -m jaxcolor.main --config=configs/photos_pix2pix_rgb.py --config.data.source=folder:/path/to/pictures
"""

import ml_collections

from jaxcolor import config as configs


def get_config(variant: str = '') -> ml_collections.ConfigDict:
    configs.check_variant(variant, 'smoke')
    config = configs.default()
    config.data.update(source='folder:photos', train_split='train[:80%]', test_split='train[80%:]', image_size=128)
    configs.choose(config, 'space', 'rgb')
    configs.choose(config, 'generator', 'unet', depth=7)
    config.num_epochs = 20.0
    if variant == 'smoke':
        configs.smoke(config, image_size=32)
        config.generator.update(depth=5, filters=4)
        config.discriminator.update(n_layers=1, filters=4)
    return config
