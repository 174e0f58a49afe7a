"""A first run that fits in two minutes: a small U-Net against a small PatchGAN on the bundled photographs.

python -m jaxcolor.main --config=configs/quickstart.py
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
        configs.choose(config, 'generator', 'unet', depth=3, filters=4)
        config.data.update(image_size=16, batch_size=8)
        config.update(num_steps=4, eval_every=4, log_every=2)
    return config
