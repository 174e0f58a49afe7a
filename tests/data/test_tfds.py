import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jaxcolor.data.sources import open_source
from jaxcolor.data.tfds import open_tfds
from jaxcolor.errors import UserError

DATA = Path(__file__).parents[2].parent / 'shared' / 'data' / 'tfds'
prepared = pytest.mark.skipif(not (DATA / 'cifar10').is_dir(), reason='CIFAR-10 is not here')


@pytest.fixture
def cifar(monkeypatch):
    monkeypatch.setenv('TFDS_DATA_DIR', str(DATA))


@prepared
def test_records_agree_with_tfds(cifar):
    import tensorflow_datasets as tfds

    source = open_tfds('cifar10', 'test')
    reference = tfds.data_source('cifar10', split='test', data_dir=DATA)
    assert len(source) == len(reference) == 10_000
    again = pickle.loads(pickle.dumps(source))
    for index in (0, 4321, 9999):
        expected = reference[index]['image']
        np.testing.assert_array_equal(np.asarray(source.decode(source[index], 64)), expected)
        np.testing.assert_array_equal(np.asarray(again.decode(again[index], 64)), expected)
    assert source.name(7) == 'tfds:cifar10 test picture 7'


@prepared
def test_reading_imports_no_tensorflow():
    program = (
        "import sys, os; os.environ['TFDS_DATA_DIR'] = sys.argv[1]\n"
        'from jaxcolor.data.tfds import open_tfds\n'
        "s = open_tfds('cifar10', 'train'); s.decode(s[0], 32)\n"
        "assert 'tensorflow' not in sys.modules"
    )
    done = subprocess.run([sys.executable, '-c', program, str(DATA)], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, '', '')


@prepared
@pytest.mark.parametrize(('split', 'count'), [('train[:80%]', 40_000), ('train[45000:]+test', 15_000)])
def test_tfds_own_syntax_of_splits(cifar, split, count):
    assert len(open_tfds('cifar10', split)) == count


@prepared
@pytest.mark.parametrize(
    ('name', 'split', 'message'),
    [
        ('cifar10', 'tset', r"no split 'tset'; it has test, train; did you mean test\?"),
        ('cifar10', 'validation[:3]', r'it has test, train'),
        ('cifar10', 'train[', r"split 'train\[' is not understood"),
        ('cifar10:9.9.9', 'train', r'cannot be loaded at version 9.9.9, only: 3.0.2'),
        ('cifar11', 'train', r'TFDS knows no such data set, and none is prepared in .*tfds'),
    ],
)
def test_what_is_wrong_is_said(cifar, name, split, message):
    with pytest.raises(UserError, match=message):
        open_tfds(name, split)


@prepared
def test_another_file_format(monkeypatch, tmp_path):
    version = tmp_path / 'cifar10' / '3.0.2'
    version.mkdir(parents=True)
    for path in (DATA / 'cifar10' / '3.0.2').glob('*.*'):
        if path.suffix in ('.json', '.txt'):
            shutil.copy(path, version)
    info = version / 'dataset_info.json'
    text = info.read_text().replace('array_record', 'tfrecord')
    info.unlink()
    info.write_text(text)
    monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path))
    with pytest.raises(UserError, match=r'not as ArrayRecord.*--file_format=array_record'):
        open_tfds('cifar10', 'train')


def test_neither_prepared_nor_a_network(monkeypatch, tmp_path):
    monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path))
    for name in ('https_proxy', 'http_proxy', 'HTTPS_PROXY', 'HTTP_PROXY'):
        monkeypatch.setenv(name, 'http://127.0.0.1:9')  # nobody listens there
    monkeypatch.setattr('urllib3.util.retry.time.sleep', lambda seconds: None)
    with pytest.raises(UserError) as caught:
        open_tfds('cifar10', 'train')
    message = str(caught.value)
    assert f'tfds:cifar10 is not prepared in {tmp_path} ($TFDS_DATA_DIR)' in message
    assert 'no network' in message
    assert 'tfds build cifar10 --file_format=array_record --data_dir=DIR' in message
    assert len(message.splitlines()) == 2


@pytest.mark.parametrize('source', ['cifar10', 'tfds:', 'folder', 'http://x/y.zip', ''])
def test_unknown_source(source):
    with pytest.raises(UserError, match='write tfds:NAME'):
        open_source(source, 'train')
