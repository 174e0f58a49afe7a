"""A first run that fits in two minutes: a small U-Net against a small PatchGAN on the bundled photographs.

python -m jaxcolor.main --config=configs/quickstart.py

48 seconds on two CPU cores: PSNR 23.23 dB (grey 22.24), Delta E 10.35 (grey 13.32), SSIM 0.809 (grey 0.890). Five
photographs are soon known by heart: after 500 steps without averaging, PSNR was below grey's.
"""

import ml_collections

from jaxcolor import config as configs


def get_config(variant: str = '') -> ml_collections.ConfigDict:
    configs.check_variant(variant, 'smoke')
    config = configs.default()
    config.data.update(source='bundled', image_size=64, batch_size=16)
    configs.choose(config, 'generator', 'unet', depth=6, filters=16)
    configs.choose(config, 'discriminator', 'patchgan', n_layers=2, filters=16)
    config.ema_decay = 0.99
    config.num_steps = 300
    config.eval_every = 100
    config.log_every = 25
    if variant == 'smoke':
        configs.smoke(config, image_size=16)
        config.generator.update(depth=3, filters=4)
    return config
