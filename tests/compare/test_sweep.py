"""Sweeps: those that come along, how one is read, and what is wrong with one before anything is trained."""

import copy
import sys

import pytest
from absl import flags
from ml_collections import config_flags

from jaxcolor import config as configs
from jaxcolor import experiments
from jaxcolor import main as training
from jaxcolor.compare import sweep
from jaxcolor.compare.sweep import Sweep
from jaxcolor.errors import UserError

SWEEPS = sorted(experiments.paths('sweep'))

SMALL = Sweep('quickstart:smoke', {'a': {}, 'b': {'updates': 'simultaneous'}})


def as_trained(arguments, monkeypatch):
    """The config that `jaxcolor train` makes of its words."""
    command, base, _, *fields = arguments
    assert command == 'train'
    words = training.by_experiments([f'--config={base}', *fields])
    monkeypatch.setattr(sys, 'argv', ['main', *words])  # where config_flags looks for fields
    values = flags.FlagValues()
    config_flags.DEFINE_config_file('config', flag_values=values)
    values(copy.copy(sys.argv))
    return values['config'].value


@pytest.mark.filterwarnings('ignore:.*load_module:DeprecationWarning')  # which ml_collections calls
@pytest.mark.parametrize('variant', ['', ':smoke'])
@pytest.mark.parametrize('name', SWEEPS)
def test_each_variant_is_what_its_line_trains(name, variant, monkeypatch):
    folder, found = sweep.load(name + variant)
    assert folder == name + variant.replace(':', '_')
    trials = sweep.trials(found)
    assert len(trials) == len(found.variants)
    texts = {configs.to_json(trial.config) for trial in trials}
    assert len(texts) == len(trials)  # they do differ
    for trial in trials:
        assert configs.to_json(as_trained(trial.arguments('runs/x'), monkeypatch)) == configs.to_json(trial.config)
    if variant:
        assert {trial.config.num_steps for trial in trials} == {24}


def test_fields_of_the_command_line_are_for_all():
    words = ['--config.data.source=folder:a b', '--config.ema_decay=0.5', '--config.eval_every=None']
    trials = sweep.trials(SMALL, words)
    assert {trial.config.data.source for trial in trials} == {'folder:a b'}
    assert {trial.config.ema_decay for trial in trials} == {0.5}
    assert {trial.config.eval_every for trial in trials} == {None}
    assert (
        trials[1]
        .command('w')
        .endswith("'--config.data.source=folder:a b' --config.ema_decay=0.5 --config.eval_every=None")
    )


def test_each_seed_is_a_run():
    trials = sweep.trials(Sweep('quickstart:smoke', {'a': {}, 'b': {}}, seeds=(3, 4)), only=['b'])
    assert [(trial.name, trial.config.seed) for trial in trials] == [('b_seed3', 3), ('b_seed4', 4)]


@pytest.mark.parametrize(
    ('variants', 'words', 'only', 'message'),
    [
        ({'a': {'loss.smoothing': 0.1}}, [], [], 'variant a: loss.smoothing=0.1: there is no such field'),
        ({'a': {'ema_decay': 'much'}}, [], [], "variant a: ema_decay='much' is of the wrong type"),
        ({'a': {'loss.adversarial': 'wgan'}}, [], [], 'variant a: loss.adversarial'),
        ({'a': {'ema_decay': None}}, [], [], 'variant a: ema_decay=None: it is not optional'),
        ({'a': {'config': 'cifar_dgan'}}, [], [], 'variant a: --config=cifar_dgan: there is no such file or config'),
        ({'a': {'updates': 'simultaneous'}}, ['--config.updates=alternating'], [], 'is what the variant a is about'),
        ({'../a': {}}, [], [], "variant '../a' is no name of a folder"),
        ({'a': {}}, ['--epochs=3'], [], '--epochs=3 is no option of a sweep; use --config.field=value'),
        ({'a': {}}, [], ['c'], '--only=c is no variant of this sweep; it has a'),
    ],
)
def test_what_is_wrong_is_found_before_anything_is_trained(variants, words, only, message):
    with pytest.raises(UserError) as raised:
        sweep.trials(Sweep('quickstart:smoke', variants), words, only)
    assert message in str(raised.value)


def test_what_is_no_sweep(tmp_path):
    with pytest.raises(UserError, match='akshat: there is no such file or sweep; did you mean akshat23'):
        sweep.load('akshat')
    file = tmp_path / 'mine.py'
    file.write_text('def get_sweep():\n    return {}\n')
    with pytest.raises(UserError, match='holds no sweep; use a function get_sweep'):
        sweep.load(str(file))
