import hashlib
import io
import os
import pickle
import shutil
import subprocess
import sys
import tarfile
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from helpers.data import TFDS
from ml_collections import ConfigDict
from PIL import Image

from jaxcolor.data import pipeline
from jaxcolor.data.dataset import Dataset
from jaxcolor.data.sources import open_source
from jaxcolor.data.tfds import open_tfds
from jaxcolor.errors import UserError

ROOT = Path(__file__).parents[2]
prepared = pytest.mark.skipif(not (TFDS / 'cifar10').is_dir(), reason='CIFAR-10 is not here')


@pytest.fixture
def cifar(monkeypatch):
    monkeypatch.setenv('TFDS_DATA_DIR', str(TFDS))


@prepared
def test_records_agree_with_tfds(cifar):
    import tensorflow_datasets as tfds

    source = open_tfds('cifar10', 'test')
    reference = tfds.data_source('cifar10', split='test', data_dir=TFDS)
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
        "s = open_tfds('cifar10', 'train[:100]', ['horse']); s.decode(s[0], 32)\n"
        "assert 'tensorflow' not in sys.modules"
    )
    done = subprocess.run([sys.executable, '-c', program, str(TFDS)], capture_output=True, text=True)
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
def test_labels_choose_classes(cifar):
    import tensorflow_datasets as tfds

    reference = tfds.data_source('cifar10', split='test', data_dir=TFDS)
    horses = open_source('tfds:cifar10', 'test[:500]', ['horse', 'ship'])
    expected = [i for i in range(500) if reference[i]['label'] in (7, 8)]
    assert list(horses.places) == expected
    again = pickle.loads(pickle.dumps(horses))
    for place in (0, len(expected) - 1):
        picture = np.asarray(again.decode(again[place], 32))
        np.testing.assert_array_equal(picture, reference[expected[place]]['image'])
        assert horses.name(place) == f'tfds:cifar10 test[:500] picture {expected[place]}'
    assert len(open_source('tfds:cifar10', 'train', ('horse',))) == 5000


@prepared
def test_labels_choose_the_pictures_of_batches(cifar):
    import tensorflow_datasets as tfds

    data = {'source': 'tfds:cifar10', 'train_split': 'train[:300]', 'test_split': 'test[:200]', 'labels': ['horse']}
    sizes = {
        'feature': 'image',
        'image_size': 32,
        'resize': None,
        'max_resize': None,
        'fit': 'crop',
        'rotation': 0.0,
        'batch_size': 8,
        'crop': 'random',
        'min_colorfulness': 0.0,
        'workers': 0,
    }
    config = ConfigDict(data | sizes)

    def horses(split):
        reference = tfds.data_source('cifar10', split=split, data_dir=TFDS)
        return sorted(example['image'].tobytes() for example in reference if example['label'] == 7)

    train, test = horses('train[:300]'), horses('test[:200]')
    assert len(Dataset(config).kept) == len(train)
    assert Dataset(config).steps_per_epoch == -(-len(train) // 8)
    drawn = [next(batches)['image'] for batches in [pipeline.train_batches(Dataset(config), seed=0)] for _ in range(8)]
    assert {image.tobytes() for batch in drawn for image in batch} == set(train)
    seen = [
        image.tobytes() for batch in pipeline.test_batches(Dataset(config)) for image in batch['image'][batch['mask']]
    ]
    assert sorted(seen) == test
    config.min_colorfulness = 20.0
    assert 0 < len(Dataset(config).kept) < len(train)


@prepared
@pytest.mark.parametrize(
    ('labels', 'message'),
    [
        (['hrose'], r"tfds:cifar10 has no class 'hrose'; it has horse, "),
        (['horse', 'cow'], r"has no class 'cow'; it has .*airplane"),
    ],
)
def test_unknown_labels(cifar, labels, message):
    with pytest.raises(UserError, match=message):
        open_source('tfds:cifar10', 'test', labels)


@prepared
def test_a_split_without_the_class(cifar):
    with pytest.raises(UserError, match=r'none of the 3 pictures of tfds:cifar10 test\[:3\] is truck'):
        open_source('tfds:cifar10', 'test[:3]', ['truck'])


@pytest.mark.parametrize('source', ['bundled', 'folder:anywhere'])
def test_labels_of_a_source_without_any(source):
    with pytest.raises(UserError, match=f"data.labels=\\('horse',\\): {source} has no labels"):
        open_source(source, 'train', ('horse',))


@prepared
def test_another_file_format(monkeypatch, tmp_path):
    version = tmp_path / 'cifar10' / '3.0.2'
    version.mkdir(parents=True)
    for path in (TFDS / 'cifar10' / '3.0.2').glob('*.*'):
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
    monkeypatch.setattr(
        urllib.request, '_opener', None
    )  # which keeps the proxies of its first use, for all tests after
    with pytest.raises(UserError) as caught:
        open_tfds('cifar10', 'train')
    message = str(caught.value)
    assert f'tfds:cifar10 is not prepared in {tmp_path} ($TFDS_DATA_DIR)' in message
    assert 'no network' in message
    assert f'cifar-10-binary.tar.gz into {tmp_path}/downloads' in message
    assert len(message.splitlines()) == 2


def first_of_each_file(split, count):
    """{number: (label, picture)} of the first `count` pictures in each of the makers' files, which hold 10,000."""
    import tensorflow_datasets as tfds

    skip = {'image': tfds.decode.SkipDecoding()}
    return {
        number: (int(example['label']), np.asarray(Image.open(io.BytesIO(example['image']))))
        for example in tfds.data_source('cifar10', split=split, data_dir=TFDS, decoders=skip)
        if (number := int(example['id'].decode().partition('_')[2])) % 10_000 < count
    }


def pack(path, pictures):
    """An archive like the makers'; returns its SHA-256."""
    import tensorflow_datasets as tfds

    names = tfds.builder('cifar10', data_dir=TFDS).info.features['label'].names
    files = {'batches.meta.txt': '\n'.join([*names, '', '']).encode()}
    for split, numbered in pictures.items():
        for number, (label, image) in sorted(numbered.items()):
            name = f'data_batch_{number // 10_000 + 1}.bin' if split == 'train' else 'test_batch.bin'
            files[name] = files.get(name, b'') + bytes([label]) + image.transpose(2, 0, 1).tobytes()
    with tarfile.open(path, 'w:gz') as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f'cifar-10-batches-bin/{name}')
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return hashlib.sha256(path.read_bytes()).hexdigest()


PREPARE = """
import sys
from jaxcolor.data import cifar10
from jaxcolor.data.tfds import open_tfds
cifar10.URL, cifar10._SHA256 = sys.argv[1:]
open_tfds('cifar10', 'train')
assert 'tensorflow' not in sys.modules
"""


@prepared
def test_cifar10_is_prepared_without_tensorflow(tmp_path):
    """The download; the pictures, names and classes that TFDS gives them; its order; nothing left over."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.hashing import Hasher

    count, folder, path = 30, tmp_path / 'sets', tmp_path / 'cifar-10-binary.tar.gz'
    pictures = {split: first_of_each_file(split, count) for split in ('train', 'test')}
    digest = pack(path, pictures)
    line = [sys.executable, '-c', PREPARE, path.as_uri()]
    environment = os.environ | {'TFDS_DATA_DIR': str(folder), 'PYTHONPATH': str(ROOT)}
    done = subprocess.run([*line, '0' * 64], env=environment, capture_output=True, text=True, check=False)
    assert f'cifar-10-binary.tar.gz has SHA-256 {digest}, should have 000' in done.stderr
    assert list((folder / 'cifar10').iterdir()) == []
    done = subprocess.run([*line, digest], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (folder / 'cifar10').iterdir()] == ['3.0.2']
    for split, numbered in pictures.items():
        got = list(tfds.data_source('cifar10', split=split, data_dir=folder))
        order = [int(example['id'].decode().removeprefix(f'{split}_')) for example in got]
        assert order == sorted(range(len(numbered)), key=Hasher(split).hash_key)
        expected = [numbered[number] for number in sorted(numbered)]
        for number, example in zip(order, got, strict=True):
            label, image = expected[number]
            assert example['label'] == label
            np.testing.assert_array_equal(example['image'], image)


def test_other_data_sets_name_the_extra(monkeypatch, tmp_path):
    monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path))
    monkeypatch.setitem(sys.modules, 'tensorflow', None)
    with pytest.raises(UserError) as caught:
        open_tfds('mnist', 'train')
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f'tfds:mnist is not prepared in {tmp_path} ($TFDS_DATA_DIR): preparing it needs tensorflow')
    assert line.endswith("; pip install 'jaxcolor[tfds]'")


@pytest.mark.parametrize('source', ['cifar10', 'tfds:', 'folder', 'http://x/y.zip', ''])
def test_unknown_source(source):
    with pytest.raises(UserError, match='write tfds:NAME'):
        open_source(source, 'train')


def write_without_code(folder, features, examples):
    """A data set `snaps` as TFDS prepares it, for which no installed code stands; without TensorFlow."""
    import tensorflow_datasets as tfds
    from array_record.python.array_record_module import ArrayRecordWriter

    version = folder / 'snaps' / '1.0.0'
    version.mkdir(parents=True)
    described = tfds.features.FeaturesDict(features)
    # TFDS packs float32 into four channels, and needs TensorFlow for it.
    packed = {'depth': tfds.features.Image(shape=(8, 8, 4))}
    stored = tfds.features.FeaturesDict(features | packed)
    template = tfds.core.ShardedFileTemplate(version, dataset_name='snaps', filetype_suffix='array_record')
    path = template.replace(split='train').sharded_filepath(shard_index=0, num_shards=1)
    writer = ArrayRecordWriter(str(path), 'group_size:1')
    records = [stored.serialize_example(example) for example in examples]
    for record in records:
        writer.write(record)
    writer.close()
    split = tfds.core.SplitInfo('train', [len(records)], sum(map(len, records)), template)
    tfds.folder_dataset.write_metadata(
        data_dir=version,
        features=described,
        split_infos=[split],
        version='1.0.0',
        filename_template=template,
        check_data=False,
    )


def encoded(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, 'png')
    file.seek(0)
    return file


@pytest.fixture
def snaps(monkeypatch, tmp_path):
    """Three pictures `photo`, and others beside them; returns their pixels."""
    import tensorflow_datasets as tfds

    monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path))
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    features = {
        'photo': tfds.features.Image(shape=(8, 8, 3)),
        'thumbnail': tfds.features.Image(shape=(4, 4, 3)),
        'depth': tfds.features.Image(shape=(8, 8, 1), dtype=np.float32, encoding_format='png'),
        'place': tfds.features.Scalar(np.int64),
    }
    write_without_code(
        tmp_path,
        features,
        [
            {
                'photo': encoded(image),
                'thumbnail': encoded(image[::2, ::2]),
                'depth': encoded(np.zeros((8, 8, 4), np.uint8)),
                'place': 7,
            }
            for image in pixels
        ],
    )
    return pixels


def test_a_data_set_without_code_and_its_features(snaps):
    source = open_source('tfds:snaps', 'train', feature='photo')
    again = pickle.loads(pickle.dumps(source))
    for index, image in enumerate(snaps):
        np.testing.assert_array_equal(np.asarray(source.decode(source[index], 8)), image)
        np.testing.assert_array_equal(np.asarray(again.decode(again[index], 8)), image)
    small = open_source('tfds:snaps', 'train', feature='thumbnail')
    np.testing.assert_array_equal(np.asarray(small.decode(small[1], 4)), snaps[1, ::2, ::2])
    assert len({source.fingerprint(), again.fingerprint(), small.fingerprint()}) == 2
    assert open_source('tfds:snaps', 'train[:2]', feature='photo').fingerprint().pictures == 2


@pytest.mark.parametrize('feature', ['image', 'place', 'depth', ''])
def test_a_feature_that_holds_no_pictures(snaps, feature):
    message = f'data.feature={feature!r} is no picture feature of tfds:snaps; use photo or thumbnail'
    with pytest.raises(UserError, match=message):
        open_source('tfds:snaps', 'train', feature=feature)


@pytest.mark.parametrize('source', ['bundled', 'folder:anywhere'])
def test_features_of_a_source_without_any(source):
    with pytest.raises(UserError, match=f"data.feature='photo': {source} has no features; leave it at 'image'"):
        open_source(source, 'train', feature='photo')
