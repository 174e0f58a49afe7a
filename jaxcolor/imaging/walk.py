"""The pictures of a folder, by their names alone: nothing is opened."""

import logging
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from jaxcolor.imaging.photos import READABLE

_LOG = logging.getLogger(__name__)

FILMS = {
    *('.mp4', '.m4v', '.mov', '.mkv', '.webm', '.avi', '.mpg', '.mpeg', '.ts', '.m2ts', '.mts', '.vob', '.wmv', '.asf'),
    *('.flv', '.ogv', '.3gp', '.mxf', '.dv', '.nut'),
}

# Other pictures that people have; they are named where a folder has some.
_NOT_READ = {
    *('.jxr', '.psd', '.ico'),
    *('.dng', '.nef', '.cr2', '.cr3', '.crw', '.arw', '.orf', '.rw2', '.raf', '.pef', '.srw', '.svg', '.exr', '.hdr'),
}


def is_picture(path: Path) -> bool:
    """Return whether `path` is called as a picture that can be read, and is a file or may have been one."""
    if path.suffix.lower() not in READABLE:
        return False
    try:
        return path.is_file() or not path.exists()  # of a link to nothing, reading it says so
    except OSError:
        return True


def is_film(path: Path) -> bool:
    """Return whether `path` is called as a film that can be read, and is a file."""
    return path.suffix.lower() in FILMS and path.is_file()


def _warn(error: OSError) -> None:
    _LOG.warning('%s is left out: %s', error.filename, error.strerror)


def pictures_below(
    root: Path,
    *,
    avoid: Collection[Path] = (),
    avoid_name: str = '',
    on_error: Callable[[OSError], None] = _warn,
) -> Iterator[Path]:
    """Yield the pictures of a folder and its sub-folders, names in order, the files of a folder before its sub-folders.

    Hidden files and folders are left out, and what macOS adds (`._name.jpg`, `__MACOSX`). Links are followed, once.
    Pictures of formats that are not read, and films, are counted in warnings at the end.

    Args:
      root: the folder.
      avoid: folders that are not entered.
      avoid_name: folders of this name are not entered either.
      on_error: what is done about a folder that can not be entered; a warning if left out.
    """
    seen = {folder.resolve() for folder in avoid}
    left_out: Counter[str] = Counter()
    films: Counter[str] = Counter()
    for folder, subfolders, files in os.walk(root, followlinks=True, onerror=on_error):
        seen.add(Path(folder).resolve())  # a link may lead in a circle
        subfolders[:] = sorted(
            name
            for name in subfolders
            if name[0] != '.' and name not in ('__MACOSX', avoid_name) and Path(folder, name).resolve() not in seen
        )
        files = sorted(name for name in files if name[0] != '.')
        yield from (Path(folder, name) for name in files if is_picture(Path(folder, name)))
        suffixes = [Path(name).suffix.lower() for name in files]
        left_out.update(suffix for suffix in suffixes if suffix in _NOT_READ)
        films.update(suffix for suffix in suffixes if suffix in FILMS)
    for reason, counted in (('of formats that are not read', left_out), ('films, which are to be named', films)):
        if counted:
            counts = ', '.join(f'{count} {suffix}' for suffix, count in sorted(counted.items()))
            _LOG.warning('%s: left out, %s: %s', root, reason, counts)
