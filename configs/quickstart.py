"""A first run: a small U-Net against a small PatchGAN on the bundled photographs.

python -m jaxcolor.main --config=configs/quickstart.py

It is trained on three photographs and tested on two others, and there it is far worse than leaving them grey: PSNR
16.26 dB (grey 21.74), Delta E 21.58 (grey 12.09), SSIM 0.679 (grey 0.893). Three photographs are learned by heart, and
teach nothing about a fourth. It shows that all works; `make quickstart` judges it beside the model that comes along.
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
