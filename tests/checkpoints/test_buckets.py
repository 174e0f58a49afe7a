"""Work directories in buckets, through the real clients, against emulators over loopback.

s3:// is served by moto, in a thread of this process. gs:// needs an emulator that honours TensorStore's conditional
writes, such as Google's own, github.com/googleapis/storage-testbench (in an environment of its own): start it and name
it, STORAGE_EMULATOR_HOST=http://127.0.0.1:9000.
"""

import contextlib
import gc
import json
import logging
import os
import struct
import subprocess
import sys
import urllib.request
import uuid

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest
from etils import epath
from PIL import Image
from tensorboardX.proto import event_pb2

from jaxcolor import config as configs
from jaxcolor.checkpoints.manager import Checkpoints, complete_steps
from jaxcolor.checkpoints.restore import restore
from jaxcolor.distributed import parallel
from jaxcolor.errors import UserError
from jaxcolor.storage import read_text, write_atomic
from jaxcolor.training import train
from jaxcolor.training.tensorboard import TensorBoard

# moto and botocore leave connections to the garbage collector.
pytestmark = pytest.mark.filterwarnings('ignore::ResourceWarning')


@pytest.fixture(autouse=True)
def _collect_here():
    """Otherwise the warning would come in whatever test is next, as an error."""
    yield
    gc.collect()


@pytest.fixture(scope='session')
def s3():
    """The address of an S3 server with a bucket named `bucket`."""
    pytest.importorskip('s3fs', reason='pip install "jaxcolor[buckets]"')
    server_module = pytest.importorskip('moto.server', reason='pip install "jaxcolor[test]", for moto and flask')
    logging.getLogger('werkzeug').setLevel(logging.ERROR)
    server = server_module.ThreadedMotoServer('127.0.0.1', port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f'http://{host}:{port}'
    with pytest.MonkeyPatch.context() as patch:
        for name, value in credentials(address).items():
            patch.setenv(name, value)
        urllib.request.urlopen(urllib.request.Request(f'{address}/bucket', method='PUT')).close()
        yield address
    server.stop()


def credentials(address):
    return {
        'AWS_ENDPOINT_URL': address,
        'AWS_ACCESS_KEY_ID': 'key',
        'AWS_SECRET_ACCESS_KEY': 'secret',
        'AWS_DEFAULT_REGION': 'us-east-1',
    }


@pytest.fixture(scope='session')
def gs():
    """The address of a Google Cloud Storage server with a bucket named `bucket`."""
    pytest.importorskip('gcsfs', reason='pip install "jaxcolor[buckets]"')
    address = os.environ.get('STORAGE_EMULATOR_HOST')
    if not address:
        pytest.skip('no STORAGE_EMULATOR_HOST, see above')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('TENSORSTORE_GCS_HTTP_URL', address)
        patch.setenv('GOOGLE_CLOUD_PROJECT', 'project')
        patch.setenv('GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT', 'false')  # asks Google itself
        request = urllib.request.Request(f'{address}/storage/v1/b?project=project', b'{"name": "bucket"}')
        request.add_header('Content-Type', 'application/json')
        with contextlib.suppress(urllib.error.HTTPError):  # it is there since the last session
            urllib.request.urlopen(request).close()
        yield address


@pytest.fixture(params=['s3', 'gs'])
def workdir(request):
    """A new folder of a bucket."""
    request.getfixturevalue(request.param)
    return epath.Path(f'{request.param}://bucket/{uuid.uuid4()}')


@pytest.fixture
def rundir(workdir):
    """The same, for checkpoints."""
    if str(workdir).startswith('s3:') and not hasattr(ocp.options, 'AtomicityOptions'):
        pytest.skip('checkpoints in s3:// need orbax-checkpoint 0.12.4, which the extra [export] does not allow')
    return workdir


def state(value):
    return {
        'w': np.full((64, 64), value, np.float32),
        'step': np.int32(value),
        'nested': {'b': np.arange(value, dtype=np.float32), 'empty': {}, 'none': None},
    }


def target(value):
    return jax.tree.map(lambda a: jax.ShapeDtypeStruct(np.shape(a), a.dtype), state(value))


@contextlib.contextmanager
def saved(path, *values, keep=3, scores=None):
    with contextlib.closing(Checkpoints(path, keep=keep, metric='psnr')) as checkpoints:
        for value in values:
            checkpoints.save(value, parallel.replicate(state(3) | {'step': np.int32(value)}), (scores or {}).get(value))
        checkpoints.wait()
        yield checkpoints


def files(folder):
    """The paths of all files under `folder`, within it."""
    found = []
    for path in folder.iterdir():
        found += [f'{path.name}/{name}' for name in files(path)] if path.is_dir() else [path.name]
    return found


def test_files(workdir):
    assert read_text(workdir / 'file') is None
    for text in ('first', 'second'):
        write_atomic(workdir / 'file', text.encode())
        assert read_text(workdir / 'file') == text
    assert files(workdir) == ['file']


def test_checkpoints_are_exact_and_on_every_device(rundir):
    with saved(rundir, 1, 2, 3, 4, keep=1, scores={2: {'psnr': 30.0}, 3: {'psnr': 20.0}}) as checkpoints:
        assert checkpoints.steps == complete_steps(rundir / 'checkpoints') == [2, 4]
        step, found = checkpoints.restore(target(3))
        assert checkpoints.restore(target(3), best=True)[0] == 2
    assert step == 4
    expected = state(3) | {'step': np.int32(4)}
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    assert found['w'].sharding == parallel.replicate(np.zeros(3)).sharding


@pytest.mark.parametrize('workdir', ['s3'], indirect=True)
def test_a_state_of_another_shape_is_refused(rundir):
    with (
        saved(rundir, 1) as checkpoints,
        pytest.raises(UserError, match=r'\(1: w is \(64, 64\), should be \(64, 65\)\)'),
    ):
        checkpoints.restore(target(3) | {'w': jax.ShapeDtypeStruct((64, 65), np.float32)})


def test_saving_does_not_hold_on_to_donated_memory(rundir):
    """The array is overwritten while it is being saved; the checkpoint has it as it was."""
    advance = jax.pmap(
        lambda tree, _: jax.tree.map(lambda a: a + 1, tree), in_axes=(None, 0), out_axes=None, donate_argnums=0
    )
    tree = parallel.replicate({'w': np.zeros((512, 512), np.float32)})
    abstract = jax.eval_shape(lambda: tree)
    with contextlib.closing(Checkpoints(rundir, keep=3)) as checkpoints:
        for step in range(3):
            checkpoints.save(step, tree)
            tree = advance(tree, parallel.shard_numbers())
        checkpoints.wait()
    for step in (2, 1, 0):
        with contextlib.closing(Checkpoints(rundir, keep=3)) as checkpoints:
            found, restored = checkpoints.restore(abstract)
        assert found == step
        np.testing.assert_array_equal(restored['w'], step)
        (rundir / 'checkpoints' / str(step)).rmtree()


def test_broken_checkpoints_are_set_aside(rundir, caplog):
    with saved(rundir, 1, 2):
        pass
    folder = rundir / 'checkpoints'
    broken = [name for name in files(folder / '2' / 'state') if name == 'state.msgpack' or '/d/' in f'/{name}']
    assert broken
    for name in broken:
        path = folder / '2' / 'state' / name
        path.write_bytes(path.read_bytes()[:-50])
    before = set(files(folder / '2'))
    with contextlib.closing(Checkpoints(rundir, keep=3)) as checkpoints:
        step, _ = checkpoints.restore(target(3))
        assert step == 1
        assert checkpoints.steps == [1]
        checkpoints.save(2, parallel.replicate(state(3)))
        checkpoints.wait()
        assert checkpoints.restore(target(3))[0] == 2
    assert 'checkpoint 2 is broken and set aside, taking 1' in caplog.text
    assert set(files(folder / '2.corrupt')) == before


@pytest.mark.parametrize('state_is_there', [True, False])
def test_half_a_checkpoint_is_never_read(rundir, state_is_there):
    """What a process leaves behind that is killed while it saves: some files, without the one written last."""
    with saved(rundir, 1, 2):
        pass
    half = rundir / 'checkpoints' / '2'
    (half / 'commit_success.txt').unlink()
    if not state_is_there:
        (half / 'state').rmtree()
    assert complete_steps(half.parent) == [1]
    with contextlib.closing(Checkpoints(rundir, keep=3)) as checkpoints:
        step, found = checkpoints.restore(target(3))
        assert step == int(found['step']) == 1
        checkpoints.save(2, parallel.replicate(state(3) | {'step': np.int32(7)}))
        checkpoints.wait()
        step, found = checkpoints.restore(target(3))
        assert (step, int(found['step'])) == (2, 7)


def events(folder):
    """The events of the TensorBoard files, from their records: length, check, data, check."""
    found = []
    for path in sorted(path for path in folder.iterdir() if path.name.startswith('events.out.tfevents.')):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack('<Q', data[:8])
            event = event_pb2.Event.FromString(data[12 : 12 + length])
            event.wall_time = 0
            found.append(event)
            data = data[16 + length :]
    return found


def test_events_are_those_of_a_disk(workdir, tmp_path):
    for folder in (workdir, tmp_path):
        board = TensorBoard(folder)
        board.add_scalars('losses', 6, {'generator': 0.5, 'discriminator': 2})
        board.flush()
        assert len(events(folder)) == 3
        board.add_picture('samples', 6, np.zeros((8, 8, 3), np.uint8))
        board.close()
    assert events(workdir) == events(tmp_path)
    assert len(events(tmp_path)) == 4


@pytest.fixture
def small(config, tmp_path):
    rng = np.random.default_rng(0)
    for split, count in (('train', 16), ('test', 8)):
        (tmp_path / split).mkdir()
        for i in range(count):
            Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(tmp_path / split / f'{i}.png')
    config.data.source = f'folder:{tmp_path}'
    config.update(num_steps=4, eval_every=2, checkpoint_every=2, log_every=1, ema_decay=0.9)
    return config


def test_a_run_its_resumption_and_what_is_made_of_it(small, rundir, capsys):
    small.num_steps = 2
    train.train(small, rundir)
    small.num_steps = 4
    scores = train.train(small, rundir)
    assert f'resuming {rundir} at step 2' in capsys.readouterr().out
    assert [json.loads(line)['step'] for line in read_text(rundir / 'losses.jsonl').splitlines()] == [1, 2, 3, 4]
    assert [json.loads(line)['step'] for line in read_text(rundir / 'evaluations.jsonl').splitlines()] == [2, 4]
    names = {name for name in files(rundir) if not name.startswith(('checkpoints/', 'events.out.tfevents.'))}
    tables = {'losses.jsonl', 'evaluations.jsonl'}
    assert names == {'config.json', 'curves.png', 'samples/2.png', 'samples/4.png', *tables}
    assert 'samples' in {value.tag for event in events(rundir) for value in event.summary.value}

    assert train.evaluate_run(small, rundir) == pytest.approx(scores)
    model = restore(rundir)
    assert model.step == 4
    with contextlib.closing(Checkpoints(rundir)) as checkpoints:
        _, trained = checkpoints.restore(train.abstract_state(small, train.build_system(small, parallel.AXIS)))
    jax.tree.map(np.testing.assert_array_equal, model.variables['params'], trained.ema_params)

    (rundir / 'checkpoints' / '4' / 'commit_success.txt').unlink()
    assert restore(rundir, 'best').step != 4
    with pytest.raises(UserError, match=r'checkpoint=4 is not in .*/checkpoints; use latest, best, or a step'):
        restore(rundir, 4)
    configs.choose(small, 'generator', 'unet', depth=2, filters=4)
    with pytest.raises(UserError, match=r'another model: generator\.depth was 3, is 2'):
        train.train(small, rundir)


def complaint(script, before='', **environment):
    """What a new process says that runs `before` and `script`, with nobody's credentials."""
    names = ('PATH', 'PYTHONPATH', 'VIRTUAL_ENV')
    process = subprocess.run(
        [sys.executable, '-B', '-c', f'{before}\nfrom jaxcolor.storage import read_text, write_atomic\n{script}'],
        env={name: os.environ[name] for name in names if name in os.environ}
        | {'HOME': '/nonexistent', 'AWS_EC2_METADATA_DISABLED': 'true', 'AWS_MAX_ATTEMPTS': '1', **environment},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 1
    *_, cause, remedy = process.stderr.strip().splitlines()
    return f'{cause}\n{remedy}'


def test_a_bucket_that_is_not_there(s3):
    message = complaint("write_atomic('s3://nowhere/run/config.json', b'')", **credentials(s3))
    assert 's3://nowhere/run/config.json can not be written: not found\nthe bucket must exist' in message


def test_programs_that_jax_keeps_in_a_folder_do_not_bring_tensorflow_in(s3, tmp_path):
    before = f"""
import jax, jaxcolor
jax.config.update('jax_compilation_cache_dir', {str(tmp_path)!r})
jax.jit(lambda: 1)()
"""
    message = complaint(
        "read_text('s3://nowhere/file'), write_atomic('s3://nowhere/file', b'')", before, **credentials(s3)
    )
    assert 's3://nowhere/file can not be written: not found' in message


def test_no_credentials(s3):
    message = complaint("read_text('s3://bucket/run/config.json')", AWS_ENDPOINT_URL=s3)
    assert 's3://bucket/run/config.json can not be read: Unable to locate credentials\n' in message
    assert 'aws configure' in message


@pytest.mark.parametrize('script', ["read_text('s3://bucket/file')", "write_atomic('s3://bucket/file', b'')"])
def test_access_denied(s3, script):
    reset, text = f'{s3}/moto-api/reset-auth', {'Content-Type': 'text/plain'}
    try:
        urllib.request.urlopen(urllib.request.Request(reset, b'0', text)).close()
        message = complaint(script, **credentials(s3))
    finally:
        urllib.request.urlopen(urllib.request.Request(reset, b'inf', text)).close()
    assert 'Forbidden' in message or 'does not exist in our records' in message


def test_nobody_answers(s3):
    message = complaint("read_text('s3://bucket/file')", **credentials('http://127.0.0.1:9'))
    assert 's3://bucket/file can not be read: Could not connect to the endpoint URL' in message


@pytest.mark.parametrize(('address', 'package'), [('s3://bucket/file', 's3fs'), ('gs://bucket/file', 'gcsfs')])
def test_a_package_is_missing(address, package):
    message = complaint(f'import sys; sys.modules[{package!r}] = None\nread_text({address!r})')
    assert f'{address} needs a package for ' in message
    assert message.endswith('pip install "jaxcolor[buckets]"')
