"""pix2pix of Kanojia23, sections 4 and 5: a U-Net of eight levels against a PatchGAN of 70-pixel patches, at 256 px.

Dropout is the noise z of pix2pix: it stays on when pictures are coloured, as section 5.4 has it
(`sampling='dropout'`, seeded). BatchNorm then uses its running statistics, so that a picture's colours do not
depend on its neighbours in the batch. The report trains on 4,000 pictures of ImageNet and validates on 1,000.
It squashes pictures to squares, and turns those for training at random (section 6.1), it does not say by how much: up
to 10 degrees here.

    python -m jaxcolor.main --config=configs/photos_pix2pix.py --config.data.source=folder:/path/to/pictures

Least squares in place of cross-entropy: --config.loss.adversarial=lsgan.
"""

import ml_collections

from jaxcolor import config as configs


def get_config(variant: str = '') -> ml_collections.ConfigDict:
    configs.check_variant(variant, 'smoke')
    config = configs.default()
    config.data.update(source='folder:photos', train_split='train[:80%]', test_split='train[80%:]', fit='squash')
    config.data.rotation = 10.0
    config.sampling = 'dropout'
    if variant == 'smoke':
        configs.smoke(config, image_size=64)
        config.generator.update(depth=6, filters=4)
        config.discriminator.filters = 4
    return config
