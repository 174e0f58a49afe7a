"""The baseline of Ramlal: a convolutional network that says u* and v* of CIELUV by least squares, at 224 px.

The slides show no layers and name no optimizer, so this is a plain encoder-decoder of ours without skips. Their
losses (0.0017 in training, 0.0035 in validation) have no scale and can't be compared.

    python -m jaxcolor.main --config=configs/photos_luv_regression.py --config.data.source=folder:/path/to/pictures
"""

import ml_collections

from jaxcolor import config as configs


def get_config(variant: str = '') -> ml_collections.ConfigDict:
    configs.check_variant(variant, 'smoke')
    config = configs.default()
    config.data.update(source='folder:photos', train_split='train[:80%]', test_split='train[80%:]', image_size=224)
    configs.choose(config, 'space', 'luv')
    configs.choose(config, 'generator', 'unet', depth=4, filters=32, activation='relu', skips=False, dropout_layers=0)
    config.discriminator = None
    config.loss.update(reconstruction='l2', reconstruction_weight=1.0)
    config.generator_optimizer.update(learning_rate=1e-3, b1=0.9)
    config.early_stopping.metric = 'target_mse'
    config.num_epochs = 50.0
    if variant == 'smoke':
        configs.smoke(config, image_size=32)
        config.generator.filters = 4
    return config
