"""`min_colorfulness` decodes pictures once, and says the same whatever has become of what it remembers."""

import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

from jaxcolor.data import colorfulness_cache, dataset
from jaxcolor.data.dataset import Dataset


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return tmp_path / 'cache' / 'jaxcolor' / 'colorfulness'


@pytest.fixture
def folder(tmp_path):
    """Of pictures 0 to 5 the odd ones are grey."""
    folder = tmp_path / 'pictures'
    folder.mkdir()
    for number in range(6):
        Image.new('RGB', (16, 16), (90, 90, 90) if number % 2 else (250, 40, 10 * number)).save(
            folder / f'{number}.bmp'
        )
    return folder


@pytest.fixture
def decoded(monkeypatch):
    """The numbers of the pictures that are decoded to measure them."""
    found = []
    measure = dataset._colorfulness

    def counted(decoder, places, part):
        found.extend(places[part].tolist())
        return measure(decoder, places, part)

    monkeypatch.setattr(dataset, '_colorfulness', counted)
    return found


def kept(folder, **changes):
    fields = {'source': f'folder:{folder}', 'train_split': 'train', 'labels': None, 'feature': 'image'}
    sizes = {'image_size': 16, 'resize': None, 'max_resize': None, 'fit': 'crop', 'batch_size': 2, 'crop': 'center'}
    return Dataset(ConfigDict(fields | sizes | {'min_colorfulness': 5.0} | changes)).kept.tolist()


def test_the_second_start_decodes_nothing(cache, folder, decoded):
    assert kept(folder) == [0, 2, 4]
    assert decoded == list(range(6))
    assert kept(folder) == [0, 2, 4]
    least = float(np.median(colorfulness_cache.load(next(cache.iterdir()), 6)[::2]))
    assert len(kept(folder, min_colorfulness=least)) == 2  # another threshold needs no other measurement
    assert decoded == list(range(6))
    assert kept(folder, image_size=8) == [0, 2, 4]
    assert len(decoded) == 12


def test_a_picture_of_the_same_name_and_size(cache, folder, decoded):
    kept(folder)
    Image.new('RGB', (16, 16), (10, 200, 10)).save(folder / '3.bmp')
    assert kept(folder) == [0, 2, 3, 4]
    assert len(decoded) == 12


@pytest.mark.parametrize('harm', ['cut', 'flipped', 'empty', 'a folder'])
def test_what_is_damaged_is_measured_again(cache, folder, decoded, harm):
    kept(folder)
    (file,) = cache.iterdir()
    content = bytearray(file.read_bytes())
    content[40] ^= 1
    file.unlink()
    if harm == 'a folder':
        file.mkdir()
    else:
        file.write_bytes({'cut': content[:-8], 'flipped': content, 'empty': b''}[harm])
    assert kept(folder) == [0, 2, 4]
    assert len(decoded) == 12


def test_what_could_not_be_read_is_tried_again(cache, folder, decoded, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(dataset, 'warn_unreadable', lambda source, index: '')
        pixels = (folder / '2.bmp').read_bytes()
        (folder / '2.bmp').write_bytes(bytes(len(pixels)))
        assert kept(folder) == [0, 4]
        assert kept(folder) == [0, 4]
    assert decoded == [*range(6), 2]


def test_a_cache_that_can_not_be_written(tmp_path, monkeypatch, folder, decoded):
    (tmp_path / 'file').touch()
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    assert kept(folder) == [0, 2, 4]
    assert kept(folder) == [0, 2, 4]
    assert len(decoded) == 12


def test_only_the_newest_stay(cache, folder, monkeypatch):
    monkeypatch.setattr(colorfulness_cache, '_MOST_FILES', 2)
    for size in (4, 8, 12, 16):
        kept(folder, image_size=size)
    assert len(list(cache.iterdir())) == 2
