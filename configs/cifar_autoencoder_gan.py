"""The strided U-Net of Mehani23 figure 5 against the dense discriminator of figure 6.

Figure 5 is the generator of TensorFlow's pix2pix tutorial, narrower; the blocks that it does not show are the
tutorial's. Its last layer starts uniform in [0, 0.02], without negative numbers: N(0, 0.02) is taken here, as
in the tutorial. The report shows no result of it and names no reconstruction term: all else is as in
`cifar_dcgan.py`.

    TFDS_DATA_DIR=… python -m jaxcolor.main --config=configs/cifar_autoencoder_gan.py

Ten epochs (--config.num_epochs=10 --config.dtype=bfloat16) took 60 minutes on two CPU cores, beside other work: PSNR
25.03 dB (grey 24.83), Delta E 9.69 (grey 10.46).
"""

import ml_collections

from jaxcolor import config as configs


def get_config(variant: str = '') -> ml_collections.ConfigDict:
    configs.check_variant(variant, 'smoke')
    config = configs.default()
    config.data.update(source='tfds:cifar10', image_size=32, batch_size=64)
    widths = (4, 4, 8, 8, 8) if variant else (32, 64, 128, 256, 256)
    configs.choose(
        config, 'generator', 'unet', style='keras', depth=5, widths=widths, dropout_layers=1, last_kernel_size=3
    )
    configs.choose(config, 'discriminator', 'dense')
    for optimizer in (config.generator_optimizer, config.discriminator_optimizer):
        optimizer.update(learning_rate=1e-3, b1=0.9)
    config.num_epochs = 50.0
    config.log_every = 100
    if variant == 'smoke':
        configs.smoke(config, image_size=32)
        config.discriminator.update(widths=(4, 4, 8, 8), hidden=(16,))
    return config
