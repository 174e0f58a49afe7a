"""The model that comes with the package: a U-Net on EfficientNet-Lite0 that says a distribution over (a*, b*).

Photographs of many kinds, 128 px or more, in a folder; the encoder's ImageNet weights come with the extra
[pretrained]. Half of the pictures have colour hints (Zhang et al. 2017). The shorter side is drawn from 96 to 128 px,
and 96 are seen of it. The model that comes along was then trained on at 128 px; its card says how.

    python -m jaxcolor.main --config=configs/photos.py --config.data.source=folder:/path/to/photographs

`:finetune` goes on from the model that comes along, with some 200 photographs of one's own: a fifth of them says which
checkpoint is the best, and when to stop.

    python -m jaxcolor.main --config=configs/photos.py:finetune --config.data.source=folder:/path/to/photographs
"""

import ml_collections

from jaxcolor import config as configs


def get_config(variant: str = '') -> ml_collections.ConfigDict:
    configs.check_variant(variant, 'smoke', 'finetune')
    config = configs.default()
    config.data.update(source='folder:photos', image_size=96, max_resize=128, batch_size=32, min_colorfulness=8.0)
    decoding = {'temperature': 1.0, 'vividness': 0.1, 'compression': 0.045, 'estimate': 'median'}
    configs.choose(config, 'space', 'palette', basis='lab', spacing=10.0, sigma=5.0, **decoding)
    configs.choose(config, 'generator', 'efficientnet_unet', frozen_blocks=3)
    config.discriminator = None
    config.loss.update(reconstruction='cross_entropy', reconstruction_weight=1.0)
    config.pretrained.weights = 'efficientnet_lite0'
    config.generator_optimizer.update(
        name='adamw',
        learning_rate=2e-3,
        b1=0.9,
        weight_decay=0.01,
        schedule='cosine',
        warmup_steps=500,
        decay_steps=2000,
        max_grad_norm=1.0,
        backbone_factor=0.2,
        backbone_frozen_steps=500,
    )
    config.ema_decay = 0.998
    config.early_stopping.metric = 'cross_entropy'
    config.num_epochs = 8.0
    config.eval_every = 2000
    config.checkpoint_every = 1000
    if variant == 'finetune':
        config.init_from = 'jaxcolor'
        config.norm_statistics = 'fixed'
        config.data.update(image_size=128, max_resize=144, batch_size=16)
        config.data.update(train_split='train[:80%]', test_split='train[80%:]')
        config.generator_optimizer.update(learning_rate=3e-4, warmup_steps=20, decay_steps=0, backbone_frozen_steps=0)
        config.ema_decay = 0.95
        config.early_stopping.update(metric='delta_e', patience=4)
        config.num_epochs = 20.0
        config.eval_every = config.checkpoint_every = 20
        config.log_every = 10
    if variant == 'smoke':
        configs.smoke(config, image_size=32)
        config.data.update(max_resize=48, min_colorfulness=0.0)
        config.generator.update(width=0.1, widths=(8, 8, 8, 8), blocks=(1, 1, 1, 1))
        config.generator_optimizer.update(warmup_steps=4, decay_steps=8, backbone_frozen_steps=4)
        config.pretrained.weights = ''
    return config
