"""What `restore` reads is what training saved, and nothing that trains is needed to read it."""

import contextlib
import json
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest

from jaxcolor import config as configs
from jaxcolor.checkpoints.manager import Checkpoints
from jaxcolor.checkpoints.restore import restore
from jaxcolor.errors import UserError
from jaxcolor.training.state import build_system
from jaxcolor.training.train import abstract_state

SMALL = {'depth': 2, 'filters': 2, 'dropout_layers': 0}


@pytest.fixture(scope='module')
def three(make_run):
    return make_run(generator_fields=SMALL, image_size=8, steps=(1, 2, 3), delta_e=(3.0, 1.0, 2.0))


def saved(workdir, step):
    """The state as training itself reads it back."""
    config = configs.from_json((workdir / 'config.json').read_text())
    with contextlib.closing(Checkpoints(workdir, keep=3)) as checkpoints:
        assert step in checkpoints.steps
    state = abstract_state(config, build_system(config, axis_name=None))
    with contextlib.closing(Checkpoints(workdir, keep=3)) as checkpoints:
        found = checkpoints.restore(state)
    assert found is not None and found[0] == step
    return found[1]


def same(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.mark.parametrize(('which', 'step'), [(None, 3), ('latest', 3), ('best', 2), (1, 1), ('2', 2)])
def test_which_checkpoint(three, which, step):
    assert restore(three, which).step == step


def test_variables_are_those_of_the_state(three):
    same(restore(three).variables, saved(three, 3).inference_variables)


def test_averaged_weights_where_there_are_any(make_run, tmp_path):
    workdir = shutil.copytree(make_run(generator_fields=SMALL, image_size=8, ema_decay=0.9), tmp_path / 'run')
    state = saved(workdir, 1)
    state = state.replace(ema_params=jax.tree.map(lambda a: a + 1, state.ema_params))
    with contextlib.closing(Checkpoints(workdir)) as checkpoints:
        checkpoints.save(2, state)
    found = restore(workdir)
    assert found.step == 2
    same(found.variables['params'], state.ema_params)


def test_early_stopping_makes_the_best_the_outcome(three, tmp_path):
    workdir = shutil.copytree(three, tmp_path / 'run')
    config = json.loads((workdir / 'config.json').read_text())
    config['early_stopping']['patience'] = 3
    (workdir / 'config.json').write_text(json.dumps(config))
    assert restore(workdir).step == 2


def test_a_broken_checkpoint_gives_way_to_the_one_before(three, tmp_path, caplog):
    workdir = shutil.copytree(three, tmp_path / 'run')
    for part in (workdir / 'checkpoints/3/state').rglob('*'):
        if part.is_file():
            part.write_bytes(b'')
    assert restore(workdir).step == 2
    assert 'checkpoint 3' in caplog.text
    with pytest.raises(UserError, match='can be read as the model'):
        restore(workdir, 3)


def test_what_is_wrong_is_said(three, tmp_path):
    with pytest.raises(UserError, match='no such folder'):
        restore(tmp_path / 'nowhere')
    with pytest.raises(UserError, match=r'has no config\.json'):
        restore(tmp_path)
    workdir = shutil.copytree(three, tmp_path / 'run')
    with pytest.raises(UserError, match='use latest, best, or a step: 1, 2, 3'):
        restore(workdir, 'newest')
    with pytest.raises(UserError, match='checkpoint=7 is not in'):
        restore(workdir, 7)
    config = json.loads((workdir / 'config.json').read_text())
    (workdir / 'config.json').write_text(json.dumps(config | {'generator': config['generator'] | {'filters': 3}}))
    with pytest.raises(UserError, match=r'up_norm_1/mean is \(2,\), should be \(3,\)'):
        restore(workdir)
    (workdir / 'config.json').write_text('{')
    with pytest.raises(UserError, match='is not JSON'):
        restore(workdir)
    shutil.copy(three / 'config.json', workdir / 'config.json')
    shutil.rmtree(workdir / 'checkpoints')
    with pytest.raises(UserError, match='has no checkpoint; train first'):
        restore(workdir)


def test_nothing_that_trains_is_imported(three):
    program = f"""
import sys
from jaxcolor import Colorizer
import numpy as np
Colorizer.restore({str(three)!r})(np.zeros((8, 8), np.uint8))
print([m for m in ('tensorflow', 'grain', 'clu', 'optax', 'dm_pix', 'skimage', 'matplotlib') if m in sys.modules])
"""
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == '[]', done.stdout
    assert not done.stderr
