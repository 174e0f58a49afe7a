"""Mehani23, architecture 3 (figures 28 to 30): a U-Net of convolution-BatchNorm-LeakyReLU pairs, grey to RGB by MSE.

An epoch of figure 30 has 125 steps. With Keras' default batch of 32 that is 4,000 pictures, which is what this
takes; the report does not say. The optimizer is not named either: Keras' default Adam. The last layer is
linear, so the scale is RGB in [0, 1].

    TFDS_DATA_DIR=… python -m jaxcolor.main --config=configs/cifar_unet_regression.py

Compare `target_mse`, `target_mae` and `accuracy` (the share of pixels whose largest channel agrees, which is what
Keras calls accuracy here) in evaluations.jsonl with figure 30. Ten epochs (--config.num_epochs=10), 42 minutes of
processor time: MAE 0.058, accuracy 0.51; the report has 0.0492 and 0.49. See configs/README.md.
"""

import ml_collections

from jaxcolor import config as configs


def get_config(variant: str = '') -> ml_collections.ConfigDict:
    configs.check_variant(variant, 'smoke')
    config = configs.default()
    config.data.update(source='tfds:cifar10', train_split='train[:4000]', test_split='test[:1000]')
    config.data.update(image_size=32, batch_size=32, flip=False)
    configs.choose(config, 'space', 'rgb', signed=False)
    configs.choose(config, 'generator', 'conv_unet')
    config.discriminator = None
    config.loss.update(reconstruction='l2', reconstruction_weight=1.0)
    config.generator_optimizer.update(learning_rate=1e-3, b1=0.9)
    config.early_stopping.metric = 'target_mae'
    config.num_epochs = 100.0
    config.log_every = 25
    if variant == 'smoke':
        configs.smoke(config, image_size=32)
        config.generator.filters = 4
    return config
