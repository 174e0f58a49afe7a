"""A small system that every test of the training can afford."""

import ml_collections
import numpy as np
import pytest

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


@pytest.fixture
def config() -> ml_collections.ConfigDict:
    return make_config()


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), np.uint8)
