"""`python -m jaxcolor.main` as a person runs it, in processes of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers import fast_compile
from helpers.cluster import arrays, lines
from helpers.data import PHOTOGRAPHS, TFDS
from PIL import Image

ROOT = Path(__file__).parents[2]
SMOKE = '--config=configs/quickstart.py:smoke'


@pytest.fixture
def compiled(tmp_path_factory):
    """What one process of these tests compiles, the next need not."""
    folder = tmp_path_factory.getbasetemp() / 'compiled'
    return {'XDG_CACHE_HOME': str(folder), 'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0'}


def programs(compiled):
    return sorted(path.name for path in Path(compiled['XDG_CACHE_HOME'], 'jaxcolor').glob('*-cache'))


def environment(**extra):
    """What a person has: one device, no strictness; TFDS looks where nothing is unless told."""
    ours = ('JAX_NUMPY', 'PYTEST', 'COV', 'TFDS')
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    flags = ' '.join(fast_compile.FLAGS)
    new = {'XLA_FLAGS': flags, 'PYTHONWARNINGS': 'default', 'TFDS_DATA_DIR': '/nowhere', 'PYTHONPATH': str(ROOT)}
    return {**kept, **new, **extra}


def start(*arguments, cwd=ROOT, **extra):
    command = [sys.executable, '-m', 'jaxcolor.main', *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=cwd, env=environment(**extra), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def run(*arguments, cwd=ROOT, **extra):
    process = start(*arguments, cwd=cwd, **extra)
    out, err = process.communicate(timeout=500)
    return process.returncode, out, err


def wait_for(path, process):
    deadline = time.monotonic() + 400
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_killed_and_run_again_equals_never_killed(tmp_path, compiled):
    """Bit for bit, after SIGTERM and after SIGKILL, without compiling anew; and the records have each step once."""
    often = ('--config.num_steps=40', '--config.checkpoint_every=4', '--config.eval_every=20', '--config.log_every=5')
    code, out, err = run(SMOKE, f'--workdir={tmp_path}/whole', *often, **compiled)
    assert code == 0, err
    assert 'Traceback' not in err
    assert '24 test pictures' in out
    assert f'{tmp_path}/whole/samples/40.png' in out
    kept = programs(compiled)
    assert len(kept) > 5

    killed = tmp_path / 'killed'
    for number, step in ((signal.SIGTERM, 8), (signal.SIGKILL, 24)):
        process = start(SMOKE, f'--workdir={killed}', *often, **compiled)
        wait_for(killed / 'checkpoints' / str(step), process)
        process.send_signal(number)
        out, err = process.communicate(timeout=100)
        if number == signal.SIGTERM:
            assert process.returncode == 128 + signal.SIGTERM
            assert 'SIGTERM: saved step' in err
            assert 'Traceback' not in err
        else:
            assert process.returncode == -signal.SIGKILL
    code, out, err = run(SMOKE, f'--workdir={killed}', *often, **compiled)
    assert code == 0, err
    assert 'resuming' in out
    assert programs(compiled) == kept

    expected, actual = arrays(tmp_path / 'whole', 40), arrays(killed, 40)
    assert expected.keys() == actual.keys()
    assert len(expected) > 20
    for name, value in expected.items():
        np.testing.assert_array_equal(actual[name], value, err_msg=name)
    for name in ('evaluations.jsonl', 'losses.jsonl'):
        steps = [line['step'] for line in lines(killed / name)]
        assert steps == [line['step'] for line in lines(tmp_path / 'whole' / name)]
    assert (killed / 'evaluations.jsonl').read_text() == (tmp_path / 'whole' / 'evaluations.jsonl').read_text()


MISTAKES = {
    'no config': ([], '--config is missing'),
    'no cluster': ([SMOKE, '--multihost'], '--multihost: the cluster can not be joined: coordinator_address should'),
    'half a cluster': ([SMOKE, '--multihost', 'JAX_PROCESS_ID=one'], "JAX_PROCESS_ID='one' is not a number"),
    'no such XLA flag': ([SMOKE, 'XLA_FLAGS=--xla_bogus'], "XLA_FLAGS='--xla_bogus' is unknown to jaxlib "),
    'no such config': (
        ['--config=configs/cifar_dgcan.py'],
        'there is no such file or config; did you mean cifar_dcgan?',
    ),
    'no such variant': (['--config=configs/quickstart.py:fast'], "no variant 'fast'"),
    'no such field': ([SMOKE, '--config.data.batchsize=4'], 'batchsize'),
    'no such flag': ([SMOKE, '--work_dir=x'], 'work_dir'),
    'not a number': ([SMOKE, '--config.data.batch_size=many'], 'invalid literal'),
    'a word too many': ([SMOKE, 'train'], "'train' is not a flag"),
    'source': ([SMOKE, '--config.data.source=web:cats'], 'web:cats'),
    'generator': ([SMOKE, '--config.generator.name=wavenet'], 'wavenet'),
    'discriminator': ([SMOKE, '--config.discriminator.name=critic'], 'critic'),
    'loss': ([SMOKE, '--config.loss.adversarial=wgan'], "loss.adversarial='wgan' is unknown; known: vanilla"),
    'split': ([SMOKE, '--config.data.test_split=dev'], 'dev'),
    'noise without dropout': ([SMOKE, '--config.sampling=dropout'], "generator 'unet' drops nothing"),
    'classes without a palette': (
        [SMOKE, '--config.loss.reconstruction=cross_entropy'],
        "loss.reconstruction='cross_entropy' does not fit space 'lab'; use l1 or l2",
    ),
    'negative colours from a ReLU': (
        ['--config=configs/cifar_valid_gan.py:smoke', '--config.space.signed'],
        "generator 'valid' ends in relu, and the colours of space 'rgb' are negative as well",
    ),
    'too small for unpadded convolutions': (
        ['--config=configs/cifar_valid_gan.py:smoke', '--config.data.image_size=16'],
        'image size 16 is too small',
    ),
    'weights offline': (
        ['--config=configs/photos_resnet_unet.py:smoke', '--config.pretrained.weights=hf:timm/resnet18.tv_in1k'],
        'pass a file',
    ),
    'labels of a folder': ([SMOKE, "--config.data.labels=('cat',)"], 'bundled'),
    'early stopping': ([SMOKE, '--config.early_stopping.metric=fid'], "early_stopping.metric='fid'"),
    'size': ([SMOKE, '--config.data.image_size=20'], '20 is not divisible by 2^depth = 8'),
    'pictures cut anew, and kept on the device': ([SMOKE, '--config.data.cache=device'], 'use data.crop=center'),
    'batch': (
        [SMOKE, '--config.data.batch_size=9', 'XLA_FLAGS=--xla_force_host_platform_device_count=8'],
        'data.batch_size=9 does not divide among 8 devices; use 8',
    ),
    'no run to evaluate': ([SMOKE, '--mode=eval', '--workdir={tmp}/none'], 'holds no run'),
    'empty folder': ([SMOKE, '--config.data.source=folder:{tmp}/empty'], '{tmp}/empty'),
    'unreadable folder': ([SMOKE, '--config.data.source=folder:{tmp}/broken'], '{tmp}/broken'),
    'missing folder': ([SMOKE, '--config.data.source=folder:{tmp}/missing'], '{tmp}/missing'),
    'no data set': (['--config=configs/cifar_dcgan.py:smoke'], 'cifar10 is not prepared in {tmp}/tfds'),
}


# The command in a process that has imported all that it needs, which is most of what a mistake costs.
FORK = """
import json, os, sys
from jaxcolor import main
from jaxcolor.evaluation import report
from jaxcolor.training import train

for line in sys.stdin:
    arguments, extra, log = json.loads(line)
    process = os.fork()
    if not process:
        os.dup2(os.open(log, os.O_CREAT | os.O_WRONLY), 2)
        os.environ.update(extra)
        sys.argv[1:] = arguments
        main.run()
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""


@pytest.fixture(scope='module')
def run_forked(tmp_path_factory):
    """`run` without its output, for what needs nothing in the environment before JAX is imported."""
    log = tmp_path_factory.mktemp('forked') / 'log'
    command = [sys.executable, '-W', 'ignore:os.fork', '-c', FORK]
    pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, env=environment(), text=True, **pipes) as server:

        def run(*arguments, **extra):
            log.unlink(missing_ok=True)
            server.stdin.write(json.dumps([arguments, extra, str(log)]) + '\n')
            server.stdin.flush()
            return int(server.stdout.readline()), '', log.read_text()

        yield run
        server.stdin.close()


@pytest.mark.parametrize('mistake', MISTAKES)
def test_a_mistake_is_explained(tmp_path, mistake, run_forked):
    """One or two lines on the error stream that name what is wrong, no traceback, and a status that is not 0."""
    arguments, message = MISTAKES[mistake]
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'broken').mkdir()
    (tmp_path / 'broken' / 'a.jpg').write_bytes(b'\xff\xd8 not a picture')
    arguments = [argument.format(tmp=tmp_path) for argument in arguments]
    if not any(argument.startswith('--workdir') for argument in arguments):
        arguments.append(f'--workdir={tmp_path}/run')
    extra = {'TFDS_DATA_DIR': f'{tmp_path}/tfds', 'HF_HUB_OFFLINE': '1', 'HF_HOME': f'{tmp_path}/hub'}
    early = dict(a.split('=', 1) for a in arguments if a.startswith(('JAX_', 'XLA_')))
    arguments = [a for a in arguments if not a.startswith(('JAX_', 'XLA_'))]
    code, _, err = (run if early or not arguments else run_forked)(*arguments, **extra, **early)
    assert code == 1, err
    assert 'Traceback' not in err
    error = err[err.index('error: ') :]
    assert message.format(tmp=tmp_path) in error
    assert len(error.strip().splitlines()) <= 2
    assert not (tmp_path / 'run').exists()


def test_without_the_extra_it_is_named(tmp_path):
    """As where only `pip install jaxcolor` was done."""
    script = 'import sys; sys.modules["clu"] = None; from jaxcolor import main; main.run()'
    done = subprocess.run(
        [sys.executable, '-c', script, SMOKE, f'--workdir={tmp_path}'],
        cwd=ROOT,
        env=environment(),
        text=True,
        capture_output=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 1
    assert 'Traceback' not in done.stderr
    line = done.stderr.splitlines()[-1]  # before it may be warnings of libraries
    assert line.startswith('error: training needs clu, which is not installed for Python 3.')
    assert line.endswith("; pip install 'jaxcolor[train]'")


def test_a_full_disk_loses_nothing(tmp_path, compiled):
    """The error says what to do, the checkpoint before it stays, and the run goes on once there is room."""
    inside = ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c']
    if shutil.which('unshare') is None or subprocess.run([*inside, 'mount -t tmpfs none /mnt'], check=False).returncode:
        pytest.skip('needs a mount namespace to make a small disk in')
    smoke = (
        f'{sys.executable} -m jaxcolor.main {SMOKE} --config.checkpoint_every=1 --config.keep=10 --config.eval_every=4'
    )
    script = f"""
        mount -t tmpfs -o size=8m none {tmp_path}
        {smoke} --workdir={tmp_path}/run --config.num_steps=1 || exit 90
        free=$(df --output=avail --block-size=1 {tmp_path} | tail -n 1)
        head -c $((free - 200000)) /dev/zero >{tmp_path}/ballast
        {smoke} --workdir={tmp_path}/run --config.num_steps=4
        echo "status $?"
        ls {tmp_path}/run/checkpoints | grep -v tmp
        rm {tmp_path}/ballast
        {smoke} --workdir={tmp_path}/run --config.num_steps=4 || exit 91
    """
    done = subprocess.run(
        [*inside, script],
        cwd=ROOT,
        env=environment(**compiled),
        text=True,
        capture_output=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert 'status 1\n1\n' in done.stdout
    assert 'Traceback' not in done.stderr
    assert 'No space left on device' in done.stderr
    # Whether a checkpoint or a record meets the full disk first is a matter of time; both errors say this.
    assert 'whole; make room and run the same line again to go on' in done.stderr
    assert 'resuming' in done.stdout


SYSTEMS = sorted(path.name for path in (ROOT / 'configs').glob('*.py'))


@pytest.mark.parametrize('system', SYSTEMS)
def test_every_system_learns_resumes_and_is_restored(tmp_path, compiled, system):
    """On real pictures, in the folder that is used when none is named; restored from what that folder holds alone."""
    arguments = [f'--config={ROOT}/configs/{system}:smoke', '--config.num_steps=12']
    if system.startswith('cifar') and not (TFDS / 'cifar10').is_dir():
        pytest.skip('needs CIFAR-10 in $JAXCOLOR_TEST_DATA')
    if system.startswith(('photos', 'landscapes')) and PHOTOGRAPHS.is_dir():
        arguments.append(f'--config.data.source=folder:{PHOTOGRAPHS}')
    done = subprocess.run(
        [sys.executable, '-c', RUN_RESUME_AND_RESTORE, *arguments],
        cwd=tmp_path,
        env=environment(TFDS_DATA_DIR=str(TFDS), **compiled),
        text=True,
        capture_output=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert 'Traceback' not in done.stderr
    assert 'resuming' in done.stdout
    workdir = tmp_path / 'runs' / f'{Path(system).stem}_smoke'
    losses = lines(workdir / 'losses.jsonl')
    assert [line['step'] for line in losses] == [4, 8, 12, 16, 20, 24]
    assert losses[-1]['reconstruction'] < losses[0]['reconstruction']
    with Image.open(workdir / 'samples/24.png') as grid:
        assert grid.width > 300

    config, restored = json.loads(done.stdout.splitlines()[-1])
    evaluations = lines(workdir / 'evaluations.jsonl')
    if config['early_stopping']['patience'] is not None:  # the best is the outcome, here by a score that should be low
        evaluations.sort(key=lambda scores: scores[config['early_stopping']['metric']], reverse=True)
    assert restored == pytest.approx(evaluations[-1])


# The command; the same with more steps; then what inference does: the model from config.json, its arrays from the
# checkpoint, nothing else. In one process, for starting one takes longer than the steps do.
RUN_RESUME_AND_RESTORE = """
import json, pathlib
from jaxcolor import main
try:
    main.run()
except SystemExit as end:
    assert not end.code, end.code
from jaxcolor import config as configs
from jaxcolor.training import train
(workdir,) = pathlib.Path('runs').iterdir()
config = main._CONFIG.value
config.num_steps = 24
train.train(config, workdir)
config = configs.from_json((workdir / 'config.json').read_text())
print(json.dumps([config.to_dict(), train.evaluate_run(config, workdir)]))
"""
