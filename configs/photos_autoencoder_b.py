"""Autoencoder B of Naim25, section 2.2: as A, with transposed convolutions, without dropout and early stopping.

    python -m jaxcolor.main --config=configs/photos_autoencoder_b.py --config.data.source=folder:/path/to/pictures

The report trains it for 50 epochs and for 300 (--config.num_epochs=300).
"""

import ml_collections

from jaxcolor import config as configs


def get_config(variant: str = '') -> ml_collections.ConfigDict:
    configs.check_variant(variant, 'smoke')
    config = configs.default()
    config.data.update(source='folder:photos', train_split='train[:60%]', test_split='train[60%:80%]')
    config.data.update(image_size=128, batch_size=16)
    configs.choose(config, 'space', 'rgb', signed=False)
    configs.choose(
        config,
        'generator',
        'unet',
        style='keras',
        depth=4,
        widths=(4, 4, 8, 8) if variant else (64, 128, 256, 512),
        kernel_size=3,
        skips=False,
        norm='none',
        dropout_layers=0,
        up_activation='leaky_relu',
        output_activation='sigmoid',
    )
    config.discriminator = None
    config.loss.update(reconstruction='l2', reconstruction_weight=1.0)
    config.generator_optimizer.update(learning_rate=1e-3, b1=0.9)
    config.early_stopping.metric = 'target_mse'
    config.num_epochs = 50.0
    if variant == 'smoke':
        configs.smoke(config, image_size=32)
    return config
