"""The command line where it needs no model: help, and mistakes that are found before anything starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from jaxcolor import cli, experiments
from jaxcolor import config as configs

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
        (['colorise', 'a.jpg'], "invalid choice: 'colorise'"),
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
    Image.new('RGB', (40, 40), 'blue').save('b.jpg')
    return tmp_path


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['missing.jpg'], 'missing.jpg: there is no such file or folder'),
        (['a.jpg', '--depth=16', '--format=jpeg'], '--depth=16 does not go with --format=jpeg; leave one of them out'),
        (['a.jpg', '--depth=16', '--gray-test'], '--depth=16 does not go with --gray-test; leave one of them out'),
        (
            ['a.jpg', '--depth=16', '--output=x.jpg'],
            '--depth=16 does not go with --output=x.jpg; leave one of them out',
        ),
        (['a.jpg', 'b.jpg', '--output=x.jpg'], '--output=x.jpg is one file, for 2 pictures; use a folder'),
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


def test_what_a_misspelt_word_may_have_been():
    for words, guess in ((['tran', 'x'], 'train'), (['colorize', 'a.jpg', '--samplse=3'], '--samples')):
        done = run(*words)
        assert (done.returncode, done.stdout) == (2, '')
        assert done.stderr.rstrip().endswith(f'did you mean {guess}?')


def test_configs_are_listed_and_shown(capsys):
    assert cli.main(['train', '--list']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(path.stem for path in (ROOT / 'configs').glob('*.py'))
    assert all(len(line.split()) > 5 for line in lines)
    assert cli.main(['train', 'quickstart:smoke', '--show']) == 0
    shown = capsys.readouterr().out.splitlines()
    assert 'num_steps = 24  # default None' in shown
    assert "generator_optimizer.schedule = 'constant'  # or cosine or linear, to 0 at the end; or one_cycle" in shown
    (resize,) = (line for line in shown if line.startswith('data.resize = '))
    assert resize.endswith(
        "# In training, scale the shorter side to this and crop `image_size` out of it (pix2pix' jitter)"
    )
    assert any(line.startswith('generator.skips = True  # whether levels are joined') for line in shown)
    assert len(shown) == len(dict(configs.leaves(experiments.get_config('quickstart:smoke').to_dict())))
    assert cli.main(['train', 'quickstart', '--show', '--config.num_steps=3']) == 1
    assert '--config.num_steps=3 does not go with --show' in capsys.readouterr().err
    assert cli.main(['train']) == 1
    assert capsys.readouterr().err == 'error: CONFIG is missing; jaxcolor train --list prints those that come along\n'


def test_version_and_completion():
    assert run('--version').stdout.startswith('jaxcolor 0.')
    line = 'jaxcolor colorize --flip'
    asked = {
        '_ARGCOMPLETE': '1',
        'COMP_LINE': line,
        'COMP_POINT': str(len(line)),
        '_ARGCOMPLETE_STDOUT_FILENAME': '/dev/stdout',
    }
    done = subprocess.run(
        [sys.executable, '-m', 'jaxcolor.cli'], env={**os.environ, 'PYTHONPATH': str(ROOT), **asked},
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == '--flip-average', done.stderr
