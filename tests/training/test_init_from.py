"""Runs that start from a trained model: what they take, what is said of the rest, and how they go on."""

import contextlib
import json
import logging
import re
import shutil

import jax
import numpy as np
import pytest
from helpers.small import make_config

from jaxcolor import cli
from jaxcolor import config as configs
from jaxcolor.checkpoints.load import load
from jaxcolor.checkpoints.manager import Checkpoints
from jaxcolor.distributed import parallel
from jaxcolor.errors import UserError
from jaxcolor.training import init_from, train
from jaxcolor.training.state import build_system


@pytest.fixture(autouse=True)
def messages(caplog):
    caplog.set_level(logging.INFO, logger='jaxcolor.training.init_from')
    return caplog


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    """A run of both players with averaged weights, and three checkpoints of which the second is the best."""
    return make_source(make_config(), tmp_path_factory.mktemp('models') / 'source')


def make_source(config, workdir, shift=1):
    config = config.copy_and_resolve_references()
    config.ema_decay = 0.9
    system = build_system(config, None)
    workdir.mkdir()
    (workdir / 'config.json').write_text(configs.to_json(config))
    with contextlib.closing(Checkpoints(workdir, keep=3)) as checkpoints:
        for step, delta_e in ((1, 3.0), (2, 1.0), (3, 2.0)):
            config.seed = step
            state = train.create(config, system)
            ema_params = jax.tree.map(lambda a: a + shift, state.ema_params)
            checkpoints.save(step, state.replace(ema_params=ema_params), {'delta_e': delta_e})
        checkpoints.wait()
    return workdir


def start(config):
    system = build_system(config, parallel.AXIS)
    return jax.device_get(train.create(config, system, init_from.read(config)))


def settings(workdir):
    return configs.from_json((workdir / 'config.json').read_text())


def final_state(config, workdir):
    with contextlib.closing(Checkpoints(workdir, keep=9)) as checkpoints:
        step, state = checkpoints.restore(train.abstract_state(config, build_system(config, parallel.AXIS)))
    return step, jax.device_get(state)


def same(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


def differ(one, other):
    return any(not np.array_equal(a, b) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))


def test_both_players_are_taken_and_all_else_is_new(config, source, messages):
    config.ema_decay = 0.5
    for player in ('generator_optimizer', 'discriminator_optimizer'):
        config[player] = configs.default()[player]
    plain = start(config)
    config.init_from = str(source)
    state, (step, saved) = start(config), final_state(settings(source), source)
    assert step == 3
    same(state.generator.params, saved.ema_params)
    same(state.generator.batch_stats, saved.generator.batch_stats)
    same(state.ema_params, saved.ema_params)
    same(state.discriminator.variables, saved.discriminator.variables)
    for player in ('generator', 'discriminator'):
        same(getattr(state, player).opt_state, getattr(plain, player).opt_state)
        assert differ(getattr(state, player).params, getattr(plain, player).params)
    assert state.step == 0
    assert messages.messages == [f'init_from={str(source)!r}, step 3: all arrays are taken']


@pytest.mark.parametrize(('checkpoint', 'step'), [('', 3), (':latest', 3), (':best', 2), (':1', 1)])
def test_which_checkpoint(config, source, checkpoint, step):
    config.init_from = f'{source}{checkpoint}'
    assert init_from.read(config).step == step


def test_a_run_that_stops_early_is_taken_at_its_best(config, tmp_path):
    config.early_stopping.patience = 2
    config.init_from = str(make_source(config, tmp_path / 'source'))
    assert init_from.read(config).step == 2


def test_what_does_not_fit_is_listed_once(config, source, messages):
    configs.choose(config, 'generator', 'unet', depth=2, filters=4, dropout_layers=0)
    plain = start(config)
    config.init_from = str(source)
    state, model = start(config), load(source)
    (record,) = messages.records
    assert record.levelname == 'WARNING'
    message = record.getMessage()
    assert message.startswith(f'init_from={str(source)!r}, step 3: the generator takes ')
    assert message.endswith('; set generator.depth=3 (here 2) to have its own parts')
    taken = jax.tree_util.tree_leaves_with_path(state.generator.params)
    own, found = plain.generator.params, model.variables['params']
    count = 0
    for path, array in taken:
        layer, leaf = path[0].key, path[-1].key
        there = found.get(layer, {}).get(leaf)
        fits = there is not None and there.shape == array.shape
        count += fits
        np.testing.assert_array_equal(array, there if fits else own[layer][leaf])
        if there is not None and not fits:
            assert f'{layer} ({leaf} {there.shape} there, {array.shape} here)' in message
    assert 0 < count < len(taken)
    for layer in found.keys() - own.keys():
        assert f'{layer} (' in message and 'not here' in message
    same(state.discriminator.params, load(source, discriminator=True).discriminator['params'])


def test_a_long_list_is_cut(config, source, messages):
    configs.choose(config, 'generator', 'unet', depth=3, filters=8, dropout_layers=0)
    config.init_from = str(source)
    start(config)
    message = messages.messages[0]
    assert (
        ': the generator takes 1 of its 19 arrays, and not down_0 (kernel (4, 4, 1, 4) there, (4, 4, 1, 8)' in message
    )
    assert re.search(r'\) and 1 more; set generator\.filters=4 \(here 8\) to have', message)


def test_nothing_that_fits_is_an_error(config, source):
    configs.choose(config, 'generator', 'dcgan', filters=4)
    config.init_from = str(source)
    with pytest.raises(
        UserError,
        match=r"^init_from='.*source' is of another network: the generator can take none of its arrays, by name and "
        r"shape; set generator.name='unet' \(here 'dcgan'\) to have its own parts$",
    ):
        start(config)


def test_colours_of_another_space_are_a_warning(config, source, messages):
    configs.choose(config, 'space', 'luv')
    config.init_from = str(source)
    start(config)
    (record,) = messages.records
    assert record.levelname == 'WARNING'
    assert record.getMessage().endswith(
        ": all arrays are taken; set space.name='lab' (here 'luv') to have its own parts"
    )


def test_a_file_of_weights_has_no_discriminator(config, source, tmp_path, messages):
    file = tmp_path / 'a.safetensors'
    assert cli.main(['export', f'--model={source}', '--format=safetensors', f'--output={file}']) == 0
    plain = start(config)
    config.init_from = str(file)
    state = start(config)
    same(state.generator.params, load(file).variables['params'])
    same(state.discriminator, plain.discriminator)
    assert messages.messages == [
        f'init_from={str(file)!r}, step 3: the discriminator starts anew, for the model has none'
    ]


def test_the_model_that_comes_along(config, make_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ('jaxcolor', 'photos'):
        config.init_from = name
        assert init_from.read(config).config.generator.name == 'efficientnet_unet'
    shutil.copytree(make_run('unet'), tmp_path / 'jaxcolor')  # a run of that name
    config.init_from = 'jaxcolor'
    assert init_from.read(config).config.generator.name == 'unet'


def test_weights_of_an_encoder_are_not_read_where_the_model_has_one(config, make_run, tmp_path):
    configs.choose(config, 'generator', 'resnet_unet', filters=4)
    config.discriminator = None
    config.data.image_size = 64
    config.init_from = str(make_run('resnet_unet', generator_fields={'filters': 4}, image_size=64))
    config.pretrained.weights = str(tmp_path / 'nowhere.pth')
    assert start(config).step == 0
    config.init_from = str(make_run('unet', image_size=64))
    with pytest.raises(UserError, match=r'nowhere\.pth'):
        start(config)


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('nowhere', 'nowhere holds no run: there is no such folder; name the work directory'),
        ('folder', 'folder holds no run: it has no config.json; name the work directory'),
        ('folder:best', 'folder holds no run: it has no config.json'),
        ('young', 'checkpoints has no checkpoint; train first'),
        ('source:7', r"checkpoint='7' is not in .*/checkpoints; use latest, best, or a step: 1, 2, 3"),
        ('nowhere.safetensors', 'there is no such file; name another, or one of photos'),
        ('text.safetensors', 'can not be read as safetensors'),
        ('folder/a.safetensors:best', "checkpoint='best': .* has one alone; leave it out"),
        ('s4://bucket/run', 's4:// is not known; use a folder'),
    ],
)
def test_a_model_that_is_none(config, source, tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    for folder in ('folder', 'young'):
        (tmp_path / folder).mkdir()
    (tmp_path / 'source').symlink_to(source)
    shutil.copy(source / 'config.json', 'young')
    (tmp_path / 'text.safetensors').write_text('no model')
    (tmp_path / 'folder' / 'a.safetensors').write_text('no model')
    config.init_from = name
    with pytest.raises(UserError, match=f"^init_from='{name}': .*{message}"):
        train.train(config, tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def fine_tuning(model):
    config = make_config()
    config.init_from = f'{model}:best'
    config.update(ema_decay=0.5, num_steps=4, eval_every=2, checkpoint_every=1, log_every=1, keep=9)
    config.generator_optimizer = configs.default().generator_optimizer
    return config


@pytest.fixture(scope='module')
def finished(source, tmp_path_factory):
    """A work directory of four steps from the best of the source, and the scores of its outcome."""
    run = tmp_path_factory.mktemp('finished') / 'run'
    return run, train.train(fine_tuning(source), run)


def test_a_run_resumes_without_the_model(source, finished, tmp_path, capsys):
    model, run = tmp_path / 'model', tmp_path / 'run'
    shutil.copytree(source, model)
    config = fine_tuning(model)
    config.num_steps = 1
    train.train(config, run)
    shutil.rmtree(model)
    config.num_steps = 4
    whole, scores = finished
    assert train.train(config, run) == scores
    assert f'resuming {run} at step 1 of 4' in capsys.readouterr().out
    same(final_state(config, run), final_state(config, whole))

    before = (run / 'config.json').read_text()
    config.init_from = 'jaxcolor'
    with pytest.raises(
        UserError,
        match=r"^init_from='jaxcolor' is for a new run, and .*run holds one that started from '.*model:best'",
    ):
        train.train(config, run)
    assert (run / 'config.json').read_text() == before


def test_the_first_score_is_the_models_own(source, finished, tmp_path):
    whole, _ = finished
    first, *others = lines(whole / 'evaluations.jsonl')
    assert [line['step'] for line in (first, *others)] == [0, 2, 4]
    assert (whole / 'samples' / '0.png').exists()
    model = shutil.copytree(source, tmp_path / 'model')
    shutil.rmtree(model / 'checkpoints' / '3')
    own = train.evaluate_run(settings(model), model)
    assert own == pytest.approx(first | {'step': 2})


def test_a_model_that_nothing_betters_is_the_outcome(config, tmp_path, capsys):
    """One that says nearly grey, and a rate at which the next says the strongest colours."""
    config = fine_tuning(make_source(config, tmp_path / 'source', shift=0))
    config.early_stopping.update(metric='target_mse', patience=1)
    config.generator_optimizer.learning_rate = 0.5
    assert train.train(config, tmp_path / 'run')['step'] == 0
    assert 'restored step 0' in capsys.readouterr().out
    assert load(tmp_path / 'run').step == 0


@pytest.mark.parametrize('kept', [(), ('0',)])
def test_a_run_that_was_killed_at_its_beginning(source, finished, tmp_path, capsys, kept):
    """Before its first checkpoint it begins anew; with that of step 0 it goes on: to the same in either case."""
    whole, scores = finished
    config, run = fine_tuning(source), shutil.copytree(whole, tmp_path / 'run')
    for checkpoint in (run / 'checkpoints').iterdir():
        if checkpoint.name not in kept:
            shutil.rmtree(checkpoint)
    assert train.train(config, run) == scores
    assert (f'resuming {run} at step 0 of 4' in capsys.readouterr().out) == bool(kept)
    assert lines(run / 'evaluations.jsonl') == lines(whole / 'evaluations.jsonl')
    same(final_state(config, run), final_state(config, whole))
