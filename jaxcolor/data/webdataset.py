"""`webdataset:PATH`: pictures in .tar files, read where they lie; an index of them is built once and kept."""

import array
import dataclasses
import logging
import tarfile
from pathlib import Path

import numpy as np
from jaxtyping import Int64
from tqdm import tqdm

from jaxcolor.data import shards, user_cache
from jaxcolor.data.fingerprint import digest
from jaxcolor.data.protocol import require_a_readable_one
from jaxcolor.errors import UserError
from jaxcolor.imaging.photos import READABLE, Limits, PhotoError

_LOG = logging.getLogger(__name__)

_MOST_FILES = 64  # of 16 bytes a picture
_VERSION = 1  # counts up when other pictures are found


@dataclasses.dataclass(frozen=True, eq=False)
class TarReader:
    """Reads pictures of .tar files; see `shards.Reader`."""

    files: tuple[Path, ...]
    starts: Int64[np.ndarray, ' files']  # where the pictures of each file begin in the two lists
    offsets: Int64[np.ndarray, ' n']  # in the file, in bytes
    sizes: Int64[np.ndarray, ' n']

    def __call__(self, file: int, row: int) -> bytes:
        """Return the bytes of the picture."""
        place = self.starts[file] + row
        offset, size = int(self.offsets[place]), int(self.sizes[place])
        if size > Limits().bytes:
            raise PhotoError(f'{size:,} bytes are more than the limit of {Limits().bytes:,}')
        try:
            with self.files[file].open('rb', buffering=0) as opened:
                opened.seek(offset)
                found = opened.read(size)
        except OSError as error:
            raise PhotoError(error.strerror or str(error)) from error
        if found is None or len(found) < size:
            raise PhotoError('the file ends before it does')
        return found

    def name(self, file: int, row: int) -> str:
        """Return the file and the picture's name in it, or the number where that can't be read."""
        path, place = self.files[file], self.starts[file] + row
        try:
            with path.open('rb') as opened:
                opened.seek(int(self.offsets[place]) - tarfile.BLOCKSIZE)
                block = opened.read(tarfile.BLOCKSIZE)
            return f'{path} {tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape").name}'
        except (OSError, tarfile.HeaderError):
            return f'{path} picture {row}'


def open_webdataset(path: str, split: str, feature: str = 'image') -> shards.Shards:
    """Open .tar files of pictures, and whatever is beside them.

    Their headers are read, which the user's cache remembers until a file has changed; and one picture.

    Args:
      path: see `shards.find`.
      split: see `shards.find`.
      feature: what follows a picture's name and the first dot, `jpg` or `seg.png`; `image` for any picture that is
        the only one of its sample, which is what has the same name before the first dot.

    Raises:
      UserError: no such files or split; no pictures, or several in a sample, or none that can be read.
    """
    source = f'webdataset:{path}'
    files = shards.find(source, path, '.tar', split)
    states = [file.stat() for file in files.paths]
    places = [(str(file.resolve()), s.st_size, s.st_mtime_ns) for file, s in zip(files.paths, states, strict=True)]
    cache = user_cache.folder('webdataset') / digest([_VERSION, feature, sorted(READABLE), *places])
    found = _load(cache, len(files.paths))
    if found is None:
        found, whole = _index(source, files, feature)
        if whole:  # or what is the matter would not be said again
            user_cache.save(cache, b''.join(part.astype('<i8').tobytes() for part in found), _MOST_FILES)
    counts, offsets, sizes = found
    reader = TarReader(files.paths, np.cumsum(counts) - counts, offsets, sizes)
    pictures = shards.cut(source, split, files, counts.tolist(), feature, reader)
    require_a_readable_one(pictures, source)
    return pictures


_Index = tuple[Int64[np.ndarray, ' files'], Int64[np.ndarray, ' n'], Int64[np.ndarray, ' n']]


def _load(cache: Path, files: int) -> _Index | None:
    """Return how many pictures are in each file, where they begin and their sizes; None where that is not known."""
    content = user_cache.load(cache)
    if content is None or len(content) % 8 or len(content) < 8 * files:
        return None
    numbers = np.frombuffer(content, '<i8').astype(np.int64)
    counts, rest = numbers[:files], numbers[files:]
    if len(rest) != 2 * counts.sum():
        return None
    return counts, rest[: len(rest) // 2], rest[len(rest) // 2 :]


def _index(source: str, files: shards.Files, feature: str) -> tuple[_Index, bool]:
    """Return what `_load` does, read anew, and whether all files are whole."""
    counts, offsets, sizes = array.array('q'), array.array('q'), array.array('q')
    extensions: set[str] = set()
    whole = True
    for path in tqdm(files.paths, 'indexing', unit='file', delay=3, disable=None, leave=False):
        before = len(offsets)
        whole &= _add(source, path, feature, offsets, sizes, extensions)
        counts.append(len(offsets) - before)
    if not offsets:
        there = ', '.join(sorted(extensions)[:20]) or 'nothing'
        remedy = 'use another data set' if feature == 'image' else 'use one of these, or image for any picture'
        raise UserError(f'data.feature={feature!r}: no such pictures in {source}; it has {there}; {remedy}')
    return (np.frombuffer(counts, np.int64), np.frombuffer(offsets, np.int64), np.frombuffer(sizes, np.int64)), whole


def _add(
    source: str,
    path: Path,
    feature: str,
    offsets: 'array.array[int]',
    sizes: 'array.array[int]',
    extensions: set[str],
) -> bool:
    """Add the pictures of a file to two lists, and all extensions to a set; return whether it is whole."""
    sample = extension = ''
    try:
        # With a compression there is no place to go to.
        with tarfile.open(path, 'r:') as tar:
            while (member := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # all would be remembered, at a kilobyte each
                folder, _, name = member.name.rpartition('/')
                stem, _, found = name.lower().partition('.')
                if not member.isreg() or member.issparse() or not stem or '__macosx' in folder.lower():
                    continue
                extensions.add(found)
                if found != feature.lower() and (feature != 'image' or f'.{found.rpartition(".")[2]}' not in READABLE):
                    continue
                if f'{folder}/{stem}' == sample:
                    raise UserError(
                        f'{source}: sample {stem!r} of {path} has several pictures, {extension} and {found}; '
                        f'choose one with data.feature={extension}'
                    )
                sample, extension = f'{folder}/{stem}', found
                offsets.append(member.offset_data)
                sizes.append(member.size)
            return _ends_well(path, tar.offset)
    except tarfile.ReadError as error:
        if not sample:
            raise UserError(f'{source}: {path} can not be read as a .tar without compression: {error}') from error
        _LOG.warning('%s is damaged: %s; what follows %s is left out', path, error, sample.lstrip('/'))
        return False
    except OSError as error:
        raise UserError(f'{source}: {path} can not be read: {error.strerror or error}') from error


def _ends_well(path: Path, offset: int) -> bool:
    """Return whether there is nothing but zeros, or nothing at all, where `tarfile` has found no more members."""
    with path.open('rb') as file:
        file.seek(offset)
        block = file.read(tarfile.BLOCKSIZE)
    if any(block):
        _LOG.warning('%s is damaged at byte %d; what follows is left out', path, offset)
        return False
    return True
