"""Mehani23, architectures 1 to 3: its generators on the same 4,000 pictures of CIFAR-10, each as its section trains it.

`dcgan` and `autoencoder` are the two generators of architecture 1 (figures 4 and 5), `valid` is architecture 2, and
`unet` architecture 3, whose log has 4,000 pictures. Scored on the same 1,000 test pictures; 10 epochs, which is what
the logs of figures 7 and 30 have.

    TFDS_DATA_DIR=… jaxcolor sweep mehani23
"""

from jaxcolor.compare.sweep import Sweep


def get_sweep() -> Sweep:
    return Sweep(
        config='cifar_dcgan',
        fields={'data.train_split': 'train[:4000]', 'data.test_split': 'test[:1000]', 'num_epochs': 10.0},
        variants={
            'dcgan': {},
            'autoencoder': {'config': 'cifar_autoencoder_gan'},
            'valid': {'config': 'cifar_valid_gan'},
            'unet': {'config': 'cifar_unet_regression'},
        },
    )
