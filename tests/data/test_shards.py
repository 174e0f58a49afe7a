"""Parquet, Arrow and WebDataset files, written by their own libraries and read at random places."""

import collections
import io
import itertools
import json
import pickle
import tarfile
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from jaxcolor import config as configs
from jaxcolor.data import parquet as parquet_source
from jaxcolor.data import pipeline, shards, webdataset
from jaxcolor.data.dataset import Dataset
from jaxcolor.data.sources import open_source
from jaxcolor.errors import UserError
from jaxcolor.imaging.photos import PhotoError

KINDS = ('parquet', 'arrow', 'webdataset')
SUFFIXES = {'parquet': '.parquet', 'arrow': '.arrow', 'webdataset': '.tar'}
STRUCT = pa.struct([('bytes', pa.binary()), ('path', pa.string())])


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return tmp_path / 'cache' / 'jaxcolor' / 'webdataset'


def png(number, size=(16, 16)):
    file = io.BytesIO()
    Image.new('RGB', size, (number, 255 - number, 7 * number % 256)).save(file, 'PNG')
    return file.getvalue()


def write(kind, path, contents, **options):
    """Writes pictures, beside numbers that are none, as each kind of file has them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == 'webdataset':
        with tarfile.open(path, 'w', format=options.get('format', tarfile.USTAR_FORMAT)) as tar:
            for number, content in enumerate(contents):
                for extension, data in (('json', b'{}'), ('png', content)):
                    member = tarfile.TarInfo(f'photos/{number:04}.{extension}')
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
        return
    rows = [{'bytes': content, 'path': f'{number}.png'} for number, content in enumerate(contents)]
    table = pa.table({'label': pa.array(range(len(rows)), pa.int64()), 'image': pa.array(rows, STRUCT)})
    if kind == 'parquet':
        parquet.write_table(table, path, row_group_size=options.get('rows', 3))
    else:
        new = pa.ipc.new_file if options.get('form') == 'file' else pa.ipc.new_stream
        with new(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=2)


def numbers(source):
    return [source.decode(source[index], 1).getpixel((0, 0))[0] for index in range(len(source))]


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def test_every_picture_at_any_place(kind, tmp_path):
    for file, part in enumerate((range(7), range(7, 8), range(8, 20))):
        write(kind, tmp_path / 'data' / f'{file:03}{SUFFIXES[kind]}', map(png, part))
    source = open_source(f'{kind}:{tmp_path / "data"}', 'train')
    order = np.random.default_rng(0).permutation(20)
    assert [source.decode(source[int(place)], 1).getpixel((0, 0))[0] for place in order] == order.tolist()
    assert numbers(pickle.loads(pickle.dumps(source))) == list(range(20))
    assert source.name(7).startswith(str(tmp_path / 'data' / f'001{SUFFIXES[kind]} '))
    assert source.name(9).endswith('photos/0001.png' if kind == 'webdataset' else 'row 1')


def test_files_of_splits_and_their_parts(kind, tmp_path, caplog):
    suffix = SUFFIXES[kind]
    for name, part in (
        ('train-00000-of-00002', range(30)),
        ('train-00001-of-00002', range(30, 50)),
        ('test/0', range(50, 60)),
        ('other', [99]),
    ):
        write(kind, tmp_path / 'data' / f'{name}{suffix}', map(png, part))
    path = tmp_path / 'data'
    train, first, second, test = (
        numbers(open_source(f'{kind}:{path}', split)) for split in ('train', 'train[:80%]', 'train[80%:]', 'test')
    )
    assert train == list(range(50))
    assert (len(first), sorted(first + second)) == (40, train)
    assert first == sorted(first) != train[:40]
    assert test == list(range(50, 60))
    assert f'left out: other{suffix}' in caplog.text
    pattern = f'{kind}:{path}/train-{{00000..00001}}-of-00002{suffix}'
    assert numbers(open_source(pattern, 'train')) == train
    assert numbers(open_source(f'{kind}:{path}/t*-*{suffix}', 'train')) == train
    assert numbers(open_source(f'{kind}:{path}/{{test/0,other}}{suffix}', 'test')) == test
    with pytest.raises(UserError, match=r"has no split 'validation'; it has test, train"):
        open_source(f'{kind}:{path}', 'validation')
    with pytest.raises(UserError, match=r"split 'test\[10:\]' is empty; test holds 10 pictures"):
        open_source(f'{kind}:{path}', 'test[10:]')


def test_a_single_file_of_no_split_is_for_training(kind, tmp_path):
    file = tmp_path / f'flowers{SUFFIXES[kind]}'
    write(kind, file, map(png, range(5)))
    assert numbers(open_source(f'{kind}:{file}', 'train')) == list(range(5))
    with pytest.raises(UserError, match=r'divide what is there: train\[:80%\] and train\[80%:\]'):
        open_source(f'{kind}:{file}', 'test')


def test_what_is_wrong_is_said(kind, tmp_path):
    suffix, path = SUFFIXES[kind], tmp_path / 'data'
    path.mkdir()
    with pytest.raises(UserError, match=rf'no {suffix} files in .*data or its sub-folders'):
        open_source(f'{kind}:{path}', 'train')
    with pytest.raises(UserError, match=r'there is no such file or folder \(.*nowhere'):
        open_source(f'{kind}:{tmp_path / "nowhere"}', 'train')
    with pytest.raises(UserError, match=rf'there is no such file: .*001{suffix}'):
        write(kind, path / f'000{suffix}', map(png, range(3)))
        open_source(f'{kind}:{path}/{{000..001}}{suffix}', 'train')
    with pytest.raises(UserError, match='runs backwards'):
        open_source(f'{kind}:{path}/{{5..1}}{suffix}', 'train')
    with pytest.raises(UserError, match=r'stands for more than 100,000 files; use a folder'):
        open_source(f'{kind}:{path}/{{0..999999999999}}{suffix}', 'train')
    (path / 'data.zip').write_bytes(b'PK')
    with pytest.raises(UserError, match=rf'data.zip is no {suffix} file'):
        open_source(f'{kind}:{path}/data.zip', 'train')
    with pytest.raises(UserError, match=r"data.feature='photo'.*(use image|it has json, png)"):
        open_source(f'{kind}:{path}', 'train', feature='photo')
    with pytest.raises(UserError, match='is in a bucket; use a copy on a disk'):
        open_source(f'{kind}:gs://bucket/{suffix}', 'train')
    with pytest.raises(UserError, match='has no labels'):
        open_source(f'{kind}:{path}', 'train', labels=['horse'])
    (path / f'001{suffix}').write_bytes(b'nothing of the kind' * 100)
    with pytest.raises(UserError, match=rf'001{suffix} can not be read as'):
        open_source(f'{kind}:{path}', 'train')
    write(kind, path / f'001{suffix}', [])
    assert numbers(open_source(f'{kind}:{path}', 'train')) == [0, 1, 2]
    write(kind, path / f'000{suffix}', [b'no picture', b''])
    with pytest.raises(UserError, match=rf'none of the 2 pictures can be read \(.*000{suffix} .*: not a JPEG'):
        open_source(f'{kind}:{path}', 'train')
    (path / f'000{suffix}').unlink()
    with pytest.raises(UserError, match=r"split 'train' is empty|no such pictures"):
        open_source(f'{kind}:{path}', 'train')


def test_without_pyarrow(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__('sys').modules, 'pyarrow', None)
    for kind in ('parquet', 'arrow'):
        with pytest.raises(UserError, match=r"needs pyarrow, .*pip install 'jaxcolor\[parquet\]'"):
            open_source(f'{kind}:{tmp_path}', 'train')


def test_batches_and_broken_rows(kind, tmp_path, caplog):
    """As of a folder: in training the next picture takes the place, in evaluation it is masked; and it is named."""
    contents = [png(number) for number in range(12)]
    contents[4] = b'not a picture'
    contents[7] = contents[7][:40]
    write(kind, tmp_path / f'x{SUFFIXES[kind]}', contents)
    config = configs.default().data
    config.update(source=f'{kind}:{tmp_path}', train_split='train', test_split='train', image_size=16, batch_size=4)
    batches = pipeline.train_batches(Dataset(config), seed=0)
    whole = list(itertools.islice(batches, 6))
    seen = collections.Counter(np.concatenate([batch['image'][:, 0, 0, 0] for batch in whole]).tolist())
    assert seen == {number: 4 if number in (5, 8) else 2 for number in range(12) if number not in (4, 7)}
    assert len(batches.unreadable) == 2
    assert caplog.text.count('cannot be read and is left out') == 2
    again = list(itertools.islice(pipeline.train_batches(Dataset(config), seed=0, start_step=4), 2))
    for batch, other in zip(again, whole[4:], strict=True):
        np.testing.assert_array_equal(batch['image'], other['image'])
    assert sum(batch['mask'].sum() for batch in pipeline.test_batches(Dataset(config))) == 10
    if kind == 'parquet':  # the one that has something of its own in each process; starting one takes seconds
        config.workers = 1
        other = next(pipeline.train_batches(Dataset(config), seed=0))
        np.testing.assert_array_equal(other['image'], whole[0]['image'])


def test_fingerprints(kind, tmp_path):
    one, two = (tmp_path / place / f'x{SUFFIXES[kind]}' for place in ('one', 'two'))
    write(kind, one, map(png, range(6)))
    two.parent.mkdir()
    two.write_bytes(one.read_bytes())
    found, copy = (open_source(f'{kind}:{path.parent}', 'train').fingerprint() for path in (one, two))
    assert (found.pictures, found.sha256) == (6, copy.sha256)
    assert found.dated != copy.dated
    parts = [open_source(f'{kind}:{one}', split).fingerprint() for split in ('train[:3]', 'train[3:]')]
    assert len({parts[0].sha256, parts[1].sha256, found.sha256}) == 3
    write(kind, two, map(png, range(7)))
    assert open_source(f'{kind}:{two.parent}', 'train').fingerprint().sha256 != found.sha256


# Tables


@pytest.mark.parametrize('kind', ['parquet', 'arrow'])
def test_columns_of_bytes_and_rows_without(kind, tmp_path):
    file, contents = tmp_path / f'x{SUFFIXES[kind]}', [png(1), None, png(2), None]
    rows = [
        {'bytes': None, 'path': '/elsewhere/1.png'},
        {'bytes': png(5), 'path': None},
        None,
        {'bytes': None, 'path': 'beside.png'},
    ]
    (tmp_path / 'beside.png').write_bytes(png(6))
    columns = {'plain': pa.array(contents, pa.binary()), 'large': pa.array(contents, pa.large_binary())}
    table = pa.table({**columns, 'picture': pa.array(rows, STRUCT), 'n': [1, 2, 3, 4]})
    if kind == 'parquet':
        parquet.write_table(table, file)
    else:
        with pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table)
    for feature in ('plain', 'large'):
        source = open_source(f'{kind}:{file}', 'train', feature=feature)
        assert source[2] == png(2)
        with pytest.raises(PhotoError, match='the row has no picture'):
            source[1]
    source = open_source(f'{kind}:{file}', 'train', feature='picture')
    assert (source[1], source[3]) == (png(5), png(6))
    with pytest.raises(PhotoError, match=r'not in the table, and its path, /elsewhere/1.png, is no file'):
        source[0]
    with pytest.raises(PhotoError, match='the row has no picture'):
        source[2]
    with pytest.raises(UserError, match=r"data.feature='n' is no picture column of .*; use plain or large or picture"):
        open_source(f'{kind}:{file}', 'train', feature='n')


def test_parquet_keeps_few_row_groups(tmp_path, monkeypatch, caplog):
    write('parquet', tmp_path / 'x.parquet', map(png, range(24)), rows=4)
    read, groups = parquet_source.ParquetReader._read, []
    monkeypatch.setattr(parquet_source.ParquetReader, '_read', lambda *where: groups.append(where[2]) or read(*where))
    source = open_source(f'parquet:{tmp_path}', 'train')
    groups.clear()
    for place in (0, 23, 1, 22, 0):
        assert source[place] == png(place)
    assert groups == [5]  # the first one was read to see whether there are pictures
    monkeypatch.setattr(parquet_source, '_CACHE_BYTES', 1)
    for place in (8, 0, 9, 10):
        assert source[place] == png(place)
    assert groups == [5, 2, 0, 2]
    assert 'row groups are large' not in caplog.text
    monkeypatch.setattr(parquet_source, '_LARGE_GROUP', 100)
    open_source(f'parquet:{tmp_path}', 'train')
    assert 'are read for one picture, for its row groups are large; write it anew with' in caplog.text


def test_a_damaged_row_group_is_as_many_broken_pictures(tmp_path):
    write('parquet', tmp_path / 'x.parquet', map(png, range(9)))
    content = bytearray((tmp_path / 'x.parquet').read_bytes())
    place = content.find(png(4))
    content[place - 60 : place + 60] = b'\xff' * 120
    (tmp_path / 'x.parquet').write_bytes(content)
    source = open_source(f'parquet:{tmp_path}', 'train')
    good = []
    for index in range(9):
        try:
            good.append(source.decode(source[index], 1).getpixel((0, 0))[0])
        except PhotoError:
            continue
    assert {0, 1, 2, 6, 7, 8} <= {*good} != {*range(9)}


def test_what_save_to_disk_writes(tmp_path):
    """Its layout, as of datasets 4: names of splits, a state for each, and caches beside."""
    folder = tmp_path / 'data'
    for split, part in (('train', (range(4), range(4, 6))), ('test', (range(6, 9),))):
        names = [f'data-{number:05}-of-{len(part):05}.arrow' for number in range(len(part))]
        for name, contents in zip(names, part, strict=True):
            write('arrow', folder / split / name, map(png, contents))
        state = {'_data_files': [{'filename': name} for name in names], '_fingerprint': '0', '_split': split}
        (folder / split / 'state.json').write_text(json.dumps(state))
        write('arrow', folder / split / 'cache-0123.arrow', [png(99)])
    (folder / 'dataset_dict.json').write_text('{"splits": ["train", "test"]}')
    assert numbers(open_source(f'arrow:{folder}', 'train')) == list(range(6))
    assert numbers(open_source(f'arrow:{folder}', 'test')) == [6, 7, 8]
    assert numbers(open_source(f'arrow:{folder / "test"}', 'train')) == [6, 7, 8]
    (folder / 'test' / 'state.json').unlink()
    assert numbers(open_source(f'arrow:{folder}', 'test')) == [6, 7, 8]
    state = {'_data_files': [], '_indices_data_files': [{'filename': 'indices.arrow'}]}
    (folder / 'test' / 'state.json').write_text(json.dumps(state))
    with pytest.raises(UserError, match=r'has indices beside the rows; save it again after flatten_indices\(\)'):
        open_source(f'arrow:{folder}', 'test')
    (folder / 'test' / 'state.json').write_text('[]')
    with pytest.raises(UserError, match=r'is no state of a data set .*; save the data set again'):
        open_source(f'arrow:{folder}', 'test')
    (folder / 'test' / 'state.json').write_text('{"_data_files": []}')
    with pytest.raises(UserError, match=r'none of its .arrow files belongs to the data set'):
        open_source(f'arrow:{folder}', 'test')


def test_arrow_files_of_either_form_are_mapped_not_read(tmp_path):
    noise = np.random.default_rng(0)
    for form in ('file', 'stream'):
        write('arrow', tmp_path / f'{form}.arrow', [png(3), *(noise.bytes(10**6) for _ in range(20))], form=form)
        before = pa.total_allocated_bytes()
        source = open_source(f'arrow:{tmp_path / form}.arrow', 'train')
        assert len(source) == 21
        assert len(source[20]) == 10**6
        assert pa.total_allocated_bytes() - before < 10**5


def test_hostile_offsets_are_refused(tmp_path):
    write('arrow', tmp_path / 'x.arrow', map(png, range(2)))
    content = (tmp_path / 'x.arrow').read_bytes()
    offsets = np.array([0, len(png(0)), len(png(0)) + len(png(1))], '<i4').tobytes()
    assert offsets in content
    (tmp_path / 'x.arrow').write_bytes(content.replace(offsets, np.array([0, 2**30, 2**31 - 1], '<i4').tobytes()))
    with pytest.raises(UserError, match=r'x.arrow can not be read as Arrow'):
        open_source(f'arrow:{tmp_path}', 'train')


# .tar files


@pytest.mark.parametrize('form', [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_of_any_length_and_kind(tmp_path, form):
    names = ['a' * 300 + '.png', 'ünïcødé 雪.PNG', 'b.2.jpg.png', './c/d.png', '._e.png', '.f.png', '__MACOSX/g.png']
    names = names[1:] if form == tarfile.USTAR_FORMAT else names
    with tarfile.open(tmp_path / 'x.tar', 'w', format=form) as tar:
        for number, name in enumerate(names):
            member = tarfile.TarInfo(name)
            member.size = len(png(number))
            tar.addfile(member, io.BytesIO(png(number)))
        link = tarfile.TarInfo('h.png')
        link.type, link.linkname = tarfile.SYMTYPE, '/etc/passwd'
        tar.addfile(link)
    assert numbers(open_source(f'webdataset:{tmp_path}', 'train')) == list(range(len(names) - 3))


def test_several_pictures_of_a_sample(tmp_path):
    with tarfile.open(tmp_path / 'x.tar', 'w') as tar:
        for number, name in enumerate(('0.jpg', '0.cls', '0.seg.png', '1.jpg', '1.seg.png')):
            member = tarfile.TarInfo(name)
            member.size = len(png(number))
            tar.addfile(member, io.BytesIO(png(number)))
    with pytest.raises(UserError, match=r"sample '0' of .* has several pictures, jpg and seg.png; choose one with"):
        open_source(f'webdataset:{tmp_path}', 'train')
    assert numbers(open_source(f'webdataset:{tmp_path}', 'train', feature='jpg')) == [0, 3]
    assert numbers(open_source(f'webdataset:{tmp_path}', 'train', feature='seg.png')) == [2, 4]


def test_the_index_is_built_once(tmp_path, cache, monkeypatch):
    write('webdataset', tmp_path / 'data' / '0.tar', map(png, range(4)))
    source = f'webdataset:{tmp_path / "data"}'
    opened = []
    add = webdataset._add
    monkeypatch.setattr(webdataset, '_add', lambda *values: opened.append(values[1].name) or add(*values))
    for split in ('train', 'train[:2]', 'train'):
        open_source(source, split)
    assert opened == ['0.tar']
    (file,) = cache.iterdir()
    for harm in (b'', file.read_bytes()[:-8], bytes(len(file.read_bytes()))):
        file.write_bytes(harm)
        assert numbers(open_source(source, 'train')) == [0, 1, 2, 3]
    assert len(opened) == 4
    write('webdataset', tmp_path / 'data' / '0.tar', map(png, range(5)))
    assert numbers(open_source(source, 'train')) == [0, 1, 2, 3, 4]


def test_damaged_and_compressed_files(tmp_path, caplog):
    file = tmp_path / 'data' / '0.tar'
    write('webdataset', file, map(png, range(6)))
    whole = file.read_bytes()
    with tarfile.open(file) as tar:
        last = tar.getmembers()[-1]
        fourth = tar.getmembers()[7]
    file.write_bytes(whole[: last.offset_data + 20])  # cut in the last picture
    for _ in range(2):  # said at every start
        caplog.clear()
        source = open_source(f'webdataset:{file}', 'train')
        assert 'is damaged: unexpected end of data' in caplog.text
    assert len(source) == 6
    with pytest.raises(PhotoError, match='the file ends before it does'):
        source[5]
    file.write_bytes(whole[: fourth.offset] + b'\x55' * 512 + whole[fourth.offset + 512 :])
    assert numbers(open_source(f'webdataset:{file}', 'train')) == [0, 1, 2]
    assert f'is damaged at byte {fourth.offset}; what follows is left out' in caplog.text
    with tarfile.open(file, 'w:gz') as tar:
        tar.add(__file__, 'x.png')
    with pytest.raises(UserError, match=r'can not be read as a .tar without compression'):
        open_source(f'webdataset:{file}', 'train')


def test_a_million_pictures_fit_in_memory(tmp_path):
    """By a part of them: under 100 bytes each while they are indexed, 24 as they are used."""
    count = 4000
    with tarfile.open(tmp_path / 'x.tar', 'w') as tar:
        for number in range(count):
            content = png(1) if number == 0 else b''
            member = tarfile.TarInfo(f'{number:07}.png')
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    files = shards.find('', str(tmp_path), '.tar', 'train')
    webdataset._index('', files, 'image')
    tracemalloc.start()
    (counts, _, _), whole = webdataset._index('', files, 'image')
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert whole
    assert counts.tolist() == [count]
    assert most < 100 * count
    source = open_source(f'webdataset:{tmp_path}', 'train')
    assert len(pickle.dumps(source)) < 24 * count + 2000
