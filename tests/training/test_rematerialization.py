"""Rematerialisation: the same numbers with less kept, no convolution twice, and no word more between devices."""

from collections import Counter

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest
from jax.extend import core

from jaxcolor import config as configs
from jaxcolor.distributed import parallel
from jaxcolor.models import build_discriminator, build_generator
from jaxcolor.training.rematerialization import rematerialized
from jaxcolor.training.state import build_system, create_state
from jaxcolor.training.train_step import train_step


def operations(jaxpr):
    """How often each primitive is bound, calls included; of a choice between platforms every branch."""
    counts = Counter()
    for equation in jaxpr.eqns:
        counts[equation.primitive.name] += 1
        for value in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda v: hasattr(v, 'eqns')):
            if isinstance(value, core.Jaxpr | core.ClosedJaxpr):
                counts += operations(value)
    return counts


NETWORKS = {
    'unet': ({'depth': 3, 'filters': 4, 'dropout_layers': 1}, 16),
    'unet keras': ({'depth': 3, 'filters': 4, 'style': 'keras', 'spectral_norm': 1}, 16),
    'conv_unet': ({'depth': 2, 'filters': 4}, 16),
    'resnet_unet': ({'filters': 2}, 32),
    'dcgan': ({'filters': 4}, 16),
    'valid': ({'filters': 2}, 26),
    'patchgan': ({'filters': 4, 'n_layers': 2, 'spectral_norm': 1}, 16),
    'dense': ({'widths': [4, 4], 'kernel_sizes': [3, 3], 'hidden': [8], 'norm': 'batch'}, 16),
}


@pytest.mark.parametrize('name', NETWORKS)
def test_networks_keep_less_and_convolve_no_more(name):
    fields, size = NETWORKS[name]
    judges = name in ('patchgan', 'dense')
    build = build_discriminator if judges else lambda config: build_generator(config, 2)
    network = build({'name': name.split()[0], **fields})
    key = jax.random.key(0)
    inputs = [jnp.zeros((2, size, size, channels)) for channels in ((1, 2) if judges else (1,))]
    variables = jax.eval_shape(lambda: network.init(key, *inputs, False))

    def measure(wrap):
        """Returns the operations of output and gradient, and the bytes kept for the gradient beside parameters."""
        kept = []

        def gradient(variables):
            def apply(params):
                return network.apply(
                    {**variables, 'params': params}, *inputs, True, rngs={'dropout': key}, mutable=['batch_stats']
                )[0]

            output, pullback = jax.vjp(wrap(apply), variables['params'])
            kept.extend(jax.tree.leaves(pullback))
            return pullback(output)

        done = operations(jax.make_jaxpr(gradient)(variables).jaxpr)
        weights = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(variables['params']))
        return done, sum(leaf.size * leaf.dtype.itemsize for leaf in kept) - weights

    plain, much = measure(lambda function: function)
    again, little = measure(rematerialized)
    assert again['conv_general_dilated'] == plain['conv_general_dilated'] > 0
    assert little < 0.6 * much


def test_twenty_steps_equal_plain_ones(config):
    """A game with BatchNorm over 8 devices, dropout, spectral norm and flips; and the devices talk no more."""
    config.data.update(image_size=8, batch_size=16, flip=True)
    configs.choose(config, 'generator', 'unet', depth=2, filters=2, encoder_dropout=0.5)
    configs.choose(config, 'discriminator', 'patchgan', n_layers=1, filters=2, spectral_norm=1)
    for player in ('generator_optimizer', 'discriminator_optimizer'):
        config[player] = ml_collections.ConfigDict({'name': 'sgd', 'learning_rate': 0.01})
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 2, 8, 8, 3), np.uint8)

    def run(remat):
        config.remat = remat
        system = build_system(config, parallel.AXIS)

        def step(state, image):
            rng = jax.random.fold_in(jax.random.key(0), state.step)
            return train_step(system, state, {'image': image}, jax.random.fold_in(rng, jax.lax.axis_index('data')))

        mapped = jax.pmap(step, parallel.AXIS, in_axes=(None, 0), out_axes=(None, None))
        state = jax.device_get(create_state(system, 8, jax.random.key(0)))
        words = operations(jax.make_jaxpr(mapped)(state, images[0]).jaxpr)
        for image in images:
            state, terms = jax.block_until_ready(mapped(state, image))
        return jax.device_get((state, terms)), sum(n for name, n in words.items() if name.startswith('psum'))

    (plain, words), (again, words_again) = run(False), run(True)
    jax.tree.map_with_path(
        lambda path, a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5, err_msg=jax.tree_util.keystr(path)),
        again,
        plain,
    )
    assert words_again == words > 0


@pytest.mark.parametrize(('remat', 'size', 'expected'), [(None, 256, False), (None, 512, True), (False, 512, False)])
def test_large_pictures_are_rematerialized(config, remat, size, expected):
    config.data.image_size, config.remat = size, remat
    assert build_system(config, None).remat is expected
