"""Files that hold many pictures each: which there are, which are of a split, and random access to all of them."""

import dataclasses
import glob
import itertools
import logging
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64
from PIL import Image

from jaxcolor.data import splits
from jaxcolor.data.fingerprint import Fingerprint, digest
from jaxcolor.data.folder import SPLITS
from jaxcolor.errors import UserError
from jaxcolor.imaging.photos import read_rgb

_LOG = logging.getLogger(__name__)

_BRACES = re.compile(r'\{([^{}]*)\}')
_MOST_NAMES = 100_000  # that a pattern may stand for


@runtime_checkable
class Reader(Protocol):
    """Reads files of many pictures. It can be pickled, and called by several threads."""

    def __call__(self, file: int, row: int) -> bytes:
        """Return the encoded picture `row` of a file; PhotoError where there is none."""

    def name(self, file: int, row: int) -> str:
        """Return what to call that picture in a message."""


@dataclasses.dataclass(frozen=True, eq=False)
class Shards:
    """Pictures in files of many; a record is the bytes of one. See `sources.Source`. 8 bytes of memory a picture."""

    files: tuple[Path, ...]
    names: tuple[str, ...]  # of the files, the same wherever the data set lies
    ends: Int64[np.ndarray, ' files']  # how many rows there are up to the end of each file
    places: Int64[np.ndarray, ' n']  # of the pictures among the rows of all files
    feature: str  # what of a row is the picture
    read: Reader

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> bytes:
        return self.read(*self._row(index))

    def _row(self, index: int) -> tuple[int, int]:
        place = self.places[index]
        file = int(np.searchsorted(self.ends, place, 'right'))
        return file, int(place - (self.ends[file - 1] if file else 0))

    def decode(self, record: bytes, at_least: int) -> Image.Image:
        """See `photos.read_rgb`."""
        return read_rgb(record, at_least)

    def name(self, index: int) -> str:
        """Return the file, and what is known of the place in it."""
        return self.read.name(*self._row(index))

    def fingerprint(self) -> Fingerprint:
        """By the files' names, sizes and numbers of rows, and which of these; `dated` by times."""
        parts: list[object] = [self.feature, digest([self.places.tobytes()])]
        times = []
        for path, name, end in zip(self.files, self.names, self.ends.tolist(), strict=True):
            found = path.stat()
            parts.append((name, found.st_size, end))
            times.append(found.st_mtime_ns)
        return Fingerprint(len(self), digest(parts), digest([*parts, *times]))


def cut(source: str, split: str, files: 'Files', counts: Sequence[int], feature: str, read: Reader) -> Shards:
    """Return the part of the rows of `files` that `split` says; see `splits.cut`.

    Args:
      source: for messages.
      split: see `splits.parse`.
      files: of the split's name.
      counts: how many rows each has.
      feature: what of a row is the picture.
      read: reads them.

    Raises:
      UserError: none is left.
    """
    name, start, stop = splits.parse(split)
    keys = (f'{file}/{row}' for file, count in zip(files.names, counts, strict=True) for row in range(count))
    total = sum(counts)
    places = splits.places(keys, total, start, stop)
    if not len(places):
        raise UserError(f'{source}: split {split!r} is empty; {name} holds {total} pictures')
    return Shards(files.paths, files.names, np.cumsum(counts, dtype=np.int64), places, feature, read)


@dataclasses.dataclass(frozen=True)
class Files:
    """Files of a split, in the order of their names, which are relative to what they have in common."""

    paths: tuple[Path, ...]
    names: tuple[str, ...]


def find(source: str, path: str, suffix: str, split: str) -> Files:
    """Find the files of a split: those that have its name in theirs, or in a folder's.

    `train-00000-of-00010.parquet`, `cifar10-train.arrow` and `train/000.tar` are of the split `train`. Where no file
    names a split, all are `train`.

    Args:
      source: for messages.
      path: a file; a folder, of which it is all files below; or a pattern, `shards/{000..010}.tar`, `shards/*.tar`.
      suffix: of the files, `.tar`.
      split: see `splits.parse`.

    Raises:
      UserError: there are no such files; no such split; a pattern that is not understood.
    """
    root, found = _find(source, Path(path).expanduser(), suffix)
    name = splits.parse(split)[0]
    names = [file.relative_to(root).as_posix() for file in found]
    of = [_split_of(each, (*SPLITS, name)) for each in names]
    there = sorted({known for known in of if known})
    if name not in (there or ['train']):
        remedy = 'Name files so, or divide what is there: train[:80%] and train[80%:]'
        raise splits.unknown(split, source, there or ['train'], remedy)
    if there and None in of:
        other = [each for each, known in zip(names, of, strict=True) if known is None]
        _LOG.warning('%s: only %s are splits; left out: %s', source, ', '.join(there), ', '.join(other[:5]))
    chosen = [each for each, known in zip(names, of, strict=True) if not there or known == name]
    return Files(tuple(root / each for each in chosen), tuple(chosen))


def _find(source: str, path: Path, suffix: str) -> tuple[Path, list[Path]]:
    """Return the files in order, and the folder that they have in common."""
    if path.is_dir():
        below = (file for file in path.rglob(f'*{suffix}') if file.is_file())
        found = sorted(file for file in below if not any(part[0] == '.' for part in file.relative_to(path).parts))
        if not found:
            raise UserError(f'{source}: no {suffix} files in {path.absolute()} or its sub-folders')
        return path, found
    if path.is_file():
        found = [path]
    else:
        names = list(itertools.islice(_expand(source, str(path)), _MOST_NAMES + 1))
        if len(names) > _MOST_NAMES:
            raise UserError(f'{source} stands for more than {_MOST_NAMES:,} files; use a folder')
        if len(names) == 1 and not glob.has_magic(names[0]):
            raise UserError(f'{source}: there is no such file or folder ({path.absolute()})')
        found = []
        for name in names:
            matches = sorted(glob.glob(name, recursive=True)) if glob.has_magic(name) else [name]  # noqa: PTH207
            missing = [match for match in matches if not os.path.isfile(match)]  # noqa: PTH113
            if missing or not matches:
                raise UserError(f'{source}: there is no such file: {(missing or [name])[0]}')
            found += map(Path, matches)
    wrong = [file for file in found if file.suffix.lower() != suffix]
    if wrong:
        raise UserError(f'{source}: {wrong[0]} is no {suffix} file; use one, or the kind of data.source that it is')
    found = sorted(set(found))
    return Path(os.path.commonpath([file.parent for file in found])), found


def _expand(source: str, pattern: str) -> Iterator[str]:
    """Yield the names that braces stand for: `{000..010}` numbers, `{a,b}` words."""
    match = _BRACES.search(pattern)
    if match is None:
        yield pattern
        return
    numbers = re.fullmatch(r'(\d+)\.\.(\d+)', match[1])
    words: Iterator[str] | list[str] = match[1].split(',')
    if numbers:
        first, last = numbers.groups()
        words = (f'{number:0{len(first)}}' for number in range(int(first), int(last) + 1))
        if int(first) > int(last):
            raise UserError(f'{source}: {match[0]} runs backwards; write the lower number first')
    for word in words:
        yield from _expand(source, pattern[: match.start()] + word + pattern[match.end() :])


def _split_of(name: str, known: Sequence[str]) -> str | None:
    *folders, file = name.split('/')
    words = [*folders, *re.split(r'[-_.]', file)]
    return next((word for word in words if word in known), None)
