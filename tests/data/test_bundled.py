import collections
import itertools
import pickle

import numpy as np
import pytest
import skimage.data

from jaxcolor.data import bundled
from jaxcolor.errors import UserError


def test_no_scene_is_in_both():
    train, test = ({tile.photograph for tile in bundled.open_bundled(split).tiles} for split in ('train', 'test'))
    assert not train & test
    assert (train, test) == tuple(set(bundled.PHOTOGRAPHS[split]) for split in ('train', 'test'))


@pytest.mark.parametrize('split', ['train', 'test'])
def test_tiles_lie_inside_their_photographs(split):
    for tile in bundled.open_bundled(split).tiles:
        width, height = bundled.photograph(tile.photograph).size
        assert 0 <= tile.left <= width - tile.side
        assert 0 <= tile.top <= height - tile.side


def test_test_tiles_of_one_size_share_no_pixel():
    tiles = bundled.open_bundled('test').tiles
    for a, b in itertools.combinations(tiles, 2):
        if (a.photograph, a.side) == (b.photograph, b.side):
            assert max(abs(a.left - b.left), abs(a.top - b.top)) >= a.side


def test_there_are_enough_of_each():
    train, test = bundled.open_bundled('train'), bundled.open_bundled('test')
    assert len(train) > 2000
    assert len(test) >= 40
    assert {tile.photograph for tile in test.tiles[::4]} == set(bundled.PHOTOGRAPHS['test'])  # a run's samples
    counts = collections.Counter(tile.photograph for tile in test.tiles)
    assert min(counts.values()) >= 10


def test_tiles_are_those_pixels():
    source = pickle.loads(pickle.dumps(bundled.open_bundled('test')))
    place = next(i for i, tile in enumerate(source.tiles) if tile.photograph == 'rocket')
    tile = source[place]
    expected = skimage.data.rocket()[tile.top : tile.top + tile.side, tile.left : tile.left + tile.side]
    np.testing.assert_array_equal(np.asarray(source.decode(tile, 64)), expected)
    assert 'rocket' in source.name(place)


def test_splits():
    whole = bundled.open_bundled('train').tiles
    parts = [bundled.open_bundled(split).tiles for split in ('train[:10%]', 'train[10%:]')]
    assert sorted(map(repr, parts[0] + parts[1])) == sorted(map(repr, whole))
    with pytest.raises(UserError, match="bundled has no split 'validation'; it has test, train"):
        bundled.open_bundled('validation')
