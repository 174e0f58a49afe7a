"""The same line in 1, 2 and 4 processes: the same losses, the same evaluation, checkpoints that each can go on from."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.cluster import Cluster, arrays, lines
from helpers.data import TFDS

ROOT = Path(__file__).parents[2]

# SGD, for Adam would hide a wrong scale; L2, for the gradient of L1 is a sign, which the last digit turns; dropout and
# flips, which must follow the rows; a test split that leaves a remainder: 41 pictures in batches of 16.
CONFIG = """
from jaxcolor import config as configs

def get_config():
    config = configs.default()
    config.data.update(source={source!r}, train_split='train[:72]', test_split='test[:41]')
    config.data.update(image_size=32, batch_size=16)
    configs.choose(config, 'generator', 'unet', depth=3, filters=4, dropout_layers=1)
    configs.choose(config, 'discriminator', 'patchgan', n_layers=1, filters=4)
    for player in ('generator_optimizer', 'discriminator_optimizer'):
        config[player] = {{'name': 'sgd', 'learning_rate': 0.01}}
    config.loss.reconstruction = 'l2'
    config.metrics = ('set_measure:colors',)
    config.update(num_steps=20, eval_every=20, checkpoint_every=10, log_every=1, keep=10)
    return config
"""
# A measure of the whole set.
METRIC = """
import jax.numpy as jnp
from jaxcolor.evaluation.frechet import FrechetDistance

colors = FrechetDistance.of('colors', 3, lambda _, pictures: jnp.mean(pictures, axis=(1, 2)), ())
"""
# The command itself, then the same run in other work directories: a cluster takes longest to start.
TRAIN = """
from jaxcolor import main
try:
    main.run()
except SystemExit as end:
    if end.code:
        raise
from jaxcolor.training import train
for workdir in AGAIN:
    train.train(main._CONFIG.value, workdir)
"""


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """`1`, `2`, `4`: whole runs of so many processes; `2-1`, `2-4`: from step 10 of the second on, by others."""
    folder = tmp_path_factory.mktemp('runs')
    source = 'tfds:cifar10' if (TFDS / 'cifar10').is_dir() else 'bundled'
    (folder / 'config.py').write_text(CONFIG.format(source=source))
    (folder / 'set_measure.py').write_text(METRIC)
    environment = {
        'PYTHONPATH': f'{ROOT}:{folder}',
        'TFDS_DATA_DIR': str(TFDS),
        'JAX_COMPILATION_CACHE_DIR': str(folder / 'compiled'),
        'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0',
        'PYTHONWARNINGS': 'default',
    }
    for count in (2, 1, 4):
        again = [f'{folder}/2-{count}'] if count != 2 else []
        for workdir in again:
            shutil.copytree(folder / '2', workdir)
            shutil.rmtree(f'{workdir}/checkpoints/20')
        command = [sys.executable, '-c', TRAIN.replace('AGAIN', repr(again)), f'--config={folder}/config.py']
        command += ['--multihost', f'--workdir={folder}/{count}']
        cluster = Cluster.start(command, count, 8 // count, folder / f'log{count}', **environment)
        statuses = cluster.wait(400)
        assert statuses == [0] * count, '\n'.join(cluster.output(p) for p in range(count))
    return folder


def losses(workdir):
    timing = ('images_per_second', 'input_wait')
    return [{k: v for k, v in line.items() if k not in timing} for line in lines(workdir / 'losses.jsonl')]


@pytest.mark.parametrize('name', ['2', '4', '2-1', '2-4'])
def test_however_many_processes_the_result_is_the_same(runs, name):
    expected, actual = losses(runs / '1'), losses(runs / name)
    assert [line['step'] for line in actual] == [line['step'] for line in expected] == list(range(1, 21))
    for one, other in zip(expected, actual, strict=True):
        assert other == pytest.approx(one, rel=1e-5)
    (one,), (other,) = (lines(runs / n / 'evaluations.jsonl') for n in ('1', name))
    assert one['pictures'] == 41
    assert 0 < one['colors'] != one['grey_colors'] > 0
    assert other == pytest.approx(one, rel=1e-6)
    before, one, other = arrays(runs / '1', 10), arrays(runs / '1', 20), arrays(runs / name, 20)
    assert one.keys() == other.keys()
    assert len(one) > 20
    for array, value in one.items():
        np.testing.assert_allclose(other[array], value, atol=1e-5, err_msg=array)
    assert max(np.abs(one[array] - before[array]).max() for array in one if 'kernel' in array) > 1e-3  # it did learn


def test_the_first_process_alone_writes_and_each_says_who_it_is(runs):
    for process in range(4):
        output = (runs / f'log4/{process}.log').read_text()
        assert f'process {process}: INFO: one of 4, with 2 of 8 devices (cpu)' in output
        assert 'a batch of 16 is 4 pictures here, 2 a device' in output
        assert ('step 20/20' in output) == (process == 0)
        assert ('PSNR' in output) == (process == 0)
        assert ('resuming' in output) == (process == 0)
        assert 'Traceback' not in output
    for name in ('1', '2', '4'):
        files = {path.name for path in (runs / name).iterdir() if not path.name.startswith(('events', '.'))}
        assert files == {
            'config.json',
            'data.json',
            'checkpoints',
            'losses.jsonl',
            'evaluations.jsonl',
            'samples',
            'curves.png',
        }
        assert len(list((runs / name).glob('events.*'))) == 1
        assert json.loads((runs / name / 'config.json').read_text())['data']['batch_size'] == 16
    one, four = ((runs / name / 'samples/20.png').read_bytes() for name in ('1', '4'))
    assert one == four
