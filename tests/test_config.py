"""The config: what is refused before anything compiles, and how two configs differ."""

import runpy
from pathlib import Path

import jax
import ml_collections
import pytest

from jaxcolor import config as configs
from jaxcolor.errors import UserError
from jaxcolor.training.state import build_system, create_state


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'data.batch_size': 12}, r'data.batch_size=12 does not divide among 8 devices; use 16'),
        ({'data.batch_size': 3}, r'use 8'),
        (
            {'data.batch_size': 8, 'accumulation_steps': 3},
            r'data.batch_size=8 does not divide among 8 devices and 3 accumulation_steps; use 24',
        ),
        ({'accumulation_steps': 0}, r'accumulation_steps=0 is too small; use 1 or more'),
        ({'steps_per_call': 0}, r'steps_per_call=0 is too small; use 1 or more'),
        ({'data.cache': 'disk'}, r"data.cache='disk' is unknown; use host or device"),
        ({'num_epochs': 0.0}, r'num_epochs=0.0 trains nothing'),
        ({'num_steps': 0}, r'num_steps=0 is too small'),
        ({'log_every': 0}, r'log_every=0 is too small'),
        ({'ema_decay': 1.0}, r'ema_decay=1.0 is not in \[0, 1\)'),
        ({'data.image_size': -16}, r'data.image_size=-16 is too small'),
        ({'data.workers': -1}, r'data.workers=-1 is too small; use 0 or more'),
        ({'early_stopping.patience': 0}, r'early_stopping.patience=0 is too small; use 1 or more'),
        ({'seed': -1}, r'seed=-1 is out of range'),
        ({'sampling': 'noise'}, r"sampling='noise' is unknown; use none or dropout"),
        ({'dtype': 'float16'}, r"dtype='float16' is unknown; use float32, bfloat16 or auto"),
    ],
)
def test_values_out_of_range(change, message):
    config = configs.default()
    config.update_from_flattened_dict(change)
    with pytest.raises(UserError, match=message):
        configs.check(config, device_count=8)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'generator.name': 'gan'}, r"'gan'.*unet"),
        ({'discriminator.name': 'judge'}, r"'judge'.*patchgan"),
        ({'space.name': 'cmyk'}, r"'cmyk'.*lab"),
        ({'loss.adversarial': 'wgan'}, r"loss\.adversarial='wgan' is unknown; known: vanilla, lsgan, hinge"),
        ({'loss.reconstruction': 'l3'}, r"loss\.reconstruction='l3' is unknown; known: l1, l2"),
        ({'loss.label_smoothing': 1.5}, r'label_smoothing=1\.5 is not in \[0, 1\)'),
        ({'loss.adversarial': 'hinge', 'loss.label_smoothing': 0.1}, r'hinge.*no labels to smooth'),
        (
            {'generator_optimizer.name': 'lamb'},
            r"generator_optimizer\.name='lamb' is unknown; known: adam, adamw, lion, sgd",
        ),
        ({'generator.filters': 0}, r'generator\.filters=0 is too small; use 1 or more'),
        ({'generator.depth': 0}, r'generator\.depth=0 is too small'),
        ({'generator.dropout': 1.0}, r'generator\.dropout=1\.0 drops everything'),
        ({'generator.widths': (8, 0)}, r'generator\.widths=.*is too small; use 1 or more'),
        ({'generator.norm': 'layer'}, r"unknown norm 'layer'; known: batch, instance, none"),
        ({'discriminator.n_layers': 0}, r'discriminator\.n_layers=0 is too small'),
        ({'generator_optimizer.learning_rate': -1.0}, r'generator_optimizer\.learning_rate=-1\.0 teaches nothing'),
        ({'discriminator_optimizer.b1': 1.0}, r'discriminator_optimizer\.b1=1\.0 is not in'),
        ({'data.image_size': 40}, r'40 is not divisible by 2\^depth = 256'),
    ],
)
def test_what_can_not_be_built(change, message):
    config = configs.default()
    config.update_from_flattened_dict(change)
    with pytest.raises(UserError, match=message):
        jax.eval_shape(lambda: create_state(build_system(config, None), config.data.image_size, jax.random.key(0)))


def test_json_round_trip_and_differences():
    old = configs.default()
    new = configs.from_json(configs.to_json(old))
    assert configs.differences(old, new) == {}
    new.data.batch_size, new.generator.filters, new.ema_decay = 4, 8, 0.99
    assert configs.differences(old, new) == {
        'data.batch_size': (16, 4),
        'generator.filters': (64, 8),
        'ema_decay': (0.0, 0.99),
    }
    assert set(configs.model_differences(old, new)) == {'generator.filters', 'ema_decay'}
    new.discriminator = None
    assert configs.differences(old, new)['discriminator.name'] == ('patchgan', None)
    assert not any(field.startswith('discriminator.f') for field in configs.differences(old, new))


def test_network_fields_can_be_overridden_by_flags():
    """Fields that may be None know the type that a flag gives them."""
    config = configs.default()
    assert config.generator.get_type('widths') is tuple
    assert config.generator.get_type('dropout_layers') is int


def test_variants():
    configs.check_variant('', 'smoke')
    configs.check_variant('smoke', 'smoke')
    with pytest.raises(UserError, match="no variant 'smok' of this config; it has smoke"):
        configs.check_variant('smok', 'smoke')


PALETTE = {'size': 2, 'centers': ((0.0, 0.0, 0.0), (255.0, 255.0, 255.0)), 'frequencies': (0.5, 0.5)}


@pytest.mark.parametrize(
    ('parts', 'change', 'message'),
    [
        (
            {'space': ('palette', PALETTE)},
            {},
            r"loss.reconstruction='l1' does not fit space 'palette'; use cross_entropy",
        ),
        ({}, {'loss.reconstruction': 'cross_entropy'}, r"'cross_entropy' does not fit space 'lab'; use l1 or l2"),
        (
            {'space': ('palette', PALETTE)},
            {'loss.reconstruction': 'cross_entropy'},
            r"'palette' names classes, and discriminator 'patchgan' judges colours; set discriminator to None",
        ),
        (
            {'space': ('palette', PALETTE), 'discriminator': None},
            {'loss.reconstruction': 'cross_entropy'},
            r"'unet' ends in tanh, which can not say how sure it is",
        ),
        (
            {'space': ('rgb', {})},
            {'generator.out_channels': 2},
            r'generator\.out_channels=2.*rgb.*3|generator\.out_channels=2.*3',
        ),
        (
            {'generator': ('valid', {})},
            {},
            r"'valid' ends in relu, and the colours of space 'lab' are negative as well",
        ),
        (
            {'generator': ('valid', {}), 'space': ('rgb', {'signed': False})},
            {'data.image_size': 16},
            r'size 16 is too small .* use 25',
        ),
        (
            {'generator': ('dcgan', {})},
            {'sampling': 'dropout'},
            r"sampling='dropout', but generator 'dcgan' drops nothing",
        ),
        ({'generator': ('unet', {'dropout': 0.0})}, {'sampling': 'dropout'}, r"generator 'unet' drops nothing"),
        ({}, {'pretrained.weights': 'resnet18.pth'}, r"generator 'unet' has none .*; use resnet_unet or"),
    ],
)
def test_what_does_not_go_together(parts, change, message):
    config = configs.default()
    for section, choice in parts.items():
        if choice is None:
            config[section] = None
        else:
            configs.choose(config, section, choice[0], **choice[1])
    with config.unlocked():
        config.update_from_flattened_dict(change)
    with pytest.raises(UserError, match=message):
        build_system(config, None)


ROOT = Path(__file__).parents[1]
FULL_SIZE = [
    *((path.name, '') for path in sorted((ROOT / 'configs').glob('*.py'))),
    ('landscapes_spectral_gan.py', 'rgb'),
]


@pytest.mark.parametrize(('name', 'variant'), FULL_SIZE)
def test_every_config_describes_a_system_at_full_size(name, variant):
    config = runpy.run_path(str(ROOT / 'configs' / name))['get_config'](variant)
    configs.check(config, device_count=1)
    assert configs.differences(configs.from_json(configs.to_json(config)), config) == {}
    if config.space.name == 'palette':
        basis = {'centers': ((0.0, 0.0), (20.0, 30.0))} if config.space.basis == 'lab' else {}
        config.space.update(PALETTE | basis)
    system = build_system(config, None)
    state = jax.eval_shape(lambda: create_state(system, config.data.image_size, jax.random.key(0)))
    assert sum(leaf.size for leaf in jax.tree.leaves(state.generator.params)) > 10_000


def test_a_config_of_an_older_version_lacks_fields_and_is_the_same():
    """Else a palette of before there were grids would be another model, and its run could not go on."""
    config = configs.default()
    configs.choose(config, 'space', 'palette', size=24)
    old = config.to_dict()
    for section, field in (('space', 'spacing'), ('space', 'vividness'), ('space', 'compression'), ('data', 'resize')):
        del old[section][field]
    old = ml_collections.ConfigDict(old)
    assert configs.differences(old, config) == {}
    assert configs.model_differences(old, config) == {}
    config.space.spacing = 10.0
    assert configs.model_differences(old, config) == {'space.spacing': (0.0, 10.0)}
