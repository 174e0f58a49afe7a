import itertools
import pickle

import pytest
from helpers.data import PHOTOGRAPHS
from PIL import Image

from jaxcolor.data.folder import open_folder
from jaxcolor.errors import UserError


def save(path, color='red', size=(8, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new('RGB', size, color).save(path)


def test_pictures_of_all_sub_folders_are_listed_in_order(tmp_path):
    for name in ('b/2.PNG', 'b/10.jpg', 'a/ünïcødé 雪.jpeg', 'c.gif', '.hidden.png', '.git/x.png', '__MACOSX/c.png'):
        save(tmp_path / name)
    (tmp_path / 'labels.csv').write_text('not a picture')
    folder = open_folder(str(tmp_path), 'train')
    assert folder.names == ('a/ünïcødé 雪.jpeg', 'b/10.jpg', 'b/2.PNG', 'c.gif')
    assert folder.name(3) == str(tmp_path / 'c.gif')
    assert folder.decode(folder[0], 8).size == (8, 8)
    assert pickle.loads(pickle.dumps(folder)) == folder


def test_links_are_followed_once(tmp_path):
    save(tmp_path / 'elsewhere' / 'x.png')
    save(tmp_path / 'here' / 'y.png')
    (tmp_path / 'here' / 'linked').symlink_to(tmp_path / 'elsewhere')
    (tmp_path / 'here' / 'circle').symlink_to(tmp_path / 'here')
    assert open_folder(str(tmp_path / 'here'), 'train').names == ('linked/x.png', 'y.png')


def test_sub_folders_are_splits(tmp_path, caplog):
    for name in ('train/cat/1.png', 'train/dog/2.png', 'validation/3.png', 'attic/4.png'):
        save(tmp_path / name)
    assert open_folder(str(tmp_path), 'train').names == ('cat/1.png', 'dog/2.png')
    assert open_folder(str(tmp_path), 'validation').names == ('3.png',)
    assert 'left out: attic' in caplog.text
    with pytest.raises(UserError, match=r"no split 'val'; it has train, validation; did you mean validation\?"):
        open_folder(str(tmp_path), 'val')
    with pytest.raises(UserError, match=r"no split 'test\[:10\]'; it has train, validation$"):
        open_folder(str(tmp_path), 'test[:10]')


def test_fractions_divide_the_pictures_and_spread_the_classes(tmp_path):
    for label, number in itertools.product('abcd', range(25)):
        save(tmp_path / label / f'{number}.png')
    everything = open_folder(str(tmp_path), 'train').names
    train = open_folder(str(tmp_path), 'train[:80%]').names
    test = open_folder(str(tmp_path), 'train[80%:]').names
    assert (len(train), len(test)) == (80, 20)
    assert sorted(train + test) == list(everything)
    assert {name[0] for name in test} == set('abcd')
    assert open_folder(str(tmp_path), 'train[:80%]').names == train
    assert len(open_folder(str(tmp_path), 'train[10:13]')) == 3
    assert open_folder(str(tmp_path), 'train[-20:]').names == test
    with pytest.raises(UserError, match=r'Make a sub-folder test/, or divide what is there: train\[:80%\]'):
        open_folder(str(tmp_path), 'test')
    with pytest.raises(UserError, match=r'is empty; train holds 100 pictures'):
        open_folder(str(tmp_path), 'train[200:]')
    with pytest.raises(UserError, match=r"split 'train\[8' is not understood; write e.g."):
        open_folder(str(tmp_path), 'train[8')


@pytest.mark.parametrize('count', [100, 7, 23])
def test_three_fractions_are_disjoint_and_complete(tmp_path, count):
    """Sixty, twenty and twenty per cent (Naim25 section 2.1), also where these are not whole numbers."""
    for number in range(count):
        save(tmp_path / 'abc'[number % 3] / f'{number}.png')
    splits = ('train[:60%]', 'train[60%:80%]', 'train[80%:]')
    parts = [open_folder(str(tmp_path), split).names for split in splits]
    assert sorted(sum(parts, ())) == list(open_folder(str(tmp_path), 'train').names)
    assert all(abs(len(part) - share * count) < 1 for part, share in zip(parts, (0.6, 0.2, 0.2), strict=True))


def test_what_is_wrong_is_said(tmp_path):
    with pytest.raises(UserError, match='there is no such folder'):
        open_folder(str(tmp_path / 'nowhere'), 'train')
    with pytest.raises(UserError, match='no pictures in'):
        open_folder(str(tmp_path), 'train')
    for name, remedy in (('x.tar', 'webdataset:.*x.tar'), ('x.PNG', 'the folder that it is in')):
        save(tmp_path / name) if name == 'x.PNG' else (tmp_path / name).touch()
        with pytest.raises(UserError, match=rf'{name} is a file; use {remedy}'):
            open_folder(str(tmp_path / name), 'train')
        (tmp_path / name).unlink()
    (tmp_path / 'x.jpg').write_text('not a picture')
    (tmp_path / 'y.jpg').write_bytes(b'')
    with pytest.raises(UserError, match=r'none of the 2 pictures can be read \(.*x.jpg: not a JPEG, PNG, .*\)'):
        open_folder(str(tmp_path), 'train')


@pytest.mark.skipif(not PHOTOGRAPHS.is_dir(), reason='places128 is not here')
def test_places():
    folder = open_folder(str(PHOTOGRAPHS), 'train')
    assert len(folder) == 8500
    assert folder.decode(folder[0], 256).size == (128, 128)
