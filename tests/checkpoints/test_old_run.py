"""A work directory that an earlier version left: `golden/run_0_1.zip`.

It is of `configs/quickstart.py:smoke` after four steps, with the settings of `config` below, by commit 8daef78, before
the package's folders were as they are. `colored.npy` is what that commit made of the picture below: of 3:2, which
that version and later ones give to the network without padding.
"""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from jaxcolor import Colorizer, experiments, train

ARCHIVE = Path(__file__).parent / 'golden' / 'run_0_1.zip'


@pytest.fixture
def run(tmp_path):
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(tmp_path)
    return tmp_path


def test_it_colours_as_it_did(run):
    grey = np.random.default_rng(0).integers(0, 256, (20, 30, 1), np.uint8)
    expected = np.load(run / 'colored.npy')
    assert np.abs(expected.astype(int) - grey).max() > 10
    np.testing.assert_allclose(Colorizer.restore(str(run))(grey).astype(int), expected, atol=1)


@pytest.fixture
def config():
    config = experiments.get_config('quickstart:smoke')
    config.generator.update(filters=2, depth=2, initializer='glorot')
    config.generator_optimizer.learning_rate = 0.01
    config.discriminator.update(filters=2, n_layers=1)
    config.update(num_steps=4, checkpoint_every=4, eval_every=4, log_every=2, keep=1, ema_decay=0.9)
    return config


def test_it_resumes(run, config, capsys):
    config.num_steps = 8
    assert train(config, run)['step'] == 8
    assert f'resuming {run} at step 4 of 8' in capsys.readouterr().out
    losses = [json.loads(line)['step'] for line in (run / 'losses.jsonl').read_text().splitlines()]
    assert losses == [2, 4, 6, 8]
