"""A checkpoint is read as it was saved, or not at all: flipped bits, impossible sizes, what older versions left."""

import contextlib
import json
import logging
import os
import random
import re
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
import tensorstore
from etils import epath

from jaxcolor.checkpoints import manifest
from jaxcolor.checkpoints.manager import Checkpoints, complete_steps
from jaxcolor.checkpoints.restore import restore
from jaxcolor.distributed import parallel
from jaxcolor.errors import UserError

FLIPS = 20


def state(seed):
    rng = np.random.default_rng(seed)
    generator = {'params': {'kernel': rng.normal(size=(3, 3, 8, 16)).astype(np.float32)}, 'batch_stats': {}}
    return {'step': np.int32(seed), 'generator': generator, 'none': None}


def target():
    return jax.tree.map(lambda a: jax.ShapeDtypeStruct(np.shape(a), a.dtype), state(0))


@pytest.fixture(scope='module')
def kept(tmp_path_factory):
    """Checkpoints 1 and 2, of which 1 is the better."""
    path = tmp_path_factory.mktemp('run')
    with contextlib.closing(Checkpoints(path, keep=2)) as checkpoints:
        for step, delta_e in ((1, 3.0), (2, 5.0)):
            checkpoints.save(step, parallel.replicate(state(step)), {'delta_e': delta_e})
    return path


def flip(folder, rng, number):
    """Flip one bit of one of the files in `folder`: the first with 0, and so on round all of them."""
    files = sorted(path for path in folder.rglob('*') if path.is_file())
    path = files[number % len(files)]
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)
    return path.relative_to(folder)


def same(found, expected):
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_training_reads_no_flipped_bit(kept, tmp_path):
    rng = random.Random(0)
    fallen_back = 0
    for number in range(FLIPS):
        workdir = shutil.copytree(kept, tmp_path / str(number))
        where = flip(workdir / 'checkpoints' / '2', rng, number)
        with contextlib.closing(Checkpoints(workdir, keep=2)) as checkpoints:
            for best in (True, False):  # a flipped score makes no other checkpoint the best
                step, found = checkpoints.restore(target(), best=best)
                assert step == 1 or not best, where
                same(found, state(step))
        fallen_back += step == 1
    assert fallen_back > FLIPS / 3


def test_inference_reads_no_flipped_bit(make_run, tmp_path):
    fields = {'depth': 2, 'filters': 2, 'dropout_layers': 0}
    run = make_run(generator_fields=fields, image_size=8, steps=(1, 2), delta_e=(3.0, 5.0))
    rng = random.Random(0)
    expected = {step: restore(run, step).variables for step in (1, 2)}
    for number in range(FLIPS):
        workdir = shutil.copytree(run, tmp_path / str(number))
        where = flip(workdir / 'checkpoints' / '2', rng, number)
        for name in ('latest', 'best'):
            model = restore(workdir, name)
            assert model.step == 1 or name == 'latest', where
            same(model.variables, expected[model.step])


def test_a_flipped_number_is_named(kept, tmp_path, caplog):
    """As if a bit had changed where TensorStore has no checksum."""
    workdir = shutil.copytree(kept, tmp_path / 'run')
    saved = workdir / 'checkpoints' / '2' / 'manifest' / 'metadata'
    content = json.loads(saved.read_text())
    content['arrays']['generator/params/kernel'] = '0' * 64
    content['sha256'] = manifest._own_digest({name: content[name] for name in content if name != 'sha256'})
    saved.write_text(json.dumps(content))
    with contextlib.closing(Checkpoints(workdir, keep=2)) as checkpoints:
        assert checkpoints.restore(target())[0] == 1
    assert 'generator/params/kernel is damaged: SHA-256' in caplog.text
    assert (workdir / 'checkpoints' / '2.corrupt').is_dir()


def test_a_manifest_that_is_lost_is_missed(kept, tmp_path, caplog):
    workdir = shutil.copytree(kept, tmp_path / 'run')
    shutil.rmtree(workdir / 'checkpoints' / '2' / 'manifest')
    with contextlib.closing(Checkpoints(workdir, keep=2)) as checkpoints:
        assert checkpoints.restore(target())[0] == 1
    assert 'its manifest is missing' in caplog.text


@pytest.mark.parametrize(
    ('field', 'message'),
    [('shape', r'kernel is \(3000000000, .*should be \(3, 3, 8, 16\)'), ('chunks', 'in blocks of')],
)
def test_sizes_are_checked_before_memory_is_taken(kept, tmp_path, caplog, field, message):
    """A `.zarray` of 3e9 times the size, with the rest of the checkpoint as it should be."""
    workdir = shutil.copytree(kept, tmp_path / 'run')
    item = workdir / 'checkpoints' / '2' / 'state'
    store = tensorstore.KvStore.open({'driver': 'ocdbt', 'base': f'file://{item}/'}).result()
    (key,) = [key for key in store.list().result() if b'kernel' in key and key.endswith(b'.zarray')]
    array = json.loads(store[key])
    store[key] = json.dumps(array | {field: [3_000_000_000, *array[field][1:]]}).encode()
    with contextlib.closing(Checkpoints(workdir, keep=2)) as checkpoints:
        assert checkpoints.restore(target())[0] == 1
    assert re.search(message, caplog.text)


def test_a_checkpoint_without_a_manifest_and_an_empty_file_of_scores(kept, tmp_path):
    """As the last release wrote it, and a disk that was full."""
    workdir = shutil.copytree(kept, tmp_path / 'run')
    old = workdir / 'checkpoints' / '2'
    shutil.rmtree(old / 'manifest')
    content = json.loads((old / '_CHECKPOINT_METADATA').read_text())
    content['item_handlers']['metrics'] = content['item_handlers'].pop('manifest')
    (old / '_CHECKPOINT_METADATA').write_text(json.dumps(content))
    (old / 'metrics').mkdir()
    for text, best in (('', 1), ('{"delta_e": 2.0}', 2)):
        (old / 'metrics' / 'metrics').write_text(text)
        with contextlib.closing(Checkpoints(workdir, keep=2)) as checkpoints:
            assert checkpoints.restore(target())[0] == 2
            step, found = checkpoints.restore(target(), best=True)
        assert step == best
        same(found, state(best))


def test_half_deleted_checkpoints_are_none(tmp_path, monkeypatch):
    """Deleting is cut off after the move: what is left is nobody's checkpoint, and goes at the next start."""
    monkeypatch.setattr(Checkpoints, '_settle', lambda self: None)
    with contextlib.closing(Checkpoints(tmp_path, keep=1)) as checkpoints:
        for step in (1, 2):
            checkpoints.save(step, parallel.replicate(state(step)), {'delta_e': 5.0 - step})
    assert (tmp_path / 'checkpoints' / '.deleted' / '1' / 'state').is_dir()
    assert complete_steps(epath.Path(tmp_path / 'checkpoints')) == [2]
    monkeypatch.undo()
    with contextlib.closing(Checkpoints(tmp_path, keep=1)) as checkpoints:
        assert checkpoints.steps == [2]
        assert not (tmp_path / 'checkpoints' / '.deleted').exists()


def test_a_checkpoint_is_on_the_disk_before_it_is_one_and_before_others_go(tmp_path, monkeypatch):
    calls = []
    synced, folder = os.fsync, tmp_path / 'checkpoints'

    def note(descriptor):
        path = Path(f'/proc/self/fd/{descriptor}').readlink()
        calls.append((path, (folder / '2').exists(), (folder / '.deleted' / '1').exists()))
        synced(descriptor)

    with contextlib.closing(Checkpoints(tmp_path, keep=1)) as checkpoints:
        checkpoints.save(1, parallel.replicate(state(1)), {'delta_e': 5.0})
        checkpoints.wait()
        monkeypatch.setattr(os, 'fsync', note)
        checkpoints.save(2, parallel.replicate(state(2)), {'delta_e': 4.0})
        checkpoints.wait()
    unfinished = {str(Path(*path.relative_to(folder).parts[1:])) for path, there, _ in calls if not there}
    whole = {str(path.relative_to(folder / '2')) for path in (folder / '2').rglob('*')}
    assert whole - {'commit_success.txt'} <= unfinished  # which says that all the others are there
    assert (folder, True, True) in calls
    assert not (folder / '.deleted').exists()


def test_the_only_checkpoint_is_damaged(kept, tmp_path):
    workdir = shutil.copytree(kept, tmp_path / 'run')
    shutil.rmtree(workdir / 'checkpoints' / '1')
    (workdir / 'checkpoints' / '2' / 'manifest' / 'metadata').write_text('{')
    with (
        contextlib.closing(Checkpoints(workdir)) as checkpoints,
        pytest.raises(UserError, match=r'none of the checkpoints \[2\].*its manifest is damaged'),
    ):
        checkpoints.restore(target())


@pytest.fixture(autouse=True)
def _quiet():
    """Orbax logs what it raises."""
    logging.getLogger('absl').setLevel(logging.CRITICAL)
    yield
    logging.getLogger('absl').setLevel(logging.NOTSET)
