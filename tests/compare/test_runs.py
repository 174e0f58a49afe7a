"""What is read of a run: which evaluation counts, how long its steps took, what is no run."""

import json

import numpy as np
import pytest
from helpers.records import write_run

from jaxcolor.compare import runs
from jaxcolor.errors import UserError


@pytest.mark.parametrize(('patience', 'step'), [(None, 30), (2, 20)])
def test_the_outcome_is_that_of_training(tmp_path, patience, step):
    scores = [{'step': 10, 'delta_e': 9.5}, {'step': 20, 'delta_e': 8.0}, {'step': 30, 'delta_e': 9.0}]
    (run,) = runs.read([write_run(tmp_path / 'run', scores, fields={'early_stopping.patience': patience})])
    assert run.outcome['step'] == step


def test_time_is_that_of_the_pictures_at_their_speed(tmp_path):
    """The first line has no speed, for it compiled; the batch grew from 10 to 20 after step 20."""
    losses = [
        {'step': 10},
        {'step': 20, 'images_per_second': 50.0},
        {'step': 30, 'images_per_second': 100.0},
        {'step': 40},
    ]
    path = write_run(tmp_path / 'run', [{'step': 40}], losses, {'data.batch_size': 20})
    line = {'step': 20, 'field': 'data.batch_size', 'old': 10, 'new': 20}
    (path / 'history.jsonl').write_text(json.dumps(line) + '\n')
    (run,) = runs.read([path])
    np.testing.assert_allclose(run.seconds(), [2.0, 4.0, 6.0, 8.0])


def test_without_speeds_there_is_no_time(tmp_path):
    (run,) = runs.read([write_run(tmp_path / 'run', [{'step': 10}], [{'step': 10}])])
    assert np.isnan(run.seconds()).all()


def test_names_tell_runs_apart(tmp_path):
    paths = [write_run(tmp_path / name, [{'step': 1}]) for name in ('one/lab', 'two/lab')]
    assert [run.name for run in runs.read(paths)] == ['one/lab', 'two/lab']
    assert [run.name for run in runs.read(paths[:1])] == ['lab']


def test_a_line_that_is_half_written_is_left_out(tmp_path):
    path = write_run(tmp_path / 'run', [{'step': 10}])
    with (path / 'evaluations.jsonl').open('a') as file:
        file.write('{"step": 20, "psn')
    (run,) = runs.read([path])
    assert run.outcome['step'] == 10


@pytest.mark.parametrize('steps', [None, 12])
def test_the_total_is_that_of_the_config_and_the_pictures(tmp_path, steps):
    path = write_run(tmp_path / 'run', [{'step': 10}], fields={'num_steps': steps, 'num_epochs': 2.0})
    (path / 'data.json').write_text('{"pictures": 45, "sha256": ""}')
    (run,) = runs.read([path])
    assert run.total == (steps or 10)  # five batches of ten hold 45 pictures


def test_what_is_no_run(tmp_path):
    (tmp_path / 'folder').mkdir()
    new = write_run(tmp_path / 'new', [])
    broken = write_run(tmp_path / 'broken', [{'step': 1}])
    (broken / 'config.json').write_text('{')
    for path, message in (
        (tmp_path / 'folder', 'holds no run: it has no config.json; name the work directory of a run'),
        (tmp_path / 'nowhere', 'holds no run'),
        (new, 'has no evaluation yet; wait for the first'),
        (broken, 'config.json is not JSON'),
    ):
        with pytest.raises(UserError, match=message):
            runs.read([path])
    good = write_run(tmp_path / 'good', [{'step': 1}])
    with pytest.raises(UserError, match='is named twice'):
        runs.read([good, tmp_path / 'new' / '..' / 'good'])
