"""The step: against itself on one device, against plain gradients, and what it must leave alone."""

import runpy
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcolor import config as configs
from jaxcolor.distributed import parallel
from jaxcolor.training import losses, train_metrics
from jaxcolor.training.state import build_system, create_state
from jaxcolor.training.train_step import train_step


def run(config, image, *, devices=1, adversarial=True, state=None, seed=0):
    """One step on `devices` devices; returns system, state before, state after, terms."""
    system = build_system(config, parallel.AXIS)
    state = state or create_state(system, image.shape[1], jax.random.key(0))
    rng = jax.random.key(seed)

    def step(state, image):
        return train_step(system, state, {'image': image}, rng, adversarial=adversarial)

    mapped = jax.pmap(
        step, parallel.AXIS, in_axes=(None, 0), out_axes=(None, None), devices=jax.local_devices()[:devices]
    )
    after, terms = mapped(jax.device_get(state), image.reshape(devices, -1, *image.shape[1:]))
    return system, state, jax.device_get(after), jax.device_get(terms)


def assert_trees_close(actual, expected, **tolerance):
    jax.tree.map_with_path(
        lambda path, a, b: np.testing.assert_allclose(a, b, err_msg=jax.tree_util.keystr(path), **tolerance),
        actual,
        expected,
    )


def assert_trees_equal(actual, expected):
    jax.tree.map(np.testing.assert_array_equal, actual, expected)


def test_eight_devices_equal_one(config, image):
    """With SGD, for Adam would hide a wrong scale; running statistics are of the whole batch too."""
    _, _, one, one_terms = run(config, image, devices=1)
    _, _, eight, eight_terms = run(config, image, devices=8)
    assert_trees_close(eight, one, atol=1e-5)
    assert_trees_close(eight_terms, one_terms, rtol=1e-5)


@pytest.mark.parametrize('updates', ['alternating', 'simultaneous'])
def test_step_equals_plain_gradients(config, image, updates):
    """The shared forward pass gives what two separate gradients give, the second through the new discriminator or not.

    That of a discriminator which has learned so fast is another one.
    """
    config.updates = updates
    system, before, after, terms = run(config, image)
    x, y = system.space.split(jnp.asarray(image))
    single = build_system(config, None)  # one device: no axis to reduce over

    @jax.jit
    def generate(params):
        variables = {**before.generator.variables, 'params': params}
        return single.generator.apply(variables, x, train=True, mutable=['batch_stats'])[0]

    @jax.jit
    def discriminate(params, y):
        variables = {**before.discriminator.variables, 'params': params}
        return single.discriminator.apply(variables, x, y, train=True, mutable=['batch_stats'])[0]

    def discriminator_loss(params):
        fake = generate(before.generator.params)
        return sum(losses.discriminator_loss('vanilla', discriminate(params, y), discriminate(params, fake))) / 2

    def descend(params, gradient):
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, gradient)

    discriminator_gradient = jax.jit(jax.grad(discriminator_loss))(before.discriminator.params)
    discriminator = descend(before.discriminator.params, discriminator_gradient)

    opponent, other = discriminator, before.discriminator.params
    if updates == 'simultaneous':
        opponent, other = other, opponent

    def generator_loss(params):
        fake = generate(params)
        return losses.generator_loss('vanilla', discriminate(opponent, fake)) + 100 * jnp.abs(fake - y).mean()

    fake = generate(before.generator.params)
    wrong = losses.generator_loss('vanilla', discriminate(other, fake))
    assert abs(terms['adversarial'] - wrong) > 1e-2  # it shows whose logits they are
    value, gradient = jax.jit(jax.value_and_grad(generator_loss))(before.generator.params)
    np.testing.assert_allclose(terms['generator_loss'], value, rtol=1e-5)
    norm = np.sqrt(sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(gradient)))
    whole = np.sqrt(sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(before.generator.params)))
    np.testing.assert_allclose(terms['generator_grad_norm'], norm, rtol=1e-4)
    np.testing.assert_allclose(terms['generator_update_ratio'], 0.1 * norm / whole, rtol=1e-4)
    real, fake = (
        np.asarray(discriminate(before.discriminator.params, z)) for z in (y, generate(before.generator.params))
    )
    np.testing.assert_allclose(terms['discriminator_accuracy_real'], np.mean(real > 0), atol=1e-6)
    np.testing.assert_allclose(terms['discriminator_accuracy_fake'], np.mean(fake < 0), atol=1e-6)
    assert_trees_close(after.discriminator.params, discriminator, atol=1e-5)
    assert_trees_close(after.generator.params, descend(before.generator.params, gradient), atol=1e-4)


def test_three_steps_equal_pytorch(config):
    """From bytes to updated parameters, against scikit-image's colours and PyTorch's game (golden/make.py)."""
    folder = Path(__file__).parent / 'golden'
    make, golden = runpy.run_path(str(folder / 'make.py')), np.load(folder / 'game.npz')
    configs.choose(config, 'generator', 'unet', depth=make['DEPTH'], filters=make['FILTERS'])
    configs.choose(config, 'discriminator', 'patchgan', n_layers=make['N_LAYERS'], filters=make['FILTERS'])
    config.data.image_size = make['SIZE']
    config.generator_optimizer.learning_rate = config.discriminator_optimizer.learning_rate = make['RATE']
    system = build_system(config, parallel.AXIS)
    state = jax.device_get(create_state(system, make['SIZE'], jax.random.key(0)))

    def drawn(player):
        params = jax.tree.map_with_path(
            lambda path, p: make['draw']('/'.join(k.key for k in path), p.shape), player.params
        )
        return player.replace(params=params)

    state = state.replace(generator=drawn(state.generator), discriminator=drawn(state.discriminator))
    step = jax.pmap(
        lambda state, image: train_step(system, state, {'image': image}, jax.random.key(0)),
        parallel.AXIS,
        in_axes=(None, 0),
        out_axes=(None, None),
        devices=jax.local_devices()[:1],
    )
    for k in range(make['STEPS']):
        state, terms = step(state, make['image']()[None])
        for name in ('generator_loss', 'reconstruction', 'adversarial', 'discriminator_loss'):
            np.testing.assert_allclose(terms[name], golden[name][k], rtol=2e-4, err_msg=f'{name}, step {k + 1}')
    for player, names in make['KEPT'].items():
        params = getattr(state, player).params
        for name in names:
            layer, kind = name.split('/')
            np.testing.assert_allclose(params[layer][kind], golden[f'{player} {name}'], atol=1e-4, err_msg=name)


def test_warmup_rests_the_discriminator(config, image):
    _, before, after, terms = run(config, image, adversarial=False)
    assert_trees_equal(after.discriminator, before.discriminator)
    assert set(terms) == set(train_metrics.GENERATOR_TERMS)
    np.testing.assert_allclose(terms['generator_loss'], 100 * terms['reconstruction'], rtol=1e-6)
    moved = optax.tree.norm(optax.tree.sub(after.generator.params, before.generator.params))
    assert moved > 1e-3


def test_generator_alone_in_rgb(config, image):
    config.discriminator = None
    config.space = {'name': 'rgb'}
    _, before, after, terms = run(config, image)
    assert before.discriminator is None
    assert after.discriminator is None
    assert set(terms) == set(train_metrics.GENERATOR_TERMS)


def test_bfloat16_keeps_parameters_in_float32(config, image):
    _, _, _, exact_terms = run(config, image)
    config.dtype = 'bfloat16'
    _, _, after, terms = run(config, image)
    assert {leaf.dtype for leaf in jax.tree.leaves((after.generator, after.discriminator))} == {np.dtype('float32')}
    for name, value in exact_terms.items():
        np.testing.assert_allclose(
            terms[name], value, rtol=0.1 if 'norm' in name or 'ratio' in name else 0.05, err_msg=name
        )
    assert any(not np.array_equal(terms[name], exact_terms[name]) for name in terms)  # it did compute in bfloat16


def test_flip_and_dropout_follow_the_rng(config, image):
    config.data.flip = True
    configs.choose(config, 'generator', 'unet', depth=3, filters=4, dropout_layers=1)
    step = partial(run, config, image)
    _, _, a, _ = step(seed=1)
    _, _, again, _ = step(seed=1)
    _, _, b, _ = step(seed=2)
    assert_trees_equal(a, again)
    assert any(not np.array_equal(p, q) for p, q in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


@pytest.mark.parametrize('kind', losses.ADVERSARIAL)
def test_every_adversarial_loss_steps(config, image, kind):
    config.loss.adversarial = kind
    _, _, after, terms = run(config, image)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((after, terms)))


@pytest.fixture
def palette_config():
    """Of the model that comes with the package, as narrow as it goes."""
    config = configs.default()
    config.data.update(image_size=32, batch_size=8, flip=False)
    centers = tuple((20.0 * a, 20.0 * b) for a in range(-2, 3) for b in range(-2, 3))
    configs.choose(config, 'space', 'palette', size=25, basis='lab', sigma=5.0, centers=centers)
    configs.choose(config, 'generator', 'efficientnet_unet', width=0.1, widths=(8, 8, 8, 8), blocks=(1, 1, 1, 1))
    config.discriminator = None
    config.loss.update(reconstruction='cross_entropy', reconstruction_weight=1.0)
    config.generator_optimizer = {'name': 'sgd', 'learning_rate': 0.1}
    return config


def test_a_network_learns_to_follow_hints(palette_config):
    """Only where it takes hints is there anything to learn in the layers for them."""
    image = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8)
    _, before, after, terms = run(palette_config, image)
    moved = [name for name in before.generator.params if 'hints' in name and not equal(before, after, name)]
    assert sorted(moved) == sorted(name for name in before.generator.params if 'hints' in name)
    assert 1 < terms['reconstruction'] < 2 * np.log(25)
    palette_config.generator.hints = False
    system = build_system(palette_config, None)
    x = jnp.zeros((1, 32, 32, 1))
    variables = jax.eval_shape(lambda: system.generator.init(jax.random.key(0), x, train=False))
    assert not any('hints' in name for name in variables['params'])
    assert not system.hints


def equal(before, after, name):
    leaves = zip(*(jax.tree.leaves(state.generator.params[name]) for state in (before, after)), strict=True)
    return all(np.array_equal(a, b) for a, b in leaves)


@pytest.mark.parametrize(('step', 'decay'), [(0, 0.1), (8, 0.5), (10_000, 0.99)])
def test_the_average_soon_forgets_the_first_weights(config, image, step, decay):
    config.ema_decay = 0.99
    system = build_system(config, parallel.AXIS)
    before = create_state(system, image.shape[1], jax.random.key(0)).replace(step=jnp.int32(step))
    _, _, after, _ = run(config, image, state=before)
    expected = jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, before.ema_params, after.generator.params)
    assert_trees_close(after.ema_params, expected, rtol=1e-5, atol=1e-7)
