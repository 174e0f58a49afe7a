"""Checkpoints: what is kept, what is read back, and what happens to broken ones."""

import contextlib
import itertools
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcolor.checkpoints.manager import Checkpoints
from jaxcolor.distributed import parallel
from jaxcolor.errors import UserError


def state(value):
    return {'w': jnp.full((64, 64), float(value)), 'step': jnp.asarray(value, jnp.int32), 'none': None}


@contextlib.contextmanager
def saved(path, *steps, keep=3, scores=None):
    with contextlib.closing(Checkpoints(path, keep=keep, metric='psnr')) as checkpoints:
        for step in steps:
            checkpoints.save(step, parallel.replicate(state(step)), (scores or {}).get(step))
        checkpoints.wait()
        yield checkpoints


def damage(path, step):
    files = [f for f in (path / 'checkpoints' / str(step)).rglob('*') if f.is_file() and f.parent.name == 'd']
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def test_newest_and_best_are_kept(tmp_path):
    scores = {1: {'psnr': 20.0}, 2: {'psnr': 25.0}, 4: {'psnr': 21.0}}
    with saved(tmp_path, 1, 2, 3, 4, 5, keep=2, scores=scores) as checkpoints:
        assert checkpoints.steps == [2, 4, 5]


def test_round_trip_is_exact_and_on_every_device(tmp_path):
    rng = np.random.default_rng(0)
    before = parallel.replicate({'w': rng.normal(size=(33, 7)).astype(np.float32), 'n': None})
    with contextlib.closing(Checkpoints(tmp_path)) as checkpoints:
        checkpoints.save(7, before)
        checkpoints.wait()
        step, after = checkpoints.restore(jax.eval_shape(lambda: before))
    assert step == 7
    np.testing.assert_array_equal(after['w'], before['w'])
    assert after['w'].sharding == before['w'].sharding


def test_saving_does_not_hold_on_to_donated_memory(tmp_path):
    """The array is overwritten while it is being saved; the checkpoint has it as it was."""
    advance = jax.pmap(
        lambda tree, _: jax.tree.map(lambda a: a + 1, tree), in_axes=(None, 0), out_axes=None, donate_argnums=0
    )
    tree = parallel.replicate({'w': np.zeros((512, 512), np.float32)})
    with contextlib.closing(Checkpoints(tmp_path, keep=10)) as checkpoints:
        for step in range(5):
            checkpoints.save(step, tree)
            tree = advance(tree, parallel.shard_numbers())
        checkpoints.wait()
    for step in range(4, -1, -1):
        with contextlib.closing(Checkpoints(tmp_path, keep=10)) as checkpoints:
            found, restored = checkpoints.restore(jax.eval_shape(lambda: tree))
            assert found == step
            np.testing.assert_array_equal(restored['w'], step)
        shutil.rmtree(tmp_path / 'checkpoints' / str(step))


@pytest.mark.parametrize(
    ('metric', 'scores', 'order'),
    [
        ('accuracy', {1: 0.2, 2: 0.4, 3: 0.3, 4: 0.1}, [2, 3, 1, 4]),
        ('target_mse', {1: 0.2, 2: 0.4, 3: 0.3, 4: 0.1}, [4, 1, 3, 2]),
        ('target_mse', {1: 0.2, 2: 0.2, 4: float('nan')}, [2, 1, 4, 3]),  # of equals the newest; the others last
    ],
)
def test_the_best_is_restored_and_then_the_next_best(tmp_path, metric, scores, order, caplog):
    with contextlib.closing(Checkpoints(tmp_path, keep=4, metric=metric)) as checkpoints:
        for step in (1, 2, 3, 4):
            recorded = {'psnr': 20.0 + step} | ({metric: scores[step]} if step in scores else {})
            checkpoints.save(step, parallel.replicate(state(step)), recorded)
        for best, next_best in itertools.zip_longest(order, order[1:]):
            step, restored = checkpoints.restore(state(0), best=True)
            assert step == best
            np.testing.assert_array_equal(restored['w'], float(best))
            if next_best:
                damage(tmp_path, best)
                caplog.clear()
                assert checkpoints.restore(state(0), best=True)[0] == next_best
                assert f'checkpoint {best} is broken and set aside, taking {next_best}' in caplog.text


def test_a_checkpoint_whose_scores_are_lost_is_the_last_choice(tmp_path):
    with saved(tmp_path, 1, 2, 3, scores={1: {'psnr': 20.0}, 2: {'psnr': 30.0}, 3: {'psnr': 25.0}}):
        pass
    shutil.rmtree(tmp_path / 'checkpoints' / '2' / 'manifest')
    with contextlib.closing(Checkpoints(tmp_path, metric='psnr')) as checkpoints:
        assert checkpoints.restore(state(0), best=True)[0] == 3


def test_the_best_outlives_the_newest_also_over_a_resumption(tmp_path):
    for steps in ((1, 2, 3), (4, 5, 6)):
        with contextlib.closing(Checkpoints(tmp_path, keep=1, metric='target_mse')) as checkpoints:
            for step in steps:
                checkpoints.save(step, parallel.replicate(state(step)), {'target_mse': abs(step - 2) + 1.0})
            checkpoints.wait()
            assert checkpoints.steps == [2, steps[-1]]
            assert checkpoints.restore(state(0), best=True)[0] == 2
            assert checkpoints.restore(state(0))[0] == steps[-1]


def test_nothing_to_restore(tmp_path):
    with contextlib.closing(Checkpoints(tmp_path)) as checkpoints:
        assert checkpoints.restore(state(0)) is None
        assert checkpoints.restore(state(0), best=True) is None


def lose_contents(path, step):
    shutil.rmtree(path / 'checkpoints' / str(step) / 'state')


@pytest.mark.parametrize('harm', [damage, lose_contents])
def test_broken_checkpoint_is_set_aside(tmp_path, harm, caplog):
    with saved(tmp_path, 1, 2):
        pass
    harm(tmp_path, 2)
    with contextlib.closing(Checkpoints(tmp_path)) as checkpoints:
        step, restored = checkpoints.restore(state(0))
        assert step == 1
        np.testing.assert_array_equal(restored['w'], 1.0)
        assert 'checkpoint 2' in caplog.text
        assert (tmp_path / 'checkpoints' / '2.corrupt').exists()
        checkpoints.save(2, parallel.replicate(state(2)))
        checkpoints.wait()
        assert checkpoints.restore(state(0))[0] == 2


def test_all_broken_is_an_error_and_nothing_is_moved(tmp_path):
    with saved(tmp_path, 1, 2):
        pass
    damage(tmp_path, 1)
    damage(tmp_path, 2)
    with (
        contextlib.closing(Checkpoints(tmp_path)) as checkpoints,
        pytest.raises(UserError, match=r'none of the checkpoints \[1, 2\].*can be read'),
    ):
        checkpoints.restore(state(0))
    assert sorted(p.name for p in (tmp_path / 'checkpoints').iterdir()) == ['1', '2']


def test_half_written_checkpoint_is_never_seen(tmp_path):
    with saved(tmp_path, 1):
        pass
    half = tmp_path / 'checkpoints' / '2.orbax-checkpoint-tmp'
    half.mkdir()
    (half / 'state').write_bytes(b'half')
    with contextlib.closing(Checkpoints(tmp_path)) as checkpoints:
        assert checkpoints.steps == [1]
        assert checkpoints.restore(state(0))[0] == 1
