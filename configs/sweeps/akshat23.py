"""Akshat23, chapter 4 and section 3.8.4: what each choice of its spectrally normalised pix2pix is worth, at 64 px.

`lab` is the report's system; every other variant differs from it in one thing:

- `rgb`: RGB for Lab (graphs 4.1 and 4.2);
- `hard_labels`: without label smoothing (before graph 4.3);
- `no_spectral_norm`: in both networks (before graph 4.4);
- `rates_of_the_text`: the discriminator's rate is 1e-3, as chapter 4 has it, not the code's 1e-4;
- `equal_rates`: both players' rate is 2e-4, pix2pix', for the report's claim that different ones converge better;
- `simultaneous`: both gradients are taken before either is applied, as in the report's code.

    jaxcolor sweep akshat23 --config.data.source=folder:/path/to/landscapes

The report's size is 128 px, at which the U-Net has a level more:
`jaxcolor train landscapes_spectral_gan` is `lab` there.
"""

from jaxcolor.compare.sweep import Sweep


def get_sweep() -> Sweep:
    return Sweep(
        config='landscapes_spectral_gan',
        fields={
            'data.image_size': 64,
            'data.resize': 72,
            'data.batch_size': 32,
            'generator.depth': 6,
            'generator.widths': (32, 64, 128, 128, 256, 256),
            'generator.up_widths': (256, 256, 128, 128, 64),
            'generator.dropout_layers': 3,
            'num_epochs': 20.0,
        },
        variants={
            'lab': {},
            'rgb': {'config': 'landscapes_spectral_gan:space=rgb'},
            'hard_labels': {'loss.label_smoothing': 0.0},
            'no_spectral_norm': {'generator.spectral_norm': 0, 'discriminator.spectral_norm': 0},
            'rates_of_the_text': {'discriminator_optimizer.learning_rate': 1e-3},
            'equal_rates': {
                'generator_optimizer.learning_rate': 2e-4,
                'discriminator_optimizer.learning_rate': 2e-4,
            },
            'simultaneous': {'updates': 'simultaneous'},
        },
    )
