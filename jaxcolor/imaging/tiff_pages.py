"""The directories of a TIFF, read before Pillow decodes it: which of them is the picture, and of what kind it is.

Pillow takes the first directory, whatever it is, and 16 bits in separate planes for interleaved ones.
"""

import io
import struct
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from jaxcolor.imaging import tiff_other
from jaxcolor.imaging.errors import PhotoError, UnsupportedFormatError

_MOST_NUMBERS = 1 << 20  # in one tag; 250 megapixels in tiles of 16 x 16 take as many
_MOST_PAGES = 4096
_MOST_ENTRIES = 1 << 12
_READ = 64  # numbers that are read of a tag, at most
_NUMBERS = {1: 'B', 3: 'H', 4: 'L', 13: 'L', 16: 'Q', 18: 'Q'}  # type -> struct's letter
_NUMBERLESS = (1, 2, 6, 7)  # types that Pillow leaves as bytes

# TIFF 6.0, section 8 and after; TIFF/EP and DNG for raw photographs.
_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_CHANNELS, _PLANES, _PREDICTOR, _SUB_DIRECTORIES, _FORMAT = 277, 284, 317, 330, 339
_TILE_WIDTH, _TILES, _SUBSAMPLING = 322, 324, 530
_WANTED = (
    *(_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC),
    *(_CHANNELS, _PLANES, _PREDICTOR, _SUB_DIRECTORIES, _FORMAT, _TILE_WIDTH, _TILES, _SUBSAMPLING),
)
_SIGNED, _FLOATS = 2, 3  # sample formats
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType
_RAW = (32803, 34892)  # photometric: as the sensor saw it
_DECODED = (1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32946, 34925, 50000)  # compressions that Pillow's wheels have
_DECODED_BY_OTHERS = (  # by imagecodecs
    *(1, 5, 7, 8, 32773, 32946, 34925, 50000),
    *(22610, 33003, 33005, 34712, 34887, 34926, 34927, 34934, 50001, 50002, 52546),
)
_COMPRESSIONS = {
    22610: 'JPEG XR',
    32766: 'NeXT',
    32809: 'ThunderScan',
    33003: 'JPEG 2000',
    33005: 'JPEG 2000',
    34676: 'LogLuv',
    34677: 'LogLuv',
    34712: 'JPEG 2000',
    34887: 'LERC',
    34892: 'lossy JPEG',
    34926: 'Zstandard',
    34927: 'WebP',
    34934: 'JPEG XR',
    50001: 'WebP',
    50002: 'JPEG XL',
    52546: 'JPEG XL',
}
_COLORS = {0: 'grey', 1: 'grey', 2: 'RGB', 3: 'palette', 5: 'CMYK', 6: 'YCbCr', 8: 'Lab', 9: 'Lab', 10: 'Lab'}


class Page(NamedTuple):
    """A directory: where it is, and those of its tags that say what it is a picture of."""

    offset: int
    tags: dict[int, tuple[int, ...]]

    def number(self, tag: int, default: int) -> int:
        """Return the first number of a tag."""
        return (self.tags.get(tag) or (default,))[0]

    @property
    def whole(self) -> bool:
        """Whether it is a picture itself, rather than a smaller copy or a mask of another."""
        return not self.number(_SUBFILE, 0) & (_REDUCED | _MASK)

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.number(_WIDTH, 0) * self.number(_HEIGHT, 0)

    @property
    def is_read(self) -> bool:
        """Whether Pillow reads this kind, and reads it right."""
        bits = self.number(_BITS, 1)
        return (
            self.number(_COMPRESSION, 1) in _DECODED
            and not (self.number(_FORMAT, 1) == _SIGNED and bits == 8)  # with more it is seen whether any is below 0
            and not (self.number(_PLANES, 1) == 2 and bits > 8)
            and not (self.number(_PREDICTOR, 1) != 1 and bits == 12)
            and not self._is_subsampled
            and not self._has_tiles_as_strips
        )

    @property
    def _is_subsampled(self) -> bool:
        """Whether chroma is stored for several pixels together, by the file itself and not by JPEG or libtiff."""
        factors = self.tags.get(_SUBSAMPLING, (1, 1))
        return self.number(_PHOTOMETRIC, 1) == 6 and self.number(_COMPRESSION, 1) == 1 and max(factors) > 1

    @property
    def _has_tiles_as_strips(self) -> bool:
        """Whether it has tiles and the places of strips, as some old programs wrote it."""
        return _TILE_WIDTH in self.tags and _TILES not in self.tags

    def kind(self) -> str:
        """Return what kind of picture it is, for people: `16 bits, RGB, separate planes`."""
        compression = self.number(_COMPRESSION, 1)
        parts = [
            f'{self.number(_BITS, 1)} bits',
            {_SIGNED: 'signed', _FLOATS: 'floating point'}.get(self.number(_FORMAT, 1), ''),
            _COLORS.get(self.number(_PHOTOMETRIC, 1), ''),
            f'{self.number(_CHANNELS, 1)} channels',
            'separate planes' if self.number(_PLANES, 1) == 2 else '',
            'subsampled' if self._is_subsampled else '',
            'tiles as strips' if self._has_tiles_as_strips else '',
            '' if compression in _DECODED else f'compression {_COMPRESSIONS.get(compression, compression)}',
        ]
        return ', '.join(filter(None, parts))

    @property
    def is_read_by_others(self) -> bool:
        """Whether tifffile and imagecodecs read this kind."""
        return self.number(_COMPRESSION, 1) in _DECODED_BY_OTHERS and tiff_other.is_decoded(
            self.number(_PHOTOMETRIC, 1), self.number(_BITS, 1), self.number(_FORMAT, 1), self.number(_CHANNELS, 1)
        )

    def unsupported(self, remedy: str = 'save it as a plain TIFF of 8 bits, or as PNG') -> UnsupportedFormatError:
        """Return an error for a kind that is not read."""
        return UnsupportedFormatError(f'this kind of TIFF ({self.kind()}) is not supported; {remedy}')


def find_pictures(file: io.BufferedReader, head: bytes) -> list[Page]:
    """Return the directories of a TIFF's pictures, one or more.

    They are those that are no smaller copies of others; where all in the chain are such, as in the files of cameras, it
    is the largest of those below them.

    Args:
      file: the whole of it.
      head: its first 64 bytes.

    Raises:
      PhotoError: damaged, or made to keep a machine busy.
    """
    reader = _Reader(file, head)
    chain = list(reader.chain())
    if not chain:
        raise PhotoError('damaged: it has no directory')
    whole = [page for page in chain if page.whole]
    if whole:
        return whole
    below = [page for page in reader.below(chain) if page.whole]
    return [max(below or chain, key=lambda page: page.pixels)]


def check(page: Page) -> None:
    """Check that a page is a picture that has been developed.

    Raises:
      UnsupportedFormatError: it is a raw photograph.
    """
    if page.number(_PHOTOMETRIC, 1) in _RAW:
        raise UnsupportedFormatError('a raw photograph; develop it in a raw converter, and save it as TIFF or JPEG')


def of_tags(tags: Mapping[int, Any]) -> Page:
    """Return the page that another reader has the tags of."""
    found = {tag: tags[tag] for tag in _WANTED if tag in tags}
    return Page(0, {tag: value if isinstance(value, tuple) else (value,) for tag, value in found.items()})


class _Layout(NamedTuple):
    """How numbers are stored: TIFF 6.0 section 2, or BigTIFF."""

    endian: str
    first: int  # where the first directory's offset is
    offset_letter: str  # struct's
    count_letter: str
    entry_letters: str

    @classmethod
    def of(cls, head: bytes) -> '_Layout':
        endian = '<' if head.startswith(b'II') else '>'
        big = b'+' in head[2:4]
        return cls(endian, 8, 'Q', 'Q', 'HHQ') if big else cls(endian, 4, 'L', 'H', 'HHL')


class _Reader:
    """Reads directories, each once."""

    def __init__(self, file: io.BufferedReader, head: bytes):
        self._file, self._layout = file, _Layout.of(head)
        (self._first,) = struct.unpack_from(self._layout.endian + self._layout.offset_letter, head, self._layout.first)
        self._seen: set[int] = set()

    def chain(self) -> Iterator[Page]:
        """Yield the directories that follow each other; a broken one after the first ends them, as in other readers."""
        offset = self._first
        while offset and offset not in self._seen:
            try:
                page, offset = self._read(offset)
            except (struct.error, OverflowError, ValueError):
                if not self._seen:
                    raise PhotoError('damaged: its directory is cut short') from None
                return
            yield page

    def below(self, pages: list[Page]) -> Iterator[Page]:
        """Yield the directories that the tag SubIFDs of `pages` names."""
        for offset in (offset for page in pages for offset in page.tags.get(_SUB_DIRECTORIES, ())):
            if offset not in self._seen:
                try:
                    yield self._read(offset)[0]
                except (struct.error, OverflowError, ValueError):
                    continue

    def _read(self, offset: int) -> tuple[Page, int]:
        """Return a directory, and where the next one is: 0 if there is none."""
        _, _, offset_letter, count_letter, entry_letters = self._layout
        unpack = self._unpack
        (entries,) = unpack(offset, count_letter)
        if entries > _MOST_ENTRIES or len(self._seen) >= _MOST_PAGES:
            raise PhotoError('it has more directories, or longer ones, than a picture needs')
        self._seen.add(offset)
        start, length = (
            offset + struct.calcsize('<' + count_letter),
            struct.calcsize('<' + entry_letters + offset_letter),
        )
        tags = {}
        for place in range(start, start + entries * length, length):
            tag, kind, numbers = unpack(place, entry_letters)
            if kind not in _NUMBERLESS and numbers > _MOST_NUMBERS:
                raise PhotoError(f'TIFF tag {tag} claims {numbers:,} numbers')
            if tag in _WANTED and kind in _NUMBERS:
                tags[tag] = self._values(place + struct.calcsize('<' + entry_letters), _NUMBERS[kind], numbers)
        try:
            (following,) = unpack(start + entries * length, offset_letter)
        except struct.error:
            following = 0
        return Page(offset, tags), following

    def _values(self, place: int, letter: str, numbers: int) -> tuple[int, ...]:
        """Return up to `_READ` numbers of a tag: beside it where they fit, else where it says."""
        offset_letter = self._layout.offset_letter
        if numbers * struct.calcsize('<' + letter) > struct.calcsize('<' + offset_letter):
            (place,) = self._unpack(place, offset_letter)
        return self._unpack(place, f'{min(numbers, _READ)}{letter}')

    def _unpack(self, place: int, letters: str) -> tuple[int, ...]:
        layout = self._layout.endian + letters
        self._file.seek(place)
        return struct.unpack(layout, self._file.read(struct.calcsize(layout)))
