"""Mixtures: shares by weight, in an order that is a function of (seed, step)."""

import collections
import itertools
import logging
import pickle

import numpy as np
import pytest
from helpers.data import TFDS
from PIL import Image

from jaxcolor import config as configs
from jaxcolor.data import pipeline
from jaxcolor.data.dataset import Dataset
from jaxcolor.data.mixture import open_sources, parse
from jaxcolor.errors import UserError

FIRST, SECOND = 30, 6  # pictures


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


@pytest.fixture
def folders(tmp_path):
    """Pictures 0 to 29 in one, 100 to 105 in the other; by their red."""
    for name, numbers in (('a + b', range(FIRST)), ('c', range(100, 100 + SECOND))):
        (tmp_path / name).mkdir()
        for number in numbers:
            Image.new('RGB', (16, 16), (number, 200, 7 * number % 256)).save(tmp_path / name / f'{number:03}.png')
    return tmp_path


def config(folders, weights=('*3', ''), **changes):
    fields = configs.default().data
    fields.update(
        source=f'folder:{folders}/a + b{weights[0]} + folder:{folders}/c{weights[1]}',
        train_split='train',
        test_split='train',
        image_size=16,
        batch_size=12,
    )
    fields.update(changes)
    return fields


def read(data, count, start=0, **options):
    batches = pipeline.train_batches(Dataset(data), seed=7, start_step=start, **options)
    return [batch['image'] for batch in itertools.islice(batches, count)]


def who(images):
    return np.concatenate(images)[:, 0, 0, 0].tolist()


@pytest.mark.parametrize(
    ('weights', 'share'), [(('*3', ''), 0.75), (('', ''), 0.5), (('*.1', '*.9'), 0.1), (('', '*1e1'), 1 / 11)]
)
def test_shares_are_those_of_the_weights(folders, weights, share):
    found = who(read(config(folders, weights), 50))
    assert sum(number < 100 for number in found) / 600 == pytest.approx(share, abs=0.01)
    small = [sum(number < 100 for number in found[start : start + 60]) for start in range(0, 600, 60)]
    assert max(small) - min(small) <= 2  # even over a few batches


def test_every_source_has_its_own_epochs(folders):
    """36 pictures are an epoch: 27 of one, and 9 of the other, which has 6."""
    data = config(folders)
    assert Dataset(data).steps_per_epoch == 3
    found = who(read(data, 40))
    first, second = ([number for number in found if (number < 100) == wanted] for wanted in (True, False))
    for numbers, count in ((first, FIRST), (second, SECOND)):
        epochs = [numbers[start : start + count] for start in range(0, len(numbers) - count + 1, count)]
        assert len(epochs) >= 12
        assert len({tuple(sorted(epoch)) for epoch in epochs}) == 1
        assert len({tuple(epoch) for epoch in epochs}) > 10
    assert {*first, *second} == {*range(FIRST), *range(100, 100 + SECOND)}


def test_sources_of_one_length_have_orders_of_their_own(folders):
    source = f'folder:{folders}/c + folder:{folders}/c'
    found = who(read(config(folders, source=source), 10))
    assert found[::2] != found[1::2]


@pytest.mark.parametrize('start', [1, 4])
@pytest.mark.parametrize('batch_size', [1, 12])
def test_restarting_at_any_step_goes_on_alike(folders, start, batch_size):
    data = config(folders, rotation=20.0, resize=20, batch_size=batch_size)
    whole = read(data, 8)
    np.testing.assert_array_equal(read(data, 8 - start, start), whole[start:])
    np.testing.assert_array_equal(read(data, 8), whole)
    far = read(data, 2, 10**9)
    np.testing.assert_array_equal(read(data, 1, 10**9 + 1)[0], far[1])


def test_any_number_of_processes_and_workers_reads_the_same_batches(folders):
    data = config(folders)
    whole = np.stack(read(data, 4, 2))
    for processes in (2, 3):
        for process in range(processes):
            share = read(data, 4, 2, process_index=process, process_count=processes)
            np.testing.assert_array_equal(share, whole[:, process::processes])
    np.testing.assert_array_equal(read(data, 4, 2, workers=1), whole)


def test_an_unreadable_picture_gives_way_to_another_of_its_source(folders):
    for name in ('a + b/029.png', 'c/105.png'):
        (folders / name).write_bytes(b'')
    found = collections.Counter(who(read(config(folders, ('', '')), 10)))
    assert sum(count for number, count in found.items() if number < 100) == 60
    assert (found[0], found[100]) == (4, 20)
    for path in (folders / 'c').iterdir():
        path.write_bytes(b'')
    with pytest.raises(UserError, match='none of the 6 pictures can be read'):
        read(config(folders), 1)


def test_evaluation_has_every_picture_once_of_all_sources_or_of_those_that_are_named(folders):
    def seen(**splits):
        batches = pipeline.test_batches(Dataset(config(folders, **splits)))
        return [number for batch in batches for number in batch['image'][batch['mask']][:, 0, 0, 0].tolist()]

    everything = [*range(FIRST), *range(100, 100 + SECOND)]
    assert seen() == everything
    parts = [seen(test_split=split) for split in ('train[:50%]', 'train[50%:]')]
    assert sorted(itertools.chain(*parts)) == everything
    assert seen(test_split='train, none') == everything[:FIRST]
    assert seen(test_split='none,train[:50%]') == [number for number in parts[0] if number >= 100]
    assert {number < 100 for number in who(read(config(folders, train_split='none, train'), 2))} == {False}


def test_colourfulness_is_asked_of_every_source(folders, caplog):
    caplog.set_level(logging.INFO)
    for number in (0, 29):
        Image.new('RGB', (16, 16), (90, 90, 90)).save(folders / 'a + b' / f'{number:03}.png')
    data = config(folders, min_colorfulness=5.0)
    dataset = Dataset(data)
    assert dataset.starts == (0, FIRST - 2)
    assert {*range(1, 29), *range(100, 106)} == {*who(read(data, 40))}
    assert 'drops 2 of the 36 training pictures' in caplog.text
    for path in (folders / 'c').iterdir():
        Image.new('RGB', (16, 16), (90, 90, 90)).save(path)
    with pytest.raises(UserError, match=r'data.min_colorfulness=5 leaves none of .*c/100.png and its like; lower it'):
        read(data, 1)


def test_fingerprints_are_of_all_pictures(folders):
    data = config(folders)
    found = Dataset(data).fingerprint
    assert found.pictures == FIRST + SECOND
    assert Dataset(data).fingerprint == found
    (folders / 'c' / '105.png').write_bytes(b'another size')
    assert Dataset(data).fingerprint.sha256 != found.sha256
    source = open_sources(data.source, 'train')
    assert source.name(FIRST) == str(folders / 'c' / '100.png')
    copy = pickle.loads(pickle.dumps(source))
    assert copy.decode(copy[FIRST + 1], 1).getpixel((0, 0))[0] == 101


@pytest.mark.skipif(not (TFDS / 'cifar10').is_dir(), reason='CIFAR-10 is not here')
def test_labels_and_features_are_of_the_sources_that_have_some(folders, monkeypatch):
    monkeypatch.setenv('TFDS_DATA_DIR', str(TFDS))
    source = f'folder:{folders}/c + tfds:cifar10*2'
    mixed = open_sources(source, 'train, test[:100]', ('horse',))
    assert (len(mixed.sources[0]), mixed.weights) == (SECOND, (1.0, 2.0))
    assert len(mixed.sources[1]) == len(open_sources('tfds:cifar10', 'test[:100]', ('horse',)))


def test_what_is_written():
    assert parse('folder:a b*3 + tfds:cifar10 + bundled * 0.5') == [
        ('folder:a b', 3.0),
        ('tfds:cifar10', 1.0),
        ('bundled', 0.5),
    ]
    for alone in ('folder:a*3', 'folder:a + b', 'folder:x+folder:y', 'tfds:a/b:1.0.0'):
        assert parse(alone) == [(alone, 1.0)]
    assert parse('folder:a*b + webdataset:/x/{0..3}*.tar') == [('folder:a*b', 1.0), ('webdataset:/x/{0..3}*.tar', 1.0)]


@pytest.mark.parametrize('weight', ['0', '-1', 'nan', 'inf', '-0.0', '1e999'])
def test_weights_that_are_none(weight):
    with pytest.raises(UserError, match=r'the weight -?\w+ of folder:a is out of range; use a number above 0'):
        parse(f'folder:a*{weight} + bundled')


def test_what_is_wrong_is_said(folders):
    with pytest.raises(UserError, match=r'weights 1e\+07 and 1 are too far apart; use at most 1,000,000 times'):
        parse('folder:a*1e7 + bundled')
    data = config(folders)
    for split, message in (
        ('train, train, train', 'is for 3 sources, and .* are 2; use one for each'),
        ('none', 'leaves all sources of .* out; name the split of one'),
        ('train, test', "has no split 'test'"),
    ):
        with pytest.raises(UserError, match=message):
            open_sources(data.source, split)
    with pytest.raises(UserError, match=r'data.labels: no source of .* has any; only tfds have'):
        open_sources(data.source, 'train', ('horse',))
    with pytest.raises(UserError, match=r'data.feature: no source of .* has any; only tfds, parquet, arrow'):
        open_sources(data.source, 'train', feature='jpg')
    with pytest.raises(UserError, match=r"unknown data.source 'bundled \+ foldr:x'"):
        open_sources('bundled + foldr:x', 'train')
