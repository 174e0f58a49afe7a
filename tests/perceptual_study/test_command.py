"""`jaxcolor judge`, as a person starts and ends it."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from jaxcolor import cli
from jaxcolor.perceptual_study.answers import Answer, Results, Setting

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize('ending', [signal.SIGINT, signal.SIGTERM])
def test_ends_in_the_summary(make_run, folder, tmp_path, ending):
    run = make_run('unet', generator_fields={'depth': 3, 'filters': 2}, image_size=8)
    command = [sys.executable, '-W', 'error::DeprecationWarning', '-m', 'jaxcolor.cli', 'judge', run]
    options = ['--pictures', folder, '--port=0', '--size=32', '--results', tmp_path / 'answers.jsonl']
    with (
        subprocess.Popen(
            [*map(str, command + options)],
            cwd=ROOT,
            env=os.environ | {'PYTHONPATH': str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
        contextlib.ExitStack() as stack,
    ):
        stack.callback(process.kill)
        assert process.stdout
        first = process.stdout.readline()
        assert first == '6 pictures, each for everybody once, true or coloured; left out for being grey: 1\n'
        url = process.stdout.readline().removeprefix('listening on ').partition('/;')[0]
        with httpx.Client(base_url=url) as client:
            state = client.post('/v1/judges', json={}).json()
            answers = f'/v1/judges/{state["judge"]}/answers'
            while state['picture']:
                state = client.post(answers, json={'picture': state['picture'], 'answer': 'true'}).json()
            process.send_signal(ending)  # with the client's connection open
            out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    lines = out.splitlines()
    assert lines[0] == f'{run}, step 1, 32 px at most, shown as long as one likes: 1 person, 6 answers'
    assert lines[1].endswith('100.0 % (3 of 3; 95 %: 43.9 to 100.0)')
    assert lines[2].endswith('0.0 % (0 of 3; 95 %: 0.0 to 56.1)')
    assert lines[3].endswith('50 % of either')
    assert 'Traceback' not in err
    assert 'broken.jpg' in err  # what could not be read is named


def test_reports_of_a_file(tmp_path, capsys):
    results = Results(tmp_path / 'a.jsonl')
    results.add(Answer('a', '1.jpg', 'coloured', 'true', Setting('photos, step 9', 64, None)))
    assert cli.main(['judge', '--report', str(results.path)]) == 0
    assert capsys.readouterr().out == f'{results.report()}\n'


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ([], '--pictures is missing; use a folder of colour photographs, or --report with results'),
        (['--report=HERE/none.jsonl'], 'none.jsonl: there is no such file; use one of --results'),
        (['--report=HERE/x', '--pictures=HERE'], '--report does not go with --pictures; leave one of them out'),
        (['--report=HERE/losses.jsonl'], 'losses.jsonl holds no answers of `jaxcolor judge`; use another file'),
        (['--pictures=HERE', '--results=HERE/losses.jsonl'], 'holds no answers of `jaxcolor judge`; use another file'),
        (['--pictures=HERE', '--results=HERE/no/a.jsonl'], 'can not be written: No such file or directory; choose'),
        (['none', '--pictures=HERE', '--results=HERE/a.jsonl'], 'none holds no run'),
    ],
)
def test_mistakes_end_in_one_line(tmp_path, capsys, options, message):
    (tmp_path / 'losses.jsonl').write_text('{"step": 1}\n')
    assert cli.main(['judge', *(option.replace('HERE', str(tmp_path)) for option in options)]) == 1
    out, err = capsys.readouterr()
    assert out == ''
    assert message in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize('seconds', ['0', '-1', 'nan', 'inf', '4000', 'x'])
def test_seconds_that_are_none(seconds, capsys):
    with pytest.raises(SystemExit):
        cli.main(['judge', f'--seconds={seconds}'])
    assert '--seconds: ' in capsys.readouterr().err
