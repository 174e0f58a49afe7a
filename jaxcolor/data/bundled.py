"""`bundled`: tiles of the photographs that come inside scikit-image; needs no network."""

import dataclasses
import functools

from PIL import Image

from jaxcolor.data import splits
from jaxcolor.data.fingerprint import Fingerprint, digest
from jaxcolor.errors import UserError, missing_package

# By the alphabet, and not by what flatters: the first three are for training.
PHOTOGRAPHS = {'train': ('astronaut', 'chelsea', 'coffee'), 'test': ('rocket', 'stereo_motorcycle')}

# Sides of the square tiles and their spacing, in pixels. Test tiles of one size do not overlap each other.
_TILES = {
    'train': ((64, 16), (96, 24), (128, 32), (192, 32)),
    'test': ((384, 384), (192, 192), (128, 128)),
}


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
        return photograph(record.photograph).crop(box)

    def name(self, index: int) -> str:
        """Photograph, corner and side."""
        tile = self.tiles[index]
        return f'bundled {tile.photograph} ({tile.left}, {tile.top}) {tile.side} px'

    def fingerprint(self) -> Fingerprint:
        """By the places of the tiles, for the photographs stay as they are."""
        found = digest(self.tiles)
        return Fingerprint(len(self.tiles), found, found)


def open_bundled(split: str) -> Bundled:
    """Open the tiles of a split: whole photographs are for training, whole others for tests.

    So a test shows scenes that have not been seen.

    Raises:
      UserError: a split that is neither; scikit-image is not installed.
    """
    name, start, stop = splits.parse(split)
    if name not in PHOTOGRAPHS:
        raise splits.unknown(split, 'bundled', tuple(PHOTOGRAPHS))
    tiles = [tile for side, stride in _TILES[name] for p in PHOTOGRAPHS[name] for tile in _tiles(p, side, stride)]
    chosen = splits.cut(tiles, [repr(tile) for tile in tiles], start, stop)
    if not chosen:
        raise UserError(f'bundled: split {split!r} is empty; {name} holds {len(tiles)} tiles')
    return Bundled(tuple(chosen))


def _tiles(name: str, side: int, stride: int) -> list[Tile]:
    width, height = photograph(name).size
    return [
        Tile(name, x, y, side) for y in range(0, height - side + 1, stride) for x in range(0, width - side + 1, stride)
    ]


@functools.cache
def photograph(name: str) -> Image.Image:
    """Return one of scikit-image's photographs, in its own mode; of a stereo pair, the left one.

    Raises:
      UserError: scikit-image is not installed.
    """
    try:
        from skimage import data
    except ModuleNotFoundError as error:
        raise missing_package(error, 'source bundled', 'train') from error
    pixels = getattr(data, name)()
    return Image.fromarray(pixels[0] if isinstance(pixels, tuple) else pixels)
