import collections
import pickle

import numpy as np
import pytest
import skimage.data

from jaxcolor.data import bundled
from jaxcolor.errors import UserError


def test_training_and_test_tiles_share_no_pixel():
    train, test = (bundled.open_bundled(split).tiles for split in ('train', 'test'))
    for photograph in bundled.PHOTOGRAPHS:
        seen = np.zeros((2000, 2000), int)
        for tile in train:
            if tile.photograph == photograph:
                seen[tile.top : tile.top + tile.side, tile.left : tile.left + tile.side] = 1
        assert seen.any()
        tested = [tile for tile in test if tile.photograph == photograph]
        assert tested
        for tile in tested:
            window = seen[tile.top : tile.top + tile.side, tile.left : tile.left + tile.side]
            assert window.shape == (tile.side, tile.side)
            assert not window.any()


def test_there_are_enough_of_each():
    train, test = bundled.open_bundled('train'), bundled.open_bundled('test')
    assert len(train) > 2000
    assert len(test) >= 40
    assert len({tile.photograph for tile in test.tiles[:5]}) == 5  # the first few show some of each
    counts = collections.Counter(tile.photograph for tile in test.tiles)
    assert min(counts.values()) >= 10


def test_tiles_are_those_pixels():
    source = pickle.loads(pickle.dumps(bundled.open_bundled('test')))
    place = next(i for i, tile in enumerate(source.tiles) if tile.photograph == 'coffee')
    tile = source[place]
    expected = skimage.data.coffee()[tile.top : tile.top + tile.side, tile.left : tile.left + tile.side]
    np.testing.assert_array_equal(np.asarray(source.decode(tile, 64)), expected)
    assert 'coffee' in source.name(place)


def test_splits():
    whole = bundled.open_bundled('train').tiles
    parts = [bundled.open_bundled(split).tiles for split in ('train[:10%]', 'train[10%:]')]
    assert sorted(map(repr, parts[0] + parts[1])) == sorted(map(repr, whole))
    with pytest.raises(UserError, match="bundled has no split 'validation'; it has test, train"):
        bundled.open_bundled('validation')
