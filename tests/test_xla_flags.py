"""Flags that XLA does not know are found before it ends the process for them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import fast_compile

from jaxcolor import cli, xla_flags

ROOT = Path(__file__).parents[1]
KNOWN = '--xla_force_host_platform_device_count=8'
# libtpu reads flags of its own; the rest are unknown on purpose.
ELSEWHERE = ('--xla_tpu_', '--xla_bogus')
WRITTEN = [
    path
    for folder in ('.', '.ci', 'configs', 'jaxcolor', 'launch', 'tests')
    for path in (ROOT / folder).glob('*' if folder in ('.', '.ci') else '**/*')
    if path.is_file() and path.suffix in ('', '.md', '.py', '.sh', '.yaml', '.sbatch', '.toml')
    if path not in (Path(fast_compile.__file__), Path(__file__))
]


def test_tells_known_flags_from_others():
    assert xla_flags.unknown([KNOWN, '--xla_bogus=1', 'xla_words', '--xla_bogus_too']) == [
        '--xla_bogus=1',
        '--xla_bogus_too',
    ]
    assert xla_flags.unknown(fast_compile.FLAGS) == []


@pytest.mark.parametrize(('flag', 'known'), [(KNOWN, True), ('--xla_bogus=1', False)])
def test_xla_is_of_the_same_opinion(flag, known):
    environment = os.environ | {'XLA_FLAGS': flag, 'JAX_PLATFORMS': 'cpu'}
    done = subprocess.run(
        [sys.executable, '-c', 'import jax; jax.devices()'], env=environment, capture_output=True, check=False
    )
    assert (done.returncode == 0) == known


@pytest.mark.parametrize(
    ('before', 'after'),
    [
        ('', '--xla_cpu_experimental_ynn_fusion_type=-individual_convolution'),
        (KNOWN, f'{KNOWN} --xla_cpu_experimental_ynn_fusion_type=-individual_convolution'),
        ('--xla_cpu_experimental_ynn_fusion_type=', '--xla_cpu_experimental_ynn_fusion_type='),
    ],
)
def test_training_sets_what_the_user_has_not(before, after):
    code = (
        'import os, jax\n'
        'from jaxcolor import xla_flags\n'
        'xla_flags.set_for_training()\n'
        'jax.devices()\n'  # which end the process if a flag is unknown
        'print(os.environ["XLA_FLAGS"])'
    )
    environment = os.environ | {'XLA_FLAGS': before, 'JAX_PLATFORMS': 'cpu'}
    done = subprocess.run([sys.executable, '-c', code], env=environment, capture_output=True, check=True, text=True)
    assert done.stdout == f'{after}\n'


def test_no_flag_is_written_anywhere_that_the_installed_jaxlib_refuses():
    """Removed ones belong into `fast_compile`, which asks first."""
    found = {flag for path in WRITTEN for flag in re.findall(r'--xla_\w+', path.read_text())}
    assert KNOWN.partition('=')[0] in found
    assert xla_flags.unknown(flag for flag in found if not flag.startswith(ELSEWHERE)) == []


def test_commands_name_an_unknown_flag(monkeypatch, capsys):
    monkeypatch.setenv('XLA_FLAGS', f'{KNOWN} --xla_bogus=1')
    assert cli.main(['export', '--model=nowhere', '--output=net', '--format=onnx']) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(
        r"error: XLA_FLAGS='--xla_bogus=1' is unknown to jaxlib [\d.]+ of Python 3\.\d+; leave it out", line
    )


@pytest.mark.parametrize(
    'command',
    [['jaxcolor.cli', 'colorize', 'a.png'], ['jaxcolor.cli', 'serve'], ['jaxcolor.main', '--config=quickstart:smoke']],
)
def test_a_platform_that_is_not_there_is_one_line(tmp_path, command):
    (tmp_path / 'a.png').write_bytes(b'')
    done = subprocess.run(
        [sys.executable, '-m', *command],
        cwd=tmp_path,
        env=os.environ | {'JAX_PLATFORMS': 'cuda', 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert line.startswith("error: JAX_PLATFORMS='cuda': JAX finds no such device here; leave it out, or install")
    assert 'Traceback' not in done.stderr
