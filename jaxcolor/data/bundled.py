"""`bundled`: tiles of the photographs that come inside scikit-image; needs no network."""

import dataclasses
import functools
import itertools

from PIL import Image

from jaxcolor.data import splits
from jaxcolor.errors import UserError, missing_package

PHOTOGRAPHS = ('astronaut', 'chelsea', 'coffee', 'rocket', 'stereo_motorcycle')

# Sides of the square tiles and their spacing, in pixels. Test tiles of one size do not overlap each other.
_TRAIN_TILES = ((64, 16), (96, 24), (128, 32), (192, 32))
_TEST_TILES = ((128, 128), (64, 64))


@dataclasses.dataclass(frozen=True)
class Tile:
    """A square window in one of the photographs, in pixels."""

    photograph: str
    left: int
    top: int
    side: int


@dataclasses.dataclass(frozen=True)
class Bundled:
    """Tiles of photographs; a record is the place of one. See `sources.Source`."""

    tiles: tuple[Tile, ...]

    def __len__(self) -> int:
        return len(self.tiles)

    def __getitem__(self, index: int) -> Tile:
        return self.tiles[index]

    def decode(self, record: Tile, at_least: int) -> Image.Image:
        """Cuts the tile out, at its own size."""
        box = (record.left, record.top, record.left + record.side, record.top + record.side)
        return _photograph(record.photograph).crop(box)

    def name(self, index: int) -> str:
        """Photograph, corner and side."""
        tile = self.tiles[index]
        return f'bundled {tile.photograph} ({tile.left}, {tile.top}) {tile.side} px'


def open_bundled(split: str) -> Bundled:
    """Opens the tiles of a split: `train` is the left two thirds of every photograph, `test` the right one.

    No pixel is in both. Neighbours in the list come from different photographs.

    Raises:
      UserError: a split that is neither; scikit-image is not installed.
    """
    name, start, stop = splits.parse(split)
    if name not in ('train', 'test'):
        raise splits.unknown(split, 'bundled', ('train', 'test'))
    sizes = _TRAIN_TILES if name == 'train' else _TEST_TILES
    tiles = [
        tile
        for side, stride in sizes
        for row in itertools.zip_longest(*(_tiles(p, name, side, stride) for p in PHOTOGRAPHS))
        for tile in row
        if tile is not None
    ]
    chosen = splits.cut(tiles, [repr(tile) for tile in tiles], start, stop)
    if not chosen:
        raise UserError(f'bundled: split {split!r} is empty; {name} holds {len(tiles)} tiles')
    return Bundled(tuple(chosen))


def _tiles(photograph: str, split: str, side: int, stride: int) -> list[Tile]:
    width, height = _photograph(photograph).size
    # A multiple of 16, for one of them is a JPEG, whose colour is shared by blocks of 16 pixels.
    border = width * 2 // 3 // 16 * 16
    left, right = (0, border) if split == 'train' else (border, width)
    return [
        Tile(photograph, x, y, side)
        for y in range(0, height - side + 1, stride)
        for x in range(left, right - side + 1, stride)
    ]


@functools.cache
def _photograph(name: str) -> Image.Image:
    try:
        from skimage import data
    except ModuleNotFoundError as error:
        raise missing_package(error, 'source bundled', 'train') from error
    pixels = getattr(data, name)()
    return Image.fromarray(pixels[0] if isinstance(pixels, tuple) else pixels)
