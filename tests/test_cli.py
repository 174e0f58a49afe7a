"""The command line where it needs no model: help, and mistakes that are found before anything starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from jaxcolor import cli

ROOT = Path(__file__).parents[1]


def run(*arguments):
    """`python -m jaxcolor.cli`, as a person starts it."""
    return subprocess.run(
        [sys.executable, '-m', 'jaxcolor.cli', *map(str, arguments)],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize('command', ['', 'colorize'])
def test_help(capsys, command):
    with pytest.raises(SystemExit) as end:
        cli.main([*command.split(), '--help'])
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(f'usage: jaxcolor {command}'.strip())
    if command:
        assert 'example: jaxcolor colorize ' in out


def test_help_imports_no_libraries():
    script = 'import sys; from jaxcolor import cli; print({"jax", "numpy", "PIL", "tqdm"} & set(sys.modules))'
    done = subprocess.run([sys.executable, '-c', script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == 'set()\n'


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ([], 'required: COMMAND'),
        (['colorize', '--model=m', '--output=o'], 'required: PATH'),
        (
            ['colorize', 'a.jpg', '--model=m', '--output=o', '--samples=0'],
            '--samples: 0 is out of range; use 1 or more',
        ),
        (['colorize', 'a.jpg', '--model=m', '--output=o', '--quality=101'], '101 is out of range; use 1 to 100'),
        (['colorize', 'a.jpg', '--model=m', '--output=o', '--batch-size=x'], "invalid whole number value: 'x'"),
        (['colorize', 'a.jpg', '--model=m', '--output=o', '--format=heic'], "invalid choice: 'heic'"),
    ],
)
def test_options_that_do_not_parse(capsys, arguments, message):
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2
    assert message in capsys.readouterr().err


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new('RGB', (40, 40), 'red').save('a.jpg')
    return tmp_path


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['missing.jpg'], 'missing.jpg: there is no such file or folder'),
        (['a.jpg', '--depth=16', '--format=jpeg'], '--depth=16 does not go with --format=jpeg; leave one of them out'),
        (['a.jpg', '--depth=16', '--gray-test'], '--depth=16 does not go with --gray-test; leave one of them out'),
        (['a.jpg', '--output=a.jpg/x', '--gray-test'], 'can not be written'),
        (['a.jpg', '--output=.'], 'would be written over the input'),
        (['a.jpg'], 'model holds no run: there is no such folder'),
    ],
)
def test_mistakes_end_in_one_line(here, capsys, arguments, message):
    assert cli.main(['colorize', '--model=model', '--output=out', *arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ''
    assert err.startswith('error: ')
    assert message in err
    assert len(err.splitlines()) == 1
    assert not list(here.glob('out/*'))


def test_exit_statuses(here):
    assert run('colorize').returncode == 2
    failed = run('colorize', 'missing.jpg', '--model=model', f'--output={here}/out')
    assert failed.returncode == 1
    assert failed.stderr == 'error: missing.jpg: there is no such file or folder\n'
