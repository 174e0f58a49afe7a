"""Runs in one process: what they leave behind, how they go on, how they end."""

import contextlib
import json
import os
import shutil
import signal
import struct

import jax
import numpy as np
import pytest
from etils import epath
from helpers.cluster import scalars
from PIL import Image
from safetensors.numpy import save_file
from tensorboardX.proto import event_pb2

from jaxcolor import config as configs
from jaxcolor.checkpoints.lock import locked
from jaxcolor.checkpoints.manager import Checkpoints
from jaxcolor.color.spaces import Lab
from jaxcolor.data.bundled import open_bundled
from jaxcolor.distributed import parallel
from jaxcolor.errors import InterruptedRunError, UserError
from jaxcolor.evaluation.evaluate import score_names
from jaxcolor.evaluation.report import table
from jaxcolor.training import records, train, train_metrics
from jaxcolor.training.state import build_system, create_state
from jaxcolor.training.tensorboard import TensorBoard


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


def final_state(config, workdir, *, best=False):
    system = build_system(config, parallel.AXIS)
    target = jax.eval_shape(lambda: create_state(system, config.data.image_size, jax.random.key(0)))
    checkpoints = Checkpoints(workdir, metric=config.early_stopping.metric)
    step, state = checkpoints.restore(target, best=best)
    checkpoints.close()
    return step, jax.device_get(state)


def test_a_run_and_its_resumption(config, tmp_path, capsys):
    """Six steps at once, or three and then three more: the same numbers, and the same files."""
    config.ema_decay = 0.9
    config.warmup_epochs = 2 / 3  # two steps
    whole, parts = tmp_path / 'whole', tmp_path / 'parts'
    scores = train.train(config, whole)
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
        assert scalars(whole)['losses/generator_loss', line['step']] == pytest.approx([line['generator_loss']])
    assert scalars(whole)['evaluations/psnr', 6] == pytest.approx([scores['psnr']])
    assert configs.differences(configs.from_json((whole / 'config.json').read_text()), config) == {}

    config.num_steps = 3
    train.train(config, parts)
    config.num_steps = 6
    assert train.train(config, parts) == scores
    assert f'resuming {parts} at step 3' in capsys.readouterr().out
    one, other = final_state(config, whole), final_state(config, parts)
    assert one[0] == other[0] == 6
    jax.tree.map(np.testing.assert_array_equal, one[1], other[1])

    before = (parts / 'evaluations.jsonl').read_text()
    assert train.train(config, parts) == scores  # finished: nothing left to do
    assert (parts / 'evaluations.jsonl').read_text() == before
    drawn = (parts / 'samples' / '6.png').stat().st_mtime_ns
    assert train.evaluate_run(config, parts) == pytest.approx(scores)
    (line,) = lines(parts / 'eval' / 'evaluations.jsonl')
    assert line.pop('data') == f'{config.data.source} test'
    assert line == pytest.approx(scores)
    assert train.evaluation_picture(config, parts, 6).exists()
    assert (parts / 'samples' / '6.png').stat().st_mtime_ns == drawn
    assert (parts / 'evaluations.jsonl').read_text() == before
    assert [line['field'] for line in lines(parts / 'history.jsonl')] == ['num_steps']
    settings = (parts / 'config.json').read_text()
    config.num_steps = 5  # nothing left to do, so that these are no settings of the run
    assert train.train(config, parts) == scores
    assert (parts / 'config.json').read_text() == settings
    config.num_steps = 6
    (parts / 'evaluations.jsonl').unlink()
    assert train.train(config, parts) == pytest.approx(scores)

    configs.choose(config, 'generator', 'unet', depth=4, filters=4)
    with pytest.raises(UserError, match=r'another model: generator\.depth was 3, is 4'):
        train.train(config, parts)


def test_a_signal_saves_and_ends(config, tmp_path, monkeypatch):
    """After the step that is under way, whatever the loop is at when it comes."""
    save = Checkpoints.save

    def save_and_signal(self, step, *rest):
        save(self, step, *rest)
        if step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Checkpoints, 'save', save_and_signal)
    with pytest.raises(InterruptedRunError, match='SIGTERM: saved step 3') as ended:
        train.train(config, tmp_path)
    assert ended.value.signum == signal.SIGTERM
    assert (tmp_path / 'checkpoints' / '3').is_dir()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def interrupted(monkeypatch, at):
    """Have SIGTERM come once, as step `at` is saved or logged."""
    log, sent = train_metrics.means, []

    def signal_and_log(collected):
        if not sent and len(calls) + 1 == at:
            sent.append(os.kill(os.getpid(), signal.SIGTERM))
        calls.append(collected)
        return log(collected)

    calls = []
    monkeypatch.setattr(train_metrics, 'means', signal_and_log)


def scalars_of(workdir):
    """Every scalar in TensorBoard's files that is no measure of speed, as often as it is there."""
    scalars = []
    for path in workdir.glob('events.out.tfevents.*'):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack('<Q', data[:8])
            event = event_pb2.Event.FromString(data[12 : 12 + length])
            data = data[16 + length :]
            scalars += [(v.tag, event.step, v.simple_value) for v in event.summary.value if v.HasField('simple_value')]
    return sorted(scalar for scalar in scalars if not scalar[0].endswith(SPEED))


SPEED = ('images_per_second', 'input_wait')


def recorded(workdir, name):
    return [{k: v for k, v in line.items() if k not in SPEED} for line in lines(workdir / name)]


def test_records_are_those_of_a_run_that_nothing_disturbed(config, tmp_path, monkeypatch):
    """After a signal between two log lines, and a kill that left lines past its checkpoint and half of one."""
    config.update(num_steps=12, eval_every=6, checkpoint_every=5, log_every=4)
    whole, parts = tmp_path / 'whole', tmp_path / 'parts'
    train.train(config, whole)

    with monkeypatch.context() as patch:
        interrupted(patch, at=1)  # while step 4 is logged, so that it ends after step 5
        with pytest.raises(InterruptedRunError, match='saved step 5'):
            train.train(config, parts)
    with (parts / 'losses.jsonl').open('a') as file:
        file.write('{"step": 6, "generator_loss": 9.9}\n{"step": 8, "gen')
    with contextlib.closing(TensorBoard(parts)) as board:
        board.add_scalars('losses', 6, {'generator_loss': 9.9})
    inode = (parts / 'losses.jsonl').stat().st_ino
    train.train(config, parts)
    assert (parts / 'losses.jsonl').stat().st_ino != inode
    for name in ('losses.jsonl', 'evaluations.jsonl'):
        assert recorded(parts, name) == recorded(whole, name)
    assert scalars_of(parts) == scalars_of(whole)
    assert len(scalars_of(whole)) == len(set(scalars_of(whole))) > 30


def test_losses_are_appended(config, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(records, 'write_atomic', lambda path, content: written.append(path.name))
    with records.Records(tmp_path, 0) as run:
        for step in (1, 2):
            run.losses(step, {'generator_loss': 0.5})
        assert [line['step'] for line in lines(tmp_path / 'losses.jsonl')] == [1, 2]
    assert written == ['losses.jsonl', 'evaluations.jsonl']


def test_a_second_run_in_the_same_place_is_refused(config, tmp_path):
    with locked(tmp_path), pytest.raises(UserError, match=f'{tmp_path} is in use by process {os.getpid()}'):
        train.train(config, tmp_path)
    assert not (tmp_path / 'config.json').exists()
    train.train(config, tmp_path)


def test_loss_that_is_not_finite_stops_the_run(config, tmp_path):
    config.generator_optimizer.learning_rate = float('inf')
    with pytest.raises(UserError, match=r'step \d: .*not finite; last good checkpoint: none\nlower the learning'):
        train.train(config, tmp_path)
    assert not list((tmp_path / 'checkpoints').iterdir())


@pytest.fixture
def worsening(config):
    """A generator whose steps are so large that it gets worse again from the third on."""
    config.discriminator = None
    config.generator_optimizer = {'name': 'sgd', 'learning_rate': 0.02}
    config.early_stopping.update(metric='delta_e', patience=2)
    config.update(num_steps=12, eval_every=1, checkpoint_every=12, keep=1)
    return config


def test_early_stopping_restores_the_best_weights(worsening, tmp_path, capsys):
    scores = train.train(worsening, tmp_path / 'run')
    evaluations = lines(tmp_path / 'run' / 'evaluations.jsonl')
    best = min(evaluations, key=lambda line: line['delta_e'])
    last = evaluations[-1]['step']
    assert scores == best
    assert last == best['step'] + 2 < 12
    assert f'step {last}: no better delta_e for 2 evaluations; restored step {best["step"]}' in capsys.readouterr().out
    assert sorted(int(p.name) for p in (tmp_path / 'run' / 'checkpoints').iterdir()) == [best['step'], last]
    assert (tmp_path / 'run' / 'samples' / f'{best["step"]}.png').exists()

    # Again: nothing happens, and the result is the same; so it is evaluated alone.
    before = (tmp_path / 'run' / 'evaluations.jsonl').read_text()
    assert train.train(worsening, tmp_path / 'run') == scores
    output = capsys.readouterr().out
    assert f'nothing left to do in {tmp_path / "run"} at step {last} of 12' in output
    assert f'restored step {best["step"]}' in output
    assert (tmp_path / 'run' / 'evaluations.jsonl').read_text() == before
    assert train.evaluate_run(worsening, tmp_path / 'run') == pytest.approx(scores)

    # The weights are, bit for bit, those of a run that ends there.
    step, restored = final_state(worsening, tmp_path / 'run', best=True)
    worsening.early_stopping.patience = None
    worsening.num_steps = step
    train.train(worsening, tmp_path / 'short')
    expected_step, expected = final_state(worsening, tmp_path / 'short')
    assert step == expected_step == best['step']
    jax.tree.map(np.testing.assert_array_equal, restored, expected)


def test_a_mixture_and_its_resumption(config, pictures, tmp_path):
    """Turned and squashed pictures of two sources, evaluated on one: the same parameters if it was stopped."""
    config.data.update(source=f'folder:{pictures}*3 + bundled', test_split='test, none', rotation=20.0, fit='squash')
    config.update(eval_every=6, log_every=6)
    config.discriminator = None
    whole, parts = tmp_path / 'whole', tmp_path / 'parts'
    scores = train.train(config, whole)
    assert scores['pictures'] == 11
    for steps in (2, 6):
        config.num_steps = steps
        resumed = train.train(config, parts)
    assert resumed == scores
    jax.tree.map(np.testing.assert_array_equal, final_state(config, whole)[1], final_state(config, parts)[1])
    tiles = len(open_bundled('train'))
    assert [json.loads((run / 'data.json').read_text())['pictures'] for run in (whole, parts)] == [20 + tiles] * 2


def test_early_stopping_over_a_resumption(worsening, tmp_path, capsys):
    """A run cut into pieces stops where the whole one does; a piece's outcome is its best too."""
    whole = train.train(worsening, tmp_path / 'whole')
    assert whole['step'] > 1  # so that there is a piece before it
    worsening.num_steps = whole['step'] + 1
    assert train.train(worsening, tmp_path / 'parts') == whole
    output = f'step {whole["step"] + 1}: the end; restored step {whole["step"]}, the best by delta_e'
    assert output in capsys.readouterr().out
    worsening.num_steps = 12
    assert train.train(worsening, tmp_path / 'parts') == whole
    one, other = ((tmp_path / part / 'evaluations.jsonl').read_text() for part in ('whole', 'parts'))
    assert one == other
    (_, one), (_, other) = (final_state(worsening, tmp_path / part) for part in ('whole', 'parts'))
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_early_stopping_with_a_broken_best_checkpoint(worsening, tmp_path, caplog):
    worsening.keep = 12
    best = train.train(worsening, tmp_path)
    shutil.rmtree(tmp_path / 'checkpoints' / str(best['step']) / 'state')
    others = [line for line in lines(tmp_path / 'evaluations.jsonl') if line != best]
    next_best = min(others, key=lambda line: line['delta_e'])
    assert train.train(worsening, tmp_path) == next_best
    assert f'checkpoint {best["step"]} is broken and set aside, taking {next_best["step"]}' in caplog.text
    assert train.evaluate_run(worsening, tmp_path) == pytest.approx(next_best)


def test_a_metric_that_is_not_measured(config, tmp_path):
    for metric in ('accuracy', 'grey_psnr'):  # of RGB and palettes; of no generator
        config.early_stopping.metric = metric
        with pytest.raises(
            UserError, match=f"metric='{metric}' is not measured of a generator in space 'lab'; known: psnr, ssim, "
        ):
            train.train(config, tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


def test_weights_that_are_not_there_leave_no_run_behind(config, tmp_path):
    configs.choose(config, 'generator', 'resnet_unet', filters=4)
    config.data.image_size = 64
    config.pretrained.weights = str(tmp_path / 'nowhere.safetensors')
    with pytest.raises(UserError, match=r'nowhere\.safetensors'):
        train.train(config, tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


def test_a_new_run_starts_from_pretrained_weights(config, tmp_path):
    """In the generator and in its average; the rest is as it would be without."""
    configs.choose(config, 'generator', 'resnet_unet', filters=4)
    config.update(ema_decay=0.9)
    config.data.image_size = 64
    system = build_system(config, parallel.AXIS)
    plain = jax.device_get(train.create(config, system))
    rng = np.random.default_rng(0)
    weights = {}
    trees = [plain.generator.params['backbone'], plain.generator.batch_stats['backbone']]
    leaves = {'kernel': 'weight', 'scale': 'weight', 'bias': 'bias', 'mean': 'running_mean', 'var': 'running_var'}
    for path, leaf in jax.tree_util.tree_leaves_with_path(trees):
        *layers, name = (key.key for key in path[1:])
        axes = (3, 2, 0, 1) if leaf.ndim == 4 else range(leaf.ndim)
        value = rng.normal(size=leaf.shape).astype(np.float32).transpose(axes)
        weights['.'.join(layers).replace('_', '.') + '.' + leaves[name]] = np.ascontiguousarray(value)
    save_file(weights, tmp_path / 'weights.safetensors')
    config.pretrained.weights = str(tmp_path / 'weights.safetensors')
    state = jax.device_get(train.create(config, system))
    kernel = state.generator.params['backbone']['conv1']['kernel']
    np.testing.assert_array_equal(kernel.transpose(3, 2, 0, 1), weights['conv1.weight'])
    jax.tree.map(np.testing.assert_array_equal, state.ema_params, state.generator.params)
    without = {name: value for name, value in state.generator.params.items() if name != 'backbone'}
    jax.tree.map(np.testing.assert_array_equal, without, {name: plain.generator.params[name] for name in without})
    jax.tree.map(np.testing.assert_array_equal, state.discriminator, plain.discriminator)


def test_a_palette_is_learned_once(config, tmp_path, caplog):
    caplog.set_level('INFO')

    def palette_config():
        again = config.copy_and_resolve_references()
        configs.choose(again, 'space', 'palette', size=4)
        configs.choose(again, 'generator', 'unet', depth=3, filters=4, output_activation='identity')
        again.discriminator = None
        again.loss.reconstruction = 'cross_entropy'
        again.early_stopping.metric = 'accuracy'
        return again

    with pytest.raises(UserError, match='holds no run'):
        train.evaluate_run(palette_config(), tmp_path)
    assert 'colours learned from' not in caplog.text
    scores = train.train(palette_config(), tmp_path)
    assert {'accuracy', 'cross_entropy', 'rgb_distance', 'grey_rgb_distance'} <= scores.keys()
    assert len(configs.from_json((tmp_path / 'config.json').read_text()).space.centers) == 4
    assert train.train(palette_config(), tmp_path) == scores
    assert train.evaluate_run(palette_config(), tmp_path) == pytest.approx(scores)
    assert caplog.text.count('colours learned from') == 1
    assert 'other settings' not in caplog.text

    model = palette_config()  # a run that starts from this one means the same classes, and scores the same at once
    model.update(num_steps=1)
    model.init_from = str(tmp_path)
    model.generator_optimizer.learning_rate = 1e-12
    started = train.train(model, tmp_path / 'another')
    assert started['cross_entropy'] == pytest.approx(scores['cross_entropy'], rel=1e-4)
    assert caplog.text.count('colours learned from') == 1


def test_scores_of_every_space_fit_the_table():
    common = dict.fromkeys(score_names(Lab()), 0.5) | {'pictures': 3}
    assert 'accuracy' not in table(common)
    lines = table(common | {'accuracy': 0.598, 'target_mse': 0.0094, 'grey_target_mse': 0.0111}).splitlines()
    (accuracy,) = (line for line in lines if line.startswith('accuracy'))
    assert accuracy.split()[:2] == ['accuracy', '0.598']
    (error,) = (line for line in lines if line.startswith('target MSE'))
    assert error.split()[2:4] == ['0.0094', '0.0111']
    assert lines[-1].startswith('colorfulness') and 'the true pictures: 0.500' in lines[-1]
    assert table(common | {'psnr': 0.4}).endswith('\nworse than leaving the pictures grey by: PSNR')
    by_name = dict(sorted((common | {'psnr': 0.4}).items()))  # as JSON may have them
    assert table(by_name).endswith('\nworse than leaving the pictures grey by: PSNR')


def test_patience(config):
    config.early_stopping.update(metric='psnr', patience=2)
    scores = [{'psnr': value} for value in (20.0, 22.0, 21.0, 22.0, 23.0, 22.5, 22.9)]
    stops = [train.out_of_patience(config.early_stopping, scores[:n]) for n in range(len(scores) + 1)]
    assert stops == [False, False, False, False, True, False, False, True]
    config.early_stopping.patience = None
    assert not train.out_of_patience(config.early_stopping, scores)


def test_evaluating_without_a_checkpoint(config, tmp_path):
    with pytest.raises(UserError, match='holds no run'):
        train.evaluate_run(config, tmp_path)
    epath.Path(tmp_path / 'config.json').write_text(configs.to_json(config))
    with pytest.raises(UserError, match='has no checkpoint; train first'):
        train.evaluate_run(config, tmp_path)


@pytest.fixture
def exploding(config):
    """A run whose first step is better than grey by `target_mse`; at the rate 1e30 the next has no score at all."""
    config.discriminator = None
    config.generator_optimizer = {'name': 'sgd', 'learning_rate': 0.02}
    config.early_stopping.metric = 'target_mse'
    config.update(num_steps=1, eval_every=1, checkpoint_every=1, log_every=1)
    return config


def explode(config, workdir):
    rate = config.generator_optimizer.learning_rate
    config.generator_optimizer.learning_rate = 1e30
    config.num_steps = 9
    with pytest.raises(UserError) as raised:
        train.train(config, workdir)
    config.generator_optimizer.learning_rate = rate
    return str(raised.value)


def checkpoints_of(workdir):
    return sorted(path.name for path in (workdir / 'checkpoints').iterdir())


def test_a_run_that_explodes_goes_back_to_what_is_no_worse_than_grey(exploding, tmp_path, capsys):
    scores = train.train(exploding, tmp_path)
    assert scores['target_mse'] < scores['grey_target_mse']
    message = explode(exploding, tmp_path)
    saved = f'last good checkpoint: step 1 in {tmp_path / "checkpoints"}; worse than grey, and set aside: 2.worse'
    assert f'step 3: generator_loss, reconstruction not finite; {saved}\nlower the learning' in message
    assert checkpoints_of(tmp_path) == ['1', '2.worse']
    exploding.num_steps = 2
    capsys.readouterr()
    assert train.train(exploding, tmp_path)['step'] == 2
    assert 'at step 1 of 2' in capsys.readouterr().out


def test_a_run_that_explodes_and_was_worse_than_grey(exploding, tmp_path):
    exploding.early_stopping.metric = 'psnr'
    scores = train.train(exploding, tmp_path)
    assert scores['psnr'] < scores['grey_psnr']
    assert 'step 1 in' in (message := explode(exploding, tmp_path))
    assert 'though it is worse than grey, as are all; worse than grey, and set aside: 2.worse' in message
    assert checkpoints_of(tmp_path) == ['1', '2.worse']


def test_a_run_that_explodes_at_once(exploding, tmp_path):
    message = explode(exploding, tmp_path)
    assert f'of the checkpoints [1] in {tmp_path / "checkpoints"} none has a score that is a number' in message
    assert checkpoints_of(tmp_path) == ['1']


def test_a_run_that_explodes_unscored(exploding, tmp_path):
    exploding.eval_every = 100
    message = explode(exploding, tmp_path)
    assert f'last good checkpoint: step 1 in {tmp_path / "checkpoints"}, which was not scored\n' in message


def test_other_pictures_are_said_and_written_down(exploding, tmp_path, pictures, caplog):
    folder, run = tmp_path / 'pictures', tmp_path / 'run'
    shutil.copytree(pictures, folder)
    exploding.data.source = f'folder:{folder}'

    def go_on(steps):
        caplog.clear()
        exploding.num_steps = steps
        train.train(exploding, run)
        return [r.getMessage() for r in caplog.records if 'training pictures' in r.getMessage()]

    assert go_on(1) == go_on(2) == []
    first = json.loads((run / 'data.json').read_text())
    assert first['pictures'] == 20
    (folder / 'train' / '7.png').unlink()
    warning = f'{run} goes on with other training pictures than before: 20 then, 19 now'
    assert go_on(2) == [warning]  # nothing left to do, so that no step has been taken with them
    assert json.loads((run / 'data.json').read_text()) == first
    assert go_on(3) == [warning]
    assert go_on(4) == []
    second = json.loads((run / 'data.json').read_text())
    assert second['pictures'] == 19
    assert lines(run / 'history.jsonl')[1:3] == [
        {'step': 2, 'field': 'num_steps', 'old': 2, 'new': 3},
        {'step': 2, 'field': 'training_pictures', 'old': first, 'new': second},
    ]
    (folder / 'train' / '8.png').rename(folder / 'train' / 'another.png')
    assert go_on(5) == [f'{run} goes on with other training pictures than before: 19 then, names or sizes differ']
    for old in (None, '{"pictures": '):  # a run of a version that wrote none
        (run / 'data.json').unlink()
        if old:
            (run / 'data.json').write_text(old)
        assert go_on(5) == []
        assert json.loads((run / 'data.json').read_text())['pictures'] == 19
    exploding.data.train_split = 'train[:90%]'
    assert go_on(6) == []  # it is said as a setting
    assert lines(run / 'history.jsonl')[-1]['new']['pictures'] == 17
