import collections
import itertools
import logging

import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

from jaxcolor.data import pipeline
from jaxcolor.data.dataset import Dataset
from jaxcolor.data.folder import Folder
from jaxcolor.errors import UserError

COUNT, SIZE = 22, 16


def data_config(folder, **changes):
    fields = {
        'source': f'folder:{folder}',
        'train_split': 'train',
        'test_split': 'train',
        'labels': None,
        'feature': 'image',
        'image_size': SIZE,
        'resize': None,
        'max_resize': None,
        'fit': 'crop',
        'rotation': 0.0,
        'batch_size': 8,
        'crop': 'random',
        'min_colorfulness': 0.0,
        'workers': 0,
    }
    return ConfigDict(fields | changes)


@pytest.fixture
def folder(tmp_path):
    """Picture i is i in red throughout, and in green and blue says where it was cropped."""
    for index in range(COUNT):
        size = (24 + index, 40)
        y, x = np.mgrid[: size[1], : size[0]]
        rgb = np.stack([np.full_like(x, 10 * index), 3 * x, 5 * y], -1).astype(np.uint8)
        Image.fromarray(rgb).save(tmp_path / f'{index:02}.png')
    return tmp_path


def take(batches, count):
    return list(itertools.islice(batches, count))


def who(images):
    return (images[:, 0, 0, 0] // 10).tolist()


def assert_equal(batches, others):
    assert len(batches) == len(others)
    for batch, other in zip(batches, others, strict=True):
        assert batch.keys() == other.keys() == {'image', 'mask'}
        for key in batch:
            np.testing.assert_array_equal(batch[key], other[key])


def test_shapes(folder):
    batch = next(pipeline.train_batches(Dataset(data_config(folder)), seed=0))
    assert batch['image'].shape == (8, SIZE, SIZE, 3)
    assert batch['image'].dtype == np.uint8
    assert batch['mask'].tolist() == [True] * 8
    assert Dataset(data_config(folder)).steps_per_epoch == 3  # 22 pictures, 8 a batch


def test_every_epoch_shows_every_picture_once_in_another_order_with_other_crops(folder):
    batches = take(pipeline.train_batches(Dataset(data_config(folder)), seed=3), 11)  # 88 = 4 epochs of 22
    images = np.concatenate([b['image'] for b in batches]).reshape(4, COUNT, SIZE, SIZE, 3)
    orders = [who(epoch) for epoch in images]
    assert all(sorted(order) == list(range(COUNT)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    first, second = (images[e][np.argsort(orders[e])] for e in (0, 1))
    assert (first != second).any(axis=(1, 2, 3)).sum() > COUNT / 2


def test_batches_of_one_picture(folder):
    ones, eights = (
        take(pipeline.train_batches(Dataset(data_config(folder, batch_size=size)), seed=3), count)
        for size, count in ((1, 3 * COUNT), (8, 9))
    )
    sizes = [who(np.concatenate([batch['image'] for batch in batches]))[: 3 * COUNT] for batches in (ones, eights)]
    assert sizes[0] == sizes[1]
    assert ones[0]['image'].shape == (1, SIZE, SIZE, 3)


def test_seeds_differ(folder):
    one, other = (next(pipeline.train_batches(Dataset(data_config(folder)), seed=s))['image'] for s in (0, 1))
    assert who(one) != who(other)


def test_centre_crops_repeat(folder):
    config = data_config(folder, crop='center')
    images = np.concatenate([b['image'] for b in take(pipeline.train_batches(Dataset(config), seed=0), 11)])
    versions = collections.defaultdict(set)
    for index, image in zip(who(images), images, strict=True):
        versions[index].add(image.tobytes())
    assert {len(v) for v in versions.values()} == {1}


def test_a_batch_larger_than_the_data_set(folder):
    batch = next(pipeline.train_batches(Dataset(data_config(folder, batch_size=50)), seed=0))
    counts = collections.Counter(who(batch['image']))
    assert len(counts) == COUNT
    assert set(counts.values()) == {2, 3}
    assert Dataset(data_config(folder, batch_size=50)).steps_per_epoch == 1


@pytest.mark.parametrize('start', [1, 5])
def test_restarting_at_any_step_goes_on_alike(folder, start):
    whole = take(pipeline.train_batches(Dataset(data_config(folder)), seed=7), 8)
    assert_equal(
        take(pipeline.train_batches(Dataset(data_config(folder)), seed=7, start_step=start), 8 - start), whole[start:]
    )


@pytest.mark.parametrize('processes', [2, 4])
def test_any_number_of_processes_reads_the_same_batches(folder, processes):
    config = data_config(folder)
    whole = take(pipeline.train_batches(Dataset(config), seed=7, start_step=2), 4)
    parts = [
        take(pipeline.train_batches(Dataset(config), seed=7, start_step=2, process_index=p, process_count=processes), 4)
        for p in range(processes)
    ]
    joined = []
    for shares in zip(*parts, strict=True):
        batch = {key: np.empty_like(whole[0][key]) for key in whole[0]}
        for p, share in enumerate(shares):
            for key in batch:
                batch[key][p::processes] = share[key]
        joined.append(batch)
    assert_equal(joined, whole)


def test_worker_processes_read_the_same_batches(folder):
    (folder / '05.png').write_text('not a picture')
    config = data_config(folder)
    threads = pipeline.train_batches(Dataset(config), seed=7, start_step=3)
    config.workers = 2
    workers = pipeline.train_batches(Dataset(config), seed=7, start_step=3)
    assert_equal(take(workers, 6), take(threads, 6))
    assert workers.unreadable == threads.unreadable == {str(folder / '05.png')}


def test_unreadable_pictures_are_replaced_in_training_and_warned_of_once(folder, caplog):
    broken = [folder / '04.png', folder / '05.png']
    broken[0].write_bytes((folder / '04.png').read_bytes()[:60])
    broken[1].write_bytes(b'')
    batches = pipeline.train_batches(Dataset(data_config(folder)), seed=0)
    images = np.concatenate([b['image'] for b in take(batches, 11)])
    assert collections.Counter(who(images)) == {i: 12 if i == 6 else 4 for i in range(COUNT) if i not in (4, 5)}
    assert batches.unreadable == {str(path) for path in broken}
    take(pipeline.train_batches(Dataset(data_config(folder)), seed=1), 3)
    warnings = [r.getMessage() for r in caplog.records if 'cannot be read' in r.getMessage()]
    assert sorted(w.split(' ')[0] for w in warnings) == sorted(map(str, broken))


def test_records_read_at_once_are_those_read_one_by_one(folder, monkeypatch):
    """Broken pictures give way to the same ones, and what is remembered is not read again."""
    (folder / '04.png').write_bytes((folder / '04.png').read_bytes()[:60])

    def read():
        dataset = Dataset(data_config(folder, fit='squash'))
        training = pipeline.train_batches(dataset, seed=3)
        return take(training, 11), list(pipeline.test_batches(dataset)), training.unreadable

    training, test, unreadable = read()
    asked = []

    def at_once(source, indices):
        asked.append(list(indices))
        return [source[index] for index in indices]

    monkeypatch.setattr(Folder, '__getitems__', at_once, raising=False)
    got = read()
    assert_equal(got[0], training)
    assert_equal(got[1], test)
    assert got[2] == unreadable == {str(folder / '04.png')}
    assert {index for part in asked for index in part} == set(range(COUNT))

    decoder = Dataset(data_config(folder, fit='squash')).train
    decoder(7, 0.5, 0.5)
    asked.clear()
    assert list(decoder.records([6, 7, 8])) == [decoder.source[6], None, decoder.source[8]]
    assert asked == [[6, 8]]


def test_pictures_that_vanish_are_an_error_not_an_endless_search(folder):
    batches = pipeline.train_batches(Dataset(data_config(folder)), seed=0)
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(UserError, match='no picture can be read any more'):
        take(batches, 20)


def test_grey_pictures_are_dropped_from_training_alone(folder, caplog):
    caplog.set_level(logging.INFO)
    Image.new('RGB', (30, 30), (70, 70, 70)).save(folder / 'grey.png')
    Image.new('L', (30, 30), 80).save(folder / 'grey too.png')
    (folder / 'broken.png').write_bytes(b'')
    config = data_config(folder, min_colorfulness=5.0)
    images = np.concatenate([b['image'] for b in take(pipeline.train_batches(Dataset(config), seed=0), 11)])
    assert collections.Counter(who(images)) == dict.fromkeys(range(COUNT), 4)
    assert Dataset(config).steps_per_epoch == 3
    assert f'data.min_colorfulness=5 drops 2 of the {COUNT + 3} training pictures' in caplog.text
    assert 'broken.png cannot be read and is left out: the file is empty' in caplog.text
    assert sum(b['mask'].sum() for b in pipeline.test_batches(Dataset(config))) == COUNT + 2
    with pytest.raises(UserError, match=r'leaves none of the 25 pictures .* lower it'):
        pipeline.train_batches(Dataset(data_config(folder, min_colorfulness=500.0)), seed=0)


def test_every_test_picture_is_seen_once(folder):
    (folder / '03.png').write_bytes(b'')
    batches = pipeline.test_batches(Dataset(data_config(folder)))
    seen = list(batches)
    assert [b['image'].shape for b in seen] == [(8, SIZE, SIZE, 3)] * 3
    mask = np.concatenate([b['mask'] for b in seen])
    images = np.concatenate([b['image'] for b in seen])
    assert who(images[mask]) == [i for i in range(COUNT) if i != 3]
    assert mask.tolist() == [i != 3 for i in range(COUNT)] + [False] * 2
    assert not images[~mask].any()
    assert batches.unreadable == {str(folder / '03.png')}
    assert_equal(list(pipeline.test_batches(Dataset(data_config(folder)))), seen)


def test_all_processes_get_as_many_test_batches(folder):
    config = data_config(folder, batch_size=20)  # the second batch holds two pictures: processes 2, 3 get none
    parts = [list(pipeline.test_batches(Dataset(config), process_index=p, process_count=4)) for p in range(4)]
    assert [[len(b['mask']) for b in part] for part in parts] == [[5, 5]] * 4
    found = [who(b['image'][b['mask']]) for part in parts for b in part]
    assert sorted(itertools.chain(*found)) == list(range(COUNT))
    assert found[0] == [0, 4, 8, 12, 16]


def test_jitter_equals_pillows_scaling_and_cropping(folder):
    """Every crop of a training batch is a window of the scaled picture; the windows differ in both axes."""
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (33, 33, 3), np.uint8)).save(folder / 'square.png')
    (wide,) = [path for path in folder.iterdir() if path.name == '21.png']  # 45 x 40
    for path in folder.iterdir():
        if path.name not in ('square.png', '21.png'):
            path.unlink()
    config = data_config(folder, resize=SIZE + 3)
    images = np.concatenate([b['image'] for b in take(pipeline.train_batches(Dataset(config), seed=0), 11)])
    is_wide = images[:, 0, 0, 0] == 210
    with Image.open(folder / 'square.png') as opened:
        whole = np.asarray(opened.resize((SIZE + 3, SIZE + 3), Image.Resampling.BICUBIC))
    windows = {
        whole[top : top + SIZE, left : left + SIZE].tobytes(): (top, left) for top in range(4) for left in range(4)
    }
    assert len(windows) == 16
    seen = collections.Counter(windows[image.tobytes()] for image in images[~is_wide])  # KeyError: not a window
    assert seen.total() == 44
    assert {top for top, _ in seen} == {left for _, left in seen} == set(range(4))
    with Image.open(wide) as opened:
        scaled = np.asarray(opened.resize((round(45 * 19 / 40), 19), Image.Resampling.BICUBIC)).astype(int)
    for image in images[is_wide]:
        assert (
            min(
                np.abs(scaled[top : top + SIZE, left : left + SIZE] - image).max()
                for top in range(4)
                for left in range(scaled.shape[1] - SIZE + 1)
            )
            <= 2
        )  # rounded twice
    assert len({image.tobytes() for image in images[is_wide]}) > 8


def test_jitter_follows_seed_and_step_and_leaves_test_pictures_alone(folder):
    for path in sorted(folder.iterdir())[::2]:  # some of each kind: remembered and not
        with Image.open(path) as opened:
            opened.crop((0, 0, 24, 24)).save(path)
    plain, config = data_config(folder), data_config(folder, resize=20)
    whole = take(pipeline.train_batches(Dataset(config), seed=7), 8)
    assert_equal(take(pipeline.train_batches(Dataset(config), seed=7, start_step=5), 3), whole[5:])
    config.workers = 2
    assert_equal(take(pipeline.train_batches(Dataset(config), seed=7), 8), whole)
    assert_equal(list(pipeline.test_batches(Dataset(config))), list(pipeline.test_batches(Dataset(plain))))


def test_jitter_in_the_centre(folder):
    config = data_config(folder, resize=20, crop='center')
    images = np.concatenate([b['image'] for b in take(pipeline.train_batches(Dataset(config), seed=0), 11)])
    assert len({image.tobytes() for image in images}) == COUNT


def test_scale_jitter_draws_the_shorter_side(tmp_path):
    """Of a ramp of 64 pixels a square of 16 shows 64 (at side 16) to 16 (at side 64) of them."""
    ramp = np.broadcast_to(4 * np.arange(64, dtype=np.uint8)[None, :, None], (64, 64, 3))
    Image.fromarray(np.ascontiguousarray(ramp)).save(tmp_path / 'ramp.png')
    config = data_config(tmp_path, max_resize=64)
    images = np.concatenate([b['image'] for b in take(pipeline.train_batches(Dataset(config), seed=0), 50)]).astype(int)
    shown = (images[:, 8, -1, 0] - images[:, 8, 0, 0]) / 4 / (SIZE - 1) * SIZE
    assert shown.min() < 18
    assert shown.max() > 60
    # Evenly on a logarithmic scale: half of them between 16 and 32.
    assert abs(np.mean(shown < 32) - 0.5) < 0.1
    assert_equal(take(pipeline.train_batches(Dataset(config), seed=0, start_step=5), 3), take_from(config, 5, 3))
    two = [take(pipeline.train_batches(Dataset(config), seed=0, process_index=p, process_count=2), 3) for p in range(2)]
    for batch, first, second in zip(take(pipeline.train_batches(Dataset(config), seed=0), 3), *two, strict=True):
        np.testing.assert_array_equal(batch['image'][::2], first['image'])
        np.testing.assert_array_equal(batch['image'][1::2], second['image'])


def test_rotation_follows_seed_and_step_and_leaves_crops_and_test_pictures_alone(folder):
    """Angles are drawn evenly, either way; the same for any number of processes."""
    plain, config = (data_config(folder, rotation=rotation, batch_size=44) for rotation in (0.0, 30.0))
    (still, _), (batch, second) = (take(pipeline.train_batches(Dataset(each), seed=7), 2) for each in (plain, config))
    # Green is 3 x and blue 5 y of the picture: their slopes are those of its axes, and the middle stays where it is.
    found = {name: images.astype(float) for name, images in (('still', still['image']), ('turned', batch['image']))}
    down, across = (np.diff(found['turned'][:, 6:10, 6:10, 1], axis=axis).mean((1, 2)) for axis in (1, 2))
    scale = np.diff(found['still'][:, 6:10, 6:10, 1], axis=2).mean((1, 2))
    angles = np.degrees(np.arctan2(down, across))
    assert (np.hypot(down, across) / scale).mean() == pytest.approx(1.0, abs=0.1)
    assert angles.min() < -15
    assert angles.max() > 15
    assert np.abs(angles).max() < 33
    middles = [images[:, 7:9, 7:9, 1:].mean((1, 2)) for images in found.values()]
    assert np.abs(middles[0] - middles[1]).max() < 6
    assert (found['turned'][..., 1:] > 0).mean() > 0.9  # corners are mirrored, not black
    assert_equal(take(pipeline.train_batches(Dataset(config), seed=7, start_step=1), 1), [second])
    two = [
        take(pipeline.train_batches(Dataset(config), seed=7, process_index=p, process_count=2), 1)[0] for p in range(2)
    ]
    np.testing.assert_array_equal(batch['image'][::2], two[0]['image'])
    np.testing.assert_array_equal(batch['image'][1::2], two[1]['image'])
    assert_equal(list(pipeline.test_batches(Dataset(config))), list(pipeline.test_batches(Dataset(plain))))


@pytest.mark.parametrize('jitter', [{}, {'resize': 20}, {'max_resize': 32}])
def test_rotation_of_what_is_remembered_equals_that_of_what_is_decoded(tmp_path, jitter):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)).save(tmp_path / 'a.png')
    config = data_config(tmp_path, rotation=45.0, **jitter)
    remembering, forgetting = Dataset(config), Dataset(config)
    forgetting.train._remembered = None
    assert_equal(*(take(pipeline.train_batches(each, seed=1), 3) for each in (remembering, forgetting)))


def test_squash_shows_the_whole_picture_in_training_and_evaluation(folder):
    config = data_config(folder, fit='squash', crop='center')
    whole = {}
    for path in sorted(folder.iterdir()):
        with Image.open(path) as opened:
            whole[int(path.stem)] = np.asarray(opened.resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    for batches in (pipeline.train_batches(Dataset(config), seed=0), pipeline.test_batches(Dataset(config))):
        seen = 0
        for batch in take(batches, 3):
            for image in batch['image'][batch['mask']]:
                np.testing.assert_array_equal(image, whole[image[0, 0, 0] // 10])
                seen += 1
        assert seen >= COUNT
    crops = take(pipeline.train_batches(Dataset(data_config(folder, fit='squash', resize=20)), seed=0), 2)
    assert len({image.tobytes() for batch in crops for image in batch['image']}) == 16


def take_from(config, start, count):
    return take(pipeline.train_batches(Dataset(config), seed=0), start + count)[start:]


def test_what_is_wrong_is_said(folder):
    for fields in ({'max_resize': SIZE - 1}, {'max_resize': 20, 'resize': 24}, {'max_resize': 32, 'crop': 'center'}):
        with pytest.raises(UserError, match=r'data.max_resize=\d+ with data.crop=\w+ draws nothing; use at least'):
            _ = Dataset(data_config(folder, **fields)).train
    with pytest.raises(UserError, match=r'data.batch_size=8 is not a multiple of the 3 processes'):
        pipeline.train_batches(Dataset(data_config(folder)), seed=0, process_count=3)
    with pytest.raises(UserError, match=r"data.crop='middle' is neither random nor center"):
        pipeline.train_batches(Dataset(data_config(folder, crop='middle')), seed=0)
    with pytest.raises(UserError, match=r'data.resize=15 is smaller than data.image_size=16, .* use more, or None'):
        _ = Dataset(data_config(folder, resize=15)).train


@pytest.mark.parametrize('resize', [None, SIZE + 2])
def test_square_pictures_are_decoded_once(tmp_path, resize):
    for index in range(4):
        Image.new('RGB', (SIZE, SIZE), (10 * index, 50, 60)).save(tmp_path / f'{index}.png')
    batches = pipeline.train_batches(Dataset(data_config(tmp_path, batch_size=4, resize=resize)), seed=0)
    first = next(batches)['image']
    for path in tmp_path.iterdir():
        path.unlink()
    for batch in take(batches, 20):
        np.testing.assert_array_equal(batch['image'][np.argsort(who(batch['image']))], first[np.argsort(who(first))])


def test_samples_are_spread_over_the_split(folder):
    data = data_config(folder)
    assert who(pipeline.test_samples(Dataset(data), 10)) == [0, 2, 4, 6, 8, 10, 12, 14, 16, 18]
    assert who(pipeline.test_samples(Dataset(data), 100)) == list(range(COUNT))


def test_an_unreadable_sample_gives_way_to_the_next_picture(folder):
    (folder / '04.png').write_bytes(b'not a picture')
    assert who(pipeline.test_samples(Dataset(data_config(folder)), 5)) == [0, 5, 8, 12, 16]
