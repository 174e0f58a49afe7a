"""The GAN of Ramlal: five convolutional and five deconvolutional blocks with skips, CIELUV, 224 px.

The discriminator has six convolutional blocks and one dense layer. The slides give neither widths nor losses nor
rates: widths double from 64, and the rest is pix2pix'.

    python -m jaxcolor.main --config=configs/photos_luv_gan.py --config.data.source=folder:/path/to/pictures
"""

import ml_collections

from jaxcolor import config as configs


def get_config(variant: str = '') -> ml_collections.ConfigDict:
    configs.check_variant(variant, 'smoke')
    config = configs.default()
    config.data.update(source='folder:photos', train_split='train[:80%]', test_split='train[80%:]', image_size=224)
    configs.choose(config, 'space', 'luv')
    configs.choose(config, 'generator', 'unet', depth=5, activation='relu')
    configs.choose(
        config,
        'discriminator',
        'dense',
        widths=(4, 4, 4, 4, 8, 8) if variant else (64, 128, 256, 512, 512, 512),
        kernel_sizes=(4, 4, 4, 4, 4, 4),
        convs_per_pool=1,
        pool='stride',
        norm='batch',
        hidden=(),
        dropout=0.0,
    )
    if variant == 'smoke':
        configs.smoke(config, image_size=64)
        config.generator.filters = 4
    return config
