"""Fine-tuning by features and an adversary: what a step pays for, and what becomes of a model."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from jaxcolor import Colorizer, experiments
from jaxcolor import config as configs
from jaxcolor.checkpoints.load import load
from jaxcolor.checkpoints.model import Model, build
from jaxcolor.color import convert
from jaxcolor.data.dataset import Dataset
from jaxcolor.errors import UserError
from jaxcolor.training import palette, realism
from jaxcolor.training.state import build_system, create_state

SIZE, BATCH = 32, 4


def make_model(config, size=SIZE):
    """An untrained one, and a palette learned from the bundled pictures."""
    config.data.update(source='bundled', image_size=size, max_resize=None)
    palette.resolve(config, Dataset(config.data))
    space, generator = build(config)
    player = create_state(build_system(config, None), size, jax.random.key(1)).generator
    return Model(config, 7, space, generator, jax.device_get(player.variables))


@pytest.fixture(scope='module')
def model():
    """A small network of the pictures' own size, without hints."""
    config = experiments.get_config('photos:smoke')
    config.pretrained.weights = ''
    configs.choose(config, 'generator', 'unet', depth=3, filters=8, dropout_layers=0, output_activation='identity')
    return make_model(config)


class Maps(nn.Module):
    """Features at five sizes, of few channels: EfficientNet-Lite0 takes a minute to compile, and has its own tests."""

    @nn.compact
    def __call__(self, x):
        maps = []
        for width in (4, 5, 6, 7, 8):
            x = nn.relu(nn.Conv(width, (3, 3), 2)(x))
            maps.append(x)
        return maps


@pytest.fixture(scope='module')
def features():
    return Maps(), Maps().init(jax.random.key(2), jnp.zeros((1, SIZE, SIZE, 3)))['params']


@pytest.fixture(autouse=True, scope='module')
def _narrow(features):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(realism, 'lite0', lambda field, value: features)
        yield


@pytest.fixture(scope='module')
def images(model):
    """Symmetric ones: which are mirrored is left to chance."""
    decode = Dataset(model.config.data).train
    halves = np.stack([decode(index, 0.5, 0.5) for index in range(BATCH)])[:, :, : SIZE // 2]
    return jnp.asarray(np.concatenate([halves, halves[:, :, ::-1]], axis=2))


@pytest.fixture(scope='module')
def stepped(model, images):
    start, step = realism.prepare(model, model.space)
    states, terms = [start], []
    for _ in range(40):
        state, measured = step(states[-1], images)
        states.append(state)
        terms.append({name: float(value) for name, value in measured.items()})
    return states, terms


def test_terms_are_those_of_the_picture_that_is_seen(model, features, images, stepped):
    x, y = model.space.split(images)
    logits = model.generator.apply(jax.tree.map(jnp.asarray, model.variables), x, train=False)
    shares = model.space.shares(y, logits.shape[1:3])
    network, params = features
    fake, true = (
        network.apply({'params': params}, 2 * np.asarray(rgb) - 1)[1:4]
        for rgb in (model.space.join(x, logits), convert.to_float(images))
    )
    want = {
        'cross_entropy': -np.mean(np.sum(shares * jax.nn.log_softmax(logits), axis=-1)),
        'features': np.mean([np.abs(a - b).mean() / np.abs(b).mean() for a, b in zip(fake, true, strict=True)]),
    }
    got = stepped[1][0]
    for name, value in want.items():
        np.testing.assert_allclose(got[name], value, 1e-4)
    assert got['discriminator'] == pytest.approx(1, abs=0.05)  # of verdicts near 0, the hinge is 1


def test_a_discriminator_learns_to_tell_and_features_come_nearer(stepped):
    states, terms = stepped
    assert terms[-1]['discriminator'] < 0.9 < terms[0]['discriminator']
    assert terms[-1]['features'] < terms[0]['features']
    assert terms[-1]['cross_entropy'] < terms[0]['cross_entropy']
    assert int(states[-1].step) == 40


def test_parameters_are_averaged_and_the_first_step_has_no_rate(stepped):
    (start, first, second, *_), _ = stepped
    jax.tree.map(np.testing.assert_array_equal, start.params, first.params)  # the rate rises from 0
    mean = jax.tree.map(lambda a, b: a + (1 - 2 / 11) * (b - a), first.ema_params, second.params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-5, 1e-6), second.ema_params, mean)
    assert optax.tree.norm(optax.tree.sub(second.params, first.params)) > 0


def test_the_command_writes_a_model_that_colours_and_takes_hints(tmp_path, monkeypatch):
    photos = make_model(experiments.get_config('photos:smoke'), 64)
    monkeypatch.setattr(realism, 'load', lambda name: photos)
    output = tmp_path / 'new' / 'real.safetensors'
    words = ['any', '--source', 'bundled', '--batch-size', '2', '--steps', '3']
    realism.main([*words, '--output', str(output)])
    tuned = load(output)
    assert (tuned.step, tuned.space, tuned.generator) == (photos.step, photos.space, photos.generator)
    assert tuned.config.data.to_dict() == photos.config.data.to_dict()
    jax.tree.map(np.testing.assert_array_equal, tuned.variables['batch_stats'], photos.variables['batch_stats'])
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), tuned.variables['params'], photos.variables['params'])
    assert 1e-7 < moved['up_4_hints_1']['kernel'] < 1e-2
    assert 1e-7 < max(jax.tree.leaves(moved)) < 1e-2
    assert np.asarray(Colorizer(tuned)(np.zeros((40, 48), np.uint8))).shape == (40, 48, 3)


@pytest.mark.parametrize('name', ['cifar_pix2pix', 'cifar_palette'])
def test_models_that_tell_no_mean_of_chroma_are_refused(name):
    config = experiments.get_config(f'{name}:smoke')
    with pytest.raises(UserError, match=f"space='{config.space.name}' of this model does not tell the mean"):
        realism.fine_tune(Model(config, 0, *build(config), {}), 'bundled')


def test_no_steps_are_refused(model):
    with pytest.raises(UserError, match='steps=0 leave the model as it is; use 1 or more'):
        realism.fine_tune(model, 'bundled', steps=0)


def test_the_output_must_be_a_file_of_weights(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(SystemExit, match=r'can not be written: .*; name another'):
        realism.main(['any', '--source', 'bundled', '--output', f'{tmp_path}/file/real.safetensors'])
    with pytest.raises(SystemExit, match=r'--output=real\.npz is no file \*\.safetensors'):
        realism.main(['any', '--source', 'bundled', '--output', 'real.npz'])
