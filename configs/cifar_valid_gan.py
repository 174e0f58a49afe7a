"""Mehani23, architecture 2 (figures 18 to 20): 26 layers of unpadded convolutions, grey to RGB in [0, 1].

The report does not say how it trains. The tutorial that it cites, whose generator this is, pays the generator
for the mean squared error alone, with Adam at 5e-4, and lets the discriminator, which sees the colours alone,
learn beside it: hence `adversarial_weight` 0. Figure 20 fits: the generator's loss is an MSE, and the
discriminator's stays at about 0.41, which is what is left to a perfect one, 2 H(0.05) = 0.397, where labels
are blurred by noise of up to 0.1 as the tutorial's are. `label_smoothing` 0.1 puts the labels where that noise
has its mean. Our `discriminator_loss` is the mean of the two terms that the report adds up: 0.41 there is 0.205.
The batch is not known (64 here); nothing is mirrored.

    TFDS_DATA_DIR=… python -m jaxcolor.main --config=configs/cifar_valid_gan.py

Three epochs (--config.dtype=bfloat16) took 38 minutes on two CPU cores, beside other work: `target_mse` 0.0085, 0.0080
and 0.0076 on the test pictures (grey 0.0070), where figure 20 has 0.0078 after one and 0.0061 after 50.
"""

import ml_collections

from jaxcolor import config as configs


def get_config(variant: str = '') -> ml_collections.ConfigDict:
    configs.check_variant(variant, 'smoke')
    config = configs.default()
    config.data.update(source='tfds:cifar10', image_size=32, batch_size=64, flip=False)
    configs.choose(config, 'space', 'rgb', signed=False)
    configs.choose(config, 'generator', 'valid')
    configs.choose(
        config,
        'discriminator',
        'dense',
        widths=(16, 32, 64, 64, 128, 128, 256, 256),
        kernel_sizes=(5, 5, 5, 5, 3, 3, 3, 3),
        pool='max',
        hidden=(512, 128, 16),
        hidden_norm='none',
        activation='relu',
        dropout=0.0,
        hidden_dropout=0.0,
        conditional=False,
    )
    config.loss.update(adversarial_weight=0.0, reconstruction='l2', reconstruction_weight=1.0, label_smoothing=0.1)
    for optimizer in (config.generator_optimizer, config.discriminator_optimizer):
        optimizer.update(learning_rate=5e-4, b1=0.9)
    config.early_stopping.metric = 'target_mse'
    config.num_epochs = 50.0
    config.log_every = 100
    if variant == 'smoke':
        configs.smoke(config, image_size=32)
        config.generator.filters = 4
        config.discriminator.update(widths=(4, 4, 4, 4, 8, 8, 8, 8), hidden=(16, 8, 4))
    return config
