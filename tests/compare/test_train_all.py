"""Runs of a sweep one after the other: what is done is skipped, what fails fails alone, Ctrl-C goes to the run."""

import os
import re
import signal
import sys
import threading
import time

import pytest
from etils import epath
from helpers.records import write_run

from jaxcolor import cli
from jaxcolor.compare import sweep, train_all
from jaxcolor.compare.sweep import Sweep
from jaxcolor.errors import InterruptedRunError, UserError
from jaxcolor.training.train import train

SMALL = Sweep('quickstart:smoke', {'a': {}, 'b': {'updates': 'simultaneous'}, 'c': {'ema_decay': 0.5}})


def children(monkeypatch, script):
    """Has every run be a Python script in place of training; it gets the work directory as its last word."""
    monkeypatch.setattr(train_all, 'program', lambda trial, place: [sys.executable, '-c', script, str(place)])


def test_what_fails_fails_alone(tmp_path, monkeypatch):
    script = 'import os, sys; os.makedirs(sys.argv[1]); sys.exit(3 * sys.argv[1].endswith("b"))'
    children(monkeypatch, script)
    messages = []
    failed = train_all.train_all(sweep.trials(SMALL), epath.Path(tmp_path), messages.append)
    assert failed == {'b': 3}
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a', 'b', 'c']
    assert messages[0].startswith('[1/3] a: 3 to train\njaxcolor train quickstart:smoke --workdir=')
    assert messages[2] == '[2/3] b failed with status 3; the others go on'
    assert re.match(r'\[3/3\] c: 1 to train; about \d+ seconds left', messages[3])


def test_an_interrupted_sweep_ends_with_its_run_saved(tmp_path, monkeypatch):
    """The run is told once, and by us alone; those after it are not begun."""
    script = (
        'import pathlib, signal, sys, time\n'
        'place = pathlib.Path(sys.argv[1]); place.mkdir()\n'
        'told = []\n'
        'signal.signal(signal.SIGINT, lambda number, frame: told.append(number))\n'
        '(place / "ready").touch()\n'
        'while not told: time.sleep(0.01)\n'
        'time.sleep(0.3)\n'
        '(place / "saved").write_text(str(len(told)))\n'
        'sys.exit(130)\n'
    )
    children(monkeypatch, script)

    def interrupt():
        while not (tmp_path / 'a' / 'ready').exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(InterruptedRunError, match=r'SIGINT: a is saved as far as .*run the same line again'):
        train_all.train_all(sweep.trials(SMALL), epath.Path(tmp_path), lambda line: None)
    thread.join()
    assert (tmp_path / 'a' / 'saved').read_text() == '1'
    assert [path.name for path in tmp_path.iterdir()] == ['a']


def test_other_settings_are_refused_before_anything_is_trained(tmp_path, monkeypatch):
    children(monkeypatch, 'raise SystemExit("nothing is to be trained")')
    write_run(tmp_path / 'c', [{'step': 100}])
    with pytest.raises(UserError, match=r'c was trained with other settings: data\..* was .*, is .*; use another'):
        train_all.train_all(sweep.trials(SMALL), epath.Path(tmp_path))


def test_a_sweep_from_its_line_to_its_page(tmp_path, monkeypatch, capsys):
    """Real runs, in this process; again, and longer."""
    trained = []

    def run(trial, place):
        trained.append(place.name)
        train(trial.config, place)
        return 0

    monkeypatch.setattr(train_all, '_run', run)
    file = tmp_path / 'mine.py'
    file.write_text(
        'from jaxcolor.compare.sweep import Sweep\n\n\n'
        'def get_sweep():\n'
        "    fields = {'data.image_size': 16, 'data.resize': None, 'generator.depth': 3, 'generator.filters': 4}\n"
        "    fields |= {'generator.dropout_layers': 0, 'discriminator.filters': 4, 'discriminator.n_layers': 1}\n"
        "    fields |= {'dtype': 'auto'}\n"
        "    variants = {'alternating': {}, 'simultaneous': {'updates': 'simultaneous'}}\n"
        "    return Sweep('quickstart:smoke', variants, fields)\n"
    )
    line = ['sweep', str(file), f'--workdir={tmp_path / "runs"}', '--config.eval_every=2', '--config.num_steps=2']
    assert cli.main(line) == 0
    assert trained == ['alternating', 'simultaneous']
    page = (tmp_path / 'runs' / 'compare.html').read_text()
    assert '<td>alternating</td><td>simultaneous</td>' in page
    assert 'alt="picture 1, simultaneous"' in page
    out = capsys.readouterr().out
    assert '| updates | alternating | simultaneous |' in out

    assert cli.main(line) == 0
    assert len(trained) == 2
    assert '[2/2] simultaneous: done before' in capsys.readouterr().out

    assert cli.main([*line[:-1], '--config.num_steps=4', '--only=simultaneous']) == 0
    assert trained[2:] == ['simultaneous']
    assert 'alternating' not in (tmp_path / 'runs' / 'compare.html').read_text().partition('<h2>What')[0]


@pytest.mark.parametrize('line', [['naim25:smoke'], ['akshat23:smoke', '--only=lab,simultaneous']])
def test_sweeps_that_come_along_train(tmp_path, monkeypatch, line):
    monkeypatch.setattr(train_all, '_run', lambda trial, place: int(train(trial.config, place)['step'] != 2))
    words = [*line, f'--workdir={tmp_path}', '--config.num_steps=2', '--config.data.test_split=test[:8]']
    assert cli.main(['sweep', *words]) == 0
    text = (tmp_path / 'compare.html').read_text()
    assert text.count('class="grey"') == 2  # one table, for all were scored on the same pictures


def test_seeds_that_are_none(capsys):
    assert cli.main(['sweep', 'naim25', '--seeds=1,1']) == 1
    assert '--seeds=1,1 is no list of seeds; use whole numbers, each once, such as 0,1,2' in capsys.readouterr().err


def test_the_sweeps_that_come_along(capsys):
    assert cli.main(['sweep', '--list']) == 0
    lines = capsys.readouterr().out.splitlines()
    names = ['akshat23', 'cifar_recipe', 'kanojia23', 'mehani23', 'naim25', 'photographs']
    assert [line.split()[0] for line in lines] == names
    assert cli.main(['sweep']) == 1
    assert 'SWEEP is missing' in capsys.readouterr().err
