"""Naim25, section 2: autoencoder A, with dropout and early stopping, against autoencoder B without, at 64 px.

The report's A stops after 12 epochs, and its B gets better up to 300. Both are of 50 epochs at most here.

    jaxcolor sweep naim25 --config.data.source=folder:/path/to/pictures

The report does not say its size; 128 px, that of the configs: --config.data.image_size=128
"""

from jaxcolor.compare.sweep import Sweep


def get_sweep() -> Sweep:
    return Sweep(
        config='photos_autoencoder_a',
        fields={'data.image_size': 64, 'num_epochs': 50.0},
        variants={'a': {}, 'b': {'config': 'photos_autoencoder_b'}},
    )
