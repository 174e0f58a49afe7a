"""Every field of the config at its edges: the least that it takes, None, and a value that is refused by its name."""

import re

import pytest

from jaxcolor import config as configs
from jaxcolor.data import pipeline
from jaxcolor.data.dataset import Dataset
from jaxcolor.errors import UserError
from jaxcolor.evaluation import measures
from jaxcolor.training import init_from, profiler
from jaxcolor.training.schedule import Schedule
from jaxcolor.training.state import build_system
from jaxcolor.training.train import check_metric

ANY = object()  # in place of a refused value: of what has the right type, everything is taken

OPTIMIZER = {
    'name': ('sgd', 'lamb'),
    'learning_rate': (1e-30, 0.0),
    'b1': (0.0, 1.0),
    'b2': (0.0, 1.0),
    'weight_decay': (0.0, -1.0),
    'schedule': ('linear', 'steps'),
    'warmup_steps': (0, -1),
    'decay_steps': (0, -1),
    'max_grad_norm': (0.0, -1.0),
    'backbone_factor': (0.0, -1.0),
    'backbone_frozen_steps': (0, -1),
}
FIELDS = {
    'seed': (0, -1),
    'data.source': ('bundled', 'nowhere'),
    'data.train_split': ('train[:1]', 'tran'),
    'data.test_split': ('test[:1]', 'tset'),
    'data.labels': ((), ('horse',)),
    'data.feature': ('image', 'photo'),
    'data.image_size': (16, 0),
    'data.resize': (16, 15),
    'data.max_resize': (16, 15),
    'data.fit': ('squash', 'stretch'),
    'data.batch_size': (1, 0),
    'data.crop': ('center', 'middle'),
    'data.flip': (False, ANY),
    'data.rotation': (0.0, -1.0),
    'data.min_colorfulness': (0.0, -1.0),
    'data.workers': (0, -1),
    'data.cache': ('host', 'disk'),
    'loss.adversarial': ('lsgan', 'wgan'),
    'loss.adversarial_weight': (0.0, -1.0),
    'loss.reconstruction': ('l2', 'l3'),
    'loss.reconstruction_weight': (0.0, float('nan')),
    'loss.label_smoothing': (0.0, 1.0),
    **{f'generator_optimizer.{field}': values for field, values in OPTIMIZER.items()},
    **{f'discriminator_optimizer.{field}': values for field, values in OPTIMIZER.items()},
    'pretrained.weights': ('', 'nowhere.pth'),
    'pretrained.sha256': ('', ANY),  # asked of weights alone
    'init_from': ('', 'nowhere'),
    'updates': ('simultaneous', 'both'),
    'norm_statistics': ('batch', 'running'),
    'sampling': ('none', 'noise'),
    'warmup_epochs': (0.0, -1.0),
    'num_epochs': (1e-9, 0.0),
    'num_steps': (1, 0),
    'ema_decay': (0.0, 1.0),
    'dtype': ('bfloat16', 'float16'),
    'accumulation_steps': (1, 0),
    'steps_per_call': (1, 0),
    'remat': (False, ANY),
    'metrics': ((), ('warmth',)),
    **{  # asked of metrics that are chosen alone
        f'metric_weights.{name}{what}': ('', ANY)
        for name in ('inception', 'lpips_backbone', 'lpips_heads')
        for what in ('', '_sha256')
    },
    'log_every': (1, 0),
    'profile': ('1:1', '2:1'),
    'eval_every': (1, 0),
    'checkpoint_every': (1, 0),
    'keep': (1, 0),
    'early_stopping.metric': ('mae', 'beauty'),
    'early_stopping.patience': (1, 0),
}


def make():
    config = configs.default()
    config.data.update(image_size=16, batch_size=2)
    configs.choose(config, 'generator', 'unet', depth=3, filters=4, dropout_layers=0)
    configs.choose(config, 'discriminator', 'patchgan', n_layers=1, filters=4)
    return config


def admit(config, field):
    """All that looks at a config before a run's first step, but for what compiles."""
    configs.check(config, device_count=1)
    profiler.parse(config.profile)
    dataset = Dataset(config.data)
    init_from.read(config)
    system = build_system(config, None, lambda: 10)
    check_metric(config.early_stopping.metric, system.space, config.metrics)
    measures.load(config)
    if field.startswith('data.'):
        batch = next(pipeline.train_batches(dataset, seed=config.seed))
        assert batch['image'].shape == (config.data.batch_size, 16, 16, 3)
        assert len(next(pipeline.test_batches(dataset))['mask']) == config.data.batch_size
    schedule = Schedule.of(config, 3)
    assert 0 < schedule.next_stop(0) <= schedule.total


def test_the_table_has_every_field():
    fields = {field for field in configs.defaults(make()) if field.partition('.')[0] not in configs.PARTS}
    assert fields == FIELDS.keys()


@pytest.mark.parametrize('field', FIELDS)
def test_the_least_is_taken(field):
    config = make()
    if field.endswith('.name'):  # the other fields are those of Adam
        config[field.partition('.')[0]] = {'name': FIELDS[field][0], 'learning_rate': 1.0}
    else:
        config.update_from_flattened_dict({field: FIELDS[field][0]})
    admit(config, field)


@pytest.mark.parametrize('field', FIELDS)
def test_none_is_taken_where_it_may_be_and_refused_elsewhere(field):
    config = make()
    if configs.defaults(config)[field] is None:
        configs.clear(config, field)
        admit(config, field)
    else:
        with pytest.raises(UserError, match=f'{re.escape(field)}=None: it is not optional; use a value'):
            configs.clear(config, field)


@pytest.mark.parametrize('field', [field for field, (_, refused) in FIELDS.items() if refused is not ANY])
def test_what_is_refused_is_named(field):
    config = make()
    config.update_from_flattened_dict({field: FIELDS[field][1]})
    with pytest.raises(UserError) as raised:
        admit(config, field)
    value = FIELDS[field][1]
    assert str(value[0] if isinstance(value, tuple) else value) in str(raised.value)
