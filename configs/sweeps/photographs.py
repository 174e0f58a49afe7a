"""The reports' eight systems for photographs, on the same pictures at 64 px, four epochs each.

U-Nets have as many levels as the size allows, pix2pix' PatchGANs see 34 px, L1 alone has half of the epochs where the
config has it first, and `spectral_gan` is `lab` of the sweep `akshat23`; all else is as in the configs.

    jaxcolor sweep photographs --config.data.source=folder:/path/to/pictures

The ResNet-18's weights come from the Hugging Face hub once; without a network: --config.pretrained.weights=
"""

from jaxcolor.compare.sweep import Sweep


def get_sweep() -> Sweep:
    size = {'data.image_size': 64}  # of each variant, for their depths go with it
    patchgan = {**size, 'discriminator.n_layers': 2}
    return Sweep(
        config='photos_pix2pix',
        fields={
            'data.train_split': 'train[:80%]',
            'data.test_split': 'train[80%:]',
            'dtype': 'auto',
            'num_epochs': 4.0,
        },
        variants={
            'pix2pix': {'generator.depth': 6, **patchgan},
            'resnet_unet': {'config': 'photos_resnet_unet', 'warmup_epochs': 2.0, **patchgan},
            'pix2pix_rgb': {'config': 'photos_pix2pix_rgb', 'generator.depth': 6, **patchgan},
            'autoencoder_a': {'config': 'photos_autoencoder_a', **size},
            'autoencoder_b': {'config': 'photos_autoencoder_b', **size},
            'luv_regression': {'config': 'photos_luv_regression', **size},
            'luv_gan': {'config': 'photos_luv_gan', **size},
            'spectral_gan': {
                'config': 'landscapes_spectral_gan',
                **size,
                'data.resize': 72,
                'data.batch_size': 32,
                'generator.depth': 6,
                'generator.widths': (32, 64, 128, 128, 256, 256),
                'generator.up_widths': (256, 256, 128, 128, 64),
                'generator.dropout_layers': 3,
            },
        },
    )
