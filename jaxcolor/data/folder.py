"""`folder:PATH`: the pictures of a folder and its sub-folders."""

import dataclasses
import logging
from pathlib import Path

from PIL import Image

from jaxcolor.data import splits
from jaxcolor.data.fingerprint import Fingerprint, digest
from jaxcolor.data.protocol import require_a_readable_one
from jaxcolor.errors import UserError
from jaxcolor.imaging.photos import READABLE, PhotoError, read_rgb
from jaxcolor.imaging.walk import pictures_below

_LOG = logging.getLogger(__name__)

SPLITS = ('train', 'validation', 'val', 'test')


@dataclasses.dataclass(frozen=True)
class Folder:
    """Pictures in files; a record is the bytes of one of them. See `sources.Source`."""

    root: Path
    names: tuple[str, ...]  # relative to the root, '/' between the parts, sorted

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> bytes:
        try:
            return (self.root / self.names[index]).read_bytes()
        except OSError as error:
            raise PhotoError(error.strerror or str(error)) from error

    def decode(self, record: bytes, at_least: int) -> Image.Image:
        """See `photos.read_rgb`."""
        return read_rgb(record, at_least)

    def name(self, index: int) -> str:
        """Return the path of the file."""
        return str(self.root / self.names[index])

    def fingerprint(self) -> Fingerprint:
        """By names and sizes, and `dated` by times: 8,500 files take a tenth of a second."""
        sizes: list[tuple[str, int | None]] = []
        times: list[int] = []
        for name in self.names:
            try:
                found = (self.root / name).stat()
            except OSError:  # it is gone, or was never more than a link
                sizes.append((name, None))
                continue
            sizes.append((name, found.st_size))
            times.append(found.st_mtime_ns)
        return Fingerprint(len(self.names), digest(sizes), digest([*sizes, *times]))


def open_folder(path: str, split: str) -> Folder:
    """Open a folder of pictures.

    Sub-folders `train/`, `validation/` (or `val/`), `test/` are the splits where they exist; otherwise the
    whole folder is the split `train`. Either can be divided further: `train[:80%]` and `train[80%:]`.
    Only names are read here (and one picture, to know that it can be): 8,500 take a tenth of a second.

    Args:
      path: the folder; `~` is expanded.
      split: see `splits.parse`.

    Raises:
      UserError: no such folder; no such split; no pictures, or none that can be read.
    """
    source, root = f'folder:{path}', Path(path).expanduser()
    if root.is_file():
        kind = {'.tar': 'webdataset', '.parquet': 'parquet', '.arrow': 'arrow'}.get(root.suffix.lower())
        raise UserError(f'{source} is a file; use {f"{kind}:{path}" if kind else "the folder that it is in"}')
    if not root.is_dir():
        raise UserError(f'{source}: there is no such folder ({root.absolute()})')
    name, start, stop = splits.parse(split)
    there = [s for s in SPLITS if (root / s).is_dir()]
    if there:
        if name not in there:
            raise splits.unknown(split, source, there)
        _warn_of_others(root, there)
        root = root / name
    elif name != 'train':
        remedy = f'Make a sub-folder {name}/, or divide what is there: train[:80%] and train[80%:]'
        raise splits.unknown(split, source, ['train'], remedy)
    names = sorted(path.relative_to(root).as_posix() for path in pictures_below(root))
    if not names:
        known = ', '.join(sorted(READABLE))
        raise UserError(f'{source}: no pictures in {root.absolute()} or its sub-folders; known suffixes: {known}')
    chosen = splits.cut(names, names, start, stop)
    if not chosen:
        raise UserError(f'{source}: split {split!r} is empty; {name} holds {len(names)} pictures')
    folder = Folder(root, tuple(chosen))
    require_a_readable_one(folder, source)
    return folder


def _warn_of_others(root: Path, there: list[str]) -> None:
    others = sorted(p.name for p in root.iterdir() if p.is_dir() and p.name not in there and p.name[0] != '.')
    if others:
        _LOG.warning('%s: only %s/ are splits; left out: %s', root, '/, '.join(there), ', '.join(others))
