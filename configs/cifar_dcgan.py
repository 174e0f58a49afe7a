"""DCGAN of Mehani23, architecture 1: a plain convolutional encoder-decoder against a dense discriminator.

The report names no reconstruction term; the tutorial that it cites adds 100 x L1, and so does this config.
It names Adam without a rate: this is Keras' default. It counts ten convolutions where figure 4 has nine.
Its discriminator normalises its last hidden layer over the batch, true and generated pictures apart, so that
the mean logit of both is the same: its loss stays near ln 2 here, as the report's stays where it is from the
seventh epoch on (figure 7). What the generator learns, it learns from L1.

    TFDS_DATA_DIR=… python -m jaxcolor.main --config=configs/cifar_dcgan.py

Three epochs (--config.num_epochs=3) took 37 minutes on two CPU cores, shared with other work: PSNR 25.09 dB
(grey 24.83), Delta E 9.53 (grey 10.46), MAE 0.0440 (grey 0.0501). The 50 of the report have not been run.
"""

import ml_collections

from jaxcolor import config as configs


def get_config(variant: str = '') -> ml_collections.ConfigDict:
    configs.check_variant(variant, 'smoke')
    config = configs.default()
    config.data.update(source='tfds:cifar10', image_size=32, batch_size=64)
    configs.choose(config, 'generator', 'dcgan')
    configs.choose(config, 'discriminator', 'dense')
    for optimizer in (config.generator_optimizer, config.discriminator_optimizer):
        optimizer.update(learning_rate=1e-3, b1=0.9)
    config.num_epochs = 50.0
    config.log_every = 100
    if variant == 'smoke':
        configs.smoke(config, image_size=32)
        config.generator.filters = 8
        config.discriminator.update(widths=(4, 4, 8, 8), hidden=(16,))
    return config
