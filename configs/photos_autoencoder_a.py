"""Autoencoder A of Naim25, section 2.1: no skips, upsampling by repeated pixels, dropout, early stopping.

The report gives 3x3 kernels, stride 2, LeakyReLU, dropout 0.1, MSE, batches of 16, a 60/20/20 split and a
patience of 5. It does not give the widths, the size of the pictures (128 here, that of its method B), nor the
scale of its losses (0.0518 in training, 0.0638 in validation after 12 epochs): they can't be compared with ours.

    python -m jaxcolor.main --config=configs/photos_autoencoder_a.py --config.data.source=folder:/path/to/pictures

The evaluations are on the validation part. At the end the best weights are restored; score them on the last part:
the same line with --mode=eval --config.data.test_split='train[80%:]'
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
        upsampling='nearest',
        norm='none',
        dropout=0.1,
        dropout_layers=3,
        encoder_dropout=0.1,
        up_activation='leaky_relu',
        output_activation='sigmoid',
    )
    config.discriminator = None
    config.loss.update(reconstruction='l2', reconstruction_weight=1.0)
    config.generator_optimizer.update(learning_rate=1e-3, b1=0.9)
    config.early_stopping.update(metric='target_mse', patience=5)
    config.num_epochs = 50.0
    if variant == 'smoke':
        configs.smoke(config, image_size=32)
    return config
