"""Runs in one process: what they leave behind, how they go on, how they end."""

import json
import os
import signal
import struct

import jax
import numpy as np
import pytest
from etils import epath
from PIL import Image
from tensorboardX.proto import event_pb2

from jaxcolor import config as configs
from jaxcolor.errors import InterruptedRunError, UserError
from jaxcolor.training import loop, parallel
from jaxcolor.training.checkpoints import Checkpoints
from jaxcolor.training.state import build_system, create_state


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp('pictures')
    rng = np.random.default_rng(0)
    for split, count in (('train', 20), ('test', 11)):
        (folder / split).mkdir()
        for i in range(count):
            coarse = Image.fromarray(rng.integers(0, 256, (3, 3, 3), np.uint8))
            coarse.resize((16, 16), Image.Resampling.BICUBIC).save(folder / split / f'{i}.png')
    return folder


@pytest.fixture
def config(config, pictures):
    config.data.update(source=f'folder:{pictures}', flip=True)
    configs.choose(config, 'generator', 'unet', depth=3, filters=4, dropout_layers=1)
    for player in ('generator_optimizer', 'discriminator_optimizer'):
        config[player] = configs.default()[player]
    config.update(num_steps=6, eval_every=3, checkpoint_every=2, log_every=2, keep=10)
    return config


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def events(workdir):
    """The scalars of the TensorBoard files, {(tag, step): value}, from their records: length, check, data, check."""
    scalars = {}
    for path in sorted(workdir.glob('events.out.tfevents.*')):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack('<Q', data[:8])
            event = event_pb2.Event.FromString(data[12 : 12 + length])
            data = data[16 + length :]
            scalars |= {(v.tag, event.step): v.simple_value for v in event.summary.value if v.HasField('simple_value')}
    return scalars


def final_state(config, workdir):
    system = build_system(config, parallel.AXIS)
    target = jax.eval_shape(lambda: create_state(system, config.data.image_size, jax.random.key(0)))
    checkpoints = Checkpoints(workdir)
    step, state = checkpoints.restore(target)
    checkpoints.close()
    return step, jax.device_get(state)


def test_a_run_and_its_resumption(config, tmp_path, capsys):
    """Six steps at once, or three and then three more: the same numbers, and the same files."""
    config.ema_decay = 0.9
    config.warmup_epochs = 2 / 3  # two steps
    whole, parts = tmp_path / 'whole', tmp_path / 'parts'
    scores = loop.train(config, whole)
    assert {'step', 'pictures', 'psnr', 'grey_psnr'} <= set(scores)
    assert scores['pictures'] == 11
    assert [line['step'] for line in lines(whole / 'evaluations.jsonl')] == [3, 6]
    losses = {line['step']: line for line in lines(whole / 'losses.jsonl')}
    assert list(losses) == [2, 3, 4, 6]
    assert [step for step, line in losses.items() if 'discriminator_loss' in line] == [3, 4, 6]
    assert sorted(int(p.name) for p in (whole / 'checkpoints').iterdir()) == [2, 3, 4, 6]
    for picture in ('samples/6.png', 'curves.png'):
        with Image.open(whole / picture) as opened:
            assert opened.width > 300
    for line in lines(whole / 'losses.jsonl'):
        assert events(whole)['losses/generator_loss', line['step']] == pytest.approx(line['generator_loss'])
    assert events(whole)['evaluations/psnr', 6] == pytest.approx(scores['psnr'])
    assert configs.differences(configs.from_json((whole / 'config.json').read_text()), config) == {}

    config.num_steps = 3
    loop.train(config, parts)
    config.num_steps = 6
    assert loop.train(config, parts) == scores
    assert f'resuming {parts} at step 3' in capsys.readouterr().out
    one, other = final_state(config, whole), final_state(config, parts)
    assert one[0] == other[0] == 6
    jax.tree.map(np.testing.assert_array_equal, one[1], other[1])

    before = (parts / 'evaluations.jsonl').read_text()
    assert loop.train(config, parts) == scores  # finished: nothing left to do
    assert (parts / 'evaluations.jsonl').read_text() == before
    assert loop.evaluate_run(config, parts) == pytest.approx(scores)
    (parts / 'evaluations.jsonl').unlink()
    assert loop.train(config, parts) == pytest.approx(scores)

    configs.choose(config, 'generator', 'unet', depth=4, filters=4)
    with pytest.raises(UserError, match=r'another model: generator\.depth was 3, is 4'):
        loop.train(config, parts)


def test_a_signal_saves_and_ends(config, tmp_path, monkeypatch):
    save = Checkpoints.save

    def save_and_signal(self, step, *rest):
        save(self, step, *rest)
        if step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Checkpoints, 'save', save_and_signal)
    with pytest.raises(InterruptedRunError, match='SIGTERM: saved step 2') as ended:
        loop.train(config, tmp_path)
    assert ended.value.signum == signal.SIGTERM
    assert (tmp_path / 'checkpoints' / '2').is_dir()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_loss_that_is_not_finite_stops_the_run(config, tmp_path):
    config.generator_optimizer.learning_rate = float('inf')
    with pytest.raises(UserError, match=r'step \d: .*not finite; last good checkpoint: none\nlower the learning'):
        loop.train(config, tmp_path)
    assert not list((tmp_path / 'checkpoints').iterdir())


def test_patience(config):
    config.early_stopping.update(metric='psnr', patience=2)
    scores = [{'psnr': value} for value in (20.0, 22.0, 21.0, 22.0, 23.0, 22.5, 22.9)]
    stops = [loop.out_of_patience(config.early_stopping, scores[:n]) for n in range(len(scores) + 1)]
    assert stops == [False, False, False, False, True, False, False, True]
    config.early_stopping.patience = None
    assert not loop.out_of_patience(config.early_stopping, scores)


def test_evaluating_without_a_checkpoint(config, tmp_path):
    with pytest.raises(UserError, match='holds no run'):
        loop.evaluate_run(config, tmp_path)
    epath.Path(tmp_path / 'config.json').write_text(configs.to_json(config))
    with pytest.raises(UserError, match='has no checkpoint; train first'):
        loop.evaluate_run(config, tmp_path)
