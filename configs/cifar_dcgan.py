"""DCGAN of seed 000, architecture 1: a plain convolutional encoder-decoder against a dense discriminator.

TFDS_DATA_DIR=… python -m jaxcolor.main --config=configs/cifar_dcgan.py
"""

import ml_collections

from jaxcolor import config as configs


def get_config(variant: str = '') -> ml_collections.ConfigDict:
    configs.check_variant(variant, 'smoke')
    config = configs.default()
    config.data.update(source='tfds:cifar10', image_size=32, batch_size=64)
    configs.choose(config, 'generator', 'dcgan')
    configs.choose(config, 'discriminator', 'dense')
    config.num_epochs = 50.0
    config.log_every = 100
    if variant == 'smoke':
        config.update(num_steps=4, eval_every=4, log_every=2)
        config.data.update(batch_size=8, train_split='train[:64]', test_split='test[:24]')
    return config
