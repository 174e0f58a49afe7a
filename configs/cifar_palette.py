"""The colour classifier of Ramlal: each pixel of a horse is one of 24 colours found by k-means.

A U-Net of strided and transposed convolutions with skips; the report shows no sizes. Its log has the form of
the University of Toronto course script "Colourization of CIFAR-10 Horses via classification": the two levels of
32 and 64 channels, the skip from the picture itself, the batch of 100 and Adam at 1e-3 are that script's. Without
that skip (pix2pix has none at full size) five levels reached 46 % after 20 epochs, below the 53 % of taking each
pixel's own grey; with it, four levels reached 51 % and knew the 5,000 horses by heart.
After 100 epochs the report has a validation accuracy of 59.8 % and a loss of 0.9769; this, in 16 minutes on two CPU
cores beside other work, 55.7 % and 1.120. Each pixel's own grey is right in 53.4 %.

    TFDS_DATA_DIR=… python -m jaxcolor.main --config=configs/cifar_palette.py

Compare `accuracy` and `cross_entropy` in evaluations.jsonl; `rgb_distance` is the report's error as a distance in
RGB, on the scale of 0-255. The palette is learned once, at the start, and written to config.json.
Pictures in more than 24 colours: --config.space.temperature=0.38 decodes by the annealed mean of Zhang et al. 2016.
"""

import ml_collections

from jaxcolor import config as configs


def get_config(variant: str = '') -> ml_collections.ConfigDict:
    configs.check_variant(variant, 'smoke')
    config = configs.default()
    config.data.update(source='tfds:cifar10', labels=('horse',), image_size=32, batch_size=100)
    configs.choose(config, 'space', 'palette', size=24, basis='rgb')
    configs.choose(config, 'generator', 'unet', depth=2, filters=32, input_skip=True, output_activation='identity')
    config.discriminator = None
    config.loss.update(reconstruction='cross_entropy', reconstruction_weight=1.0)
    config.generator_optimizer.update(learning_rate=1e-3, b1=0.9)
    config.early_stopping.metric = 'accuracy'
    config.num_epochs = 100.0
    if variant == 'smoke':
        configs.smoke(config, image_size=32)
        config.data.update(train_split='train[:200]', test_split='test[:200]')
        config.generator.filters = 4
    return config
