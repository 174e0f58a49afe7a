"""A small system that every test of the training can afford."""

import ml_collections

from jaxcolor import config as configs


def make_config() -> ml_collections.ConfigDict:
    config = configs.default()
    config.data.update(image_size=16, batch_size=8)
    configs.choose(config, 'generator', 'unet', depth=3, filters=4, dropout_layers=0)
    configs.choose(config, 'discriminator', 'patchgan', n_layers=1, filters=4)
    for player in ('generator_optimizer', 'discriminator_optimizer'):
        config[player] = ml_collections.ConfigDict({'name': 'sgd', 'learning_rate': 0.1})
    config.data.flip = False
    return config
