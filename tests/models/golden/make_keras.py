"""Make the golden files from Keras 3: `KERAS_BACKEND=jax python tests/models/golden/make_keras.py`.

Needs `keras` and `jax`. Weights are not stored: `draw` makes the same ones here and in the tests. Keras'
spectral norm overwrites a kernel in every training step by what it makes of it, Miyato et al. (2018) and
PyTorch keep the kernel. Values and gradients of a step are the same; after it, Keras' kernel is replaced here.
"""

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent
draw = runpy.run_path(str(FOLDER / 'make.py'))['draw']

BATCH, SIZE = 2, 32
# For each network: jaxcolor's config of a tiny one, Keras' arguments for the same one, gradients to keep.
NETWORKS: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]] = {
    'autoencoder': (
        {
            'name': 'unet', 'style': 'keras', 'depth': 4, 'widths': (2, 3, 4, 4), 'last_kernel_size': 3,
            'dropout_layers': 1,
        },
        {'downs': (2, 3, 4, 4), 'ups': (4, 3, 2), 'dropout': 0},
        ('down_0/kernel', 'down_3/kernel', 'down_norm_3/scale', 'up_3/kernel', 'up_norm_1/bias', 'up_0/kernel'),
    ),
    'valid': (
        {'name': 'valid', 'filters': 2},
        {'filters': 2, 'size': SIZE},
        ('down_0_0/kernel', 'down_2_2/bias', 'bottleneck/kernel', 'up_2_0/kernel', 'up_0_2/kernel', 'up_0_2/bias'),
    ),
    'conv_unet': (
        {'name': 'conv_unet', 'filters': 2, 'depth': 3},
        {'filters': 2, 'depth': 3, 'size': SIZE},
        ('down_0_0/kernel', 'down_2_norm_1/scale', 'up_1/kernel', 'merge_0_0/kernel', 'last/kernel', 'last/bias'),
    ),
    'spectral_unet': (
        {
            'name': 'unet', 'style': 'keras', 'depth': 4, 'widths': (2, 3, 4, 6), 'up_widths': (6, 4, 3),
            'up_norm': 'none', 'spectral_norm': 10, 'initializer': 'glorot', 'dropout_layers': 3,
        },
        {'downs': (2, 3, 4, 6), 'ups': (6, 4, 3), 'size': SIZE, 'dropout': 0},
        ('down_0/kernel', 'down_3/kernel', 'down_norm_2/bias', 'up_3/kernel', 'up_1/kernel', 'up_0/kernel'),
    ),
    'spectral_patchgan': (
        {
            'name': 'patchgan', 'style': 'keras', 'filters': 2, 'n_layers': 3, 'strided_layers': 2,
            'spectral_norm': 10, 'initializer': 'glorot',
        },
        {'filters': 2, 'size': SIZE},
        ('conv_0/kernel', 'conv_1/kernel', 'conv_2/kernel', 'norm_1/scale', 'norm_3/bias', 'logits/bias'),
    ),
}  # fmt: skip
FIGURES = {
    '000 Fig. 4': 'dcgan',
    '000 Fig. 5': 'autoencoder',
    '000 Fig. 6': 'dense_discriminator',
    '000 Fig. 18': 'valid',
    '000 Fig. 19': 'dense_max_discriminator',
    '000 Fig. 28-29': 'conv_unet',
    '004 Fig. 3.10': 'spectral_unet',
    '004 Fig. 3.11': 'spectral_patchgan',
}


def leading_vector(kernel: np.ndarray) -> np.ndarray:
    """Return the singular vector of the largest singular value on the side of the last axis, which Keras iterates."""
    return np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), full_matrices=False)[2][0]


def main() -> None:
    import jax
    import keras
    import keras_networks

    names = {'gamma': 'scale', 'beta': 'bias', 'moving_mean': 'mean', 'moving_variance': 'var'}

    def variables(model: keras.Model) -> dict[str, keras.Variable]:
        """Return all variables under their names in jaxcolor."""
        return {
            f'{layer.name}/{names.get(v.name, v.name)}': v
            for layer in model.layers
            for v in layer.variables
            if v.name != 'seed_generator_state'
        }

    def run(kind: str, arguments: dict[str, Any], gradients: tuple[str, ...]) -> dict[str, np.ndarray]:
        model = getattr(keras_networks, kind)(**arguments)
        known = variables(model)
        for name, v in known.items():
            if v.trainable:
                v.assign(draw(name, v.shape))
        for name, v in known.items():
            if name.endswith('vector_u'):
                v.assign(leading_vector(np.asarray(known[name.replace('vector_u', 'kernel')].value))[None])
        inputs = [draw(n, (BATCH, *i.shape[1:])) for n, i in zip('xy', model.inputs, strict=False)]

        def loss(trainable: list[Any], x: Any) -> Any:
            others = [v.value for v in model.non_trainable_variables]
            output, _ = model.stateless_call(trainable, others, [*inputs[:-1], x], training=True)
            return (output * draw('cotangent', output.shape)).sum()

        grads, input_grad = jax.grad(loss, (0, 1))([v.value for v in model.trainable_variables], inputs[-1])
        result = {'grad input': input_grad}
        for v, grad in zip(model.trainable_variables, grads, strict=True):
            (name,) = (n for n, other in known.items() if other is v)
            if name in gradients:
                result[f'grad {name}'] = grad
        assert len(result) == len(gradients) + 1, kind
        result['train'] = model(inputs, training=True)
        result['eval'] = model(inputs, training=False)
        for name, v in known.items():
            if name.endswith(('/mean', '/var')):
                layer, what = name.split('/')
                result[f'{what} {layer}'] = v.value
        return {key: np.asarray(value) for key, value in result.items()}

    def spectral() -> dict[str, np.ndarray]:
        result = {}
        for kind, cls in (('conv', keras.layers.Conv2D), ('conv_transpose', keras.layers.Conv2DTranspose)):
            layer = keras.layers.SpectralNormalization(cls(5, 4, strides=2, padding='same', use_bias=False), 10)
            layer.build((2, 4, 4, 3))
            layer.kernel.assign(draw(kind, layer.kernel.shape))
            u = draw('u', layer.vector_u.shape[1:])
            layer.vector_u.assign((u / np.linalg.norm(u))[None])
            result[f'{kind} train'] = np.asarray(layer(draw('x', (2, 4, 4, 3)), training=True))
            result[f'{kind} u'] = np.asarray(layer.vector_u.value)[0]
        return result

    for kind, (_, arguments, gradients) in NETWORKS.items():
        np.savez(FOLDER / f'{kind}.npz', **run(kind, arguments, gradients))
    np.savez(FOLDER / 'keras_spectral_norm.npz', **spectral())
    listings = {}
    for figure, kind in FIGURES.items():
        model = getattr(keras_networks, kind)()
        listings[figure] = {
            'output': model.output_shape[1:],
            'trainable': sum(v.value.size for v in model.trainable_variables),
            'layers': {name: v.value.size for name, v in variables(model).items() if v.trainable},
        }
    (FOLDER / 'listings.json').write_text(json.dumps(listings, indent=1) + '\n')


if __name__ == '__main__':
    main()
