"""Which pictures a command line names, and what files each one becomes."""

import dataclasses
import difflib
import fnmatch
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from jaxcolor.errors import UserError
from jaxcolor.imaging.photos import READABLE, WRITABLE
from jaxcolor.imaging.walk import is_film, is_picture, pictures_below
from jaxcolor.inference.hints import Hint

OUTPUT = 'colorized'  # a folder of results; what is in it is no input unless named
# What `--format` may be, and the suffix of its files; `same` as the input is besides.
SUFFIXES = {'png': '.png', 'jpeg': '.jpg', 'webp': '.webp', 'tiff': '.tif'}


@dataclasses.dataclass(frozen=True)
class Job:
    """A picture to colour."""

    name: str  # of the file, below the folder that was named
    source: Path
    outputs: tuple[Path, ...]  # the picture, or its samples
    comparison: Path | None  # before and after side by side
    contact_sheet: Path | None = None  # of the variants
    hints: tuple[Hint, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """All that will be written."""
        return (*self.outputs, *(path for path in (self.comparison, self.contact_sheet) if path is not None))


class Found(NamedTuple):
    """What a command line names."""

    files: dict[Path, Path]  # each picture, in order: its path below the folder, or the fixed part, that named it
    refused: list[str]  # folders that can not be entered, and why


def default_output(path: str) -> Path:
    """Return where results go if nobody says it: `colorized` in the folder that is named, or in that of the file."""
    named = Path(path)
    if named.is_dir():
        return named / OUTPUT
    fixed = None if named.exists() else _fixed_part(named)
    return (named.parent if fixed is None else fixed) / OUTPUT


def one_file(output: Path) -> bool:
    """Return whether results go to a file of this name, and to no folder: `x.jpg`, if there is no such folder."""
    return output.suffix.lower() in READABLE and not output.is_dir()


def find(paths: Sequence[str], output: Path) -> Found:
    """Find the pictures that a command line names; nothing is opened.

    A file that is named is taken whatever its suffix. Of folders, all the way down, and of patterns (`*`, `**`, `?`,
    `[…]`) it is what has the suffix of a picture, or for patterns of a film, and is neither hidden nor in `output` or a
    folder `colorized`, where an earlier run may have written. A file that is found twice counts once, as found first.

    Raises:
      UserError: a path that is not there, or has no pictures; an output folder that would fill up with its input.
    """
    found = Found({}, [])
    known: set[Path] = set()

    def refused(error: OSError) -> None:
        found.refused.append(f'{error.filename}: {error.strerror}')

    for name in paths:
        before = len(found.refused)
        try:
            files = list(_named(Path(name), output, refused))
        except (OSError, ValueError) as error:  # no permission, a name too long, a pattern that makes no sense
            raise UserError(f'{name}: {getattr(error, "strerror", None) or error}') from error
        if not files and before < len(found.refused):
            raise UserError('; '.join(found.refused[before:]))
        if not files:
            raise UserError(f'{name}: there are no pictures; known suffixes: {", ".join(sorted(READABLE))}')
        for file, relative in files:
            real = file.resolve()
            if real not in known:
                known.add(real)
                found.files[file] = relative
    return found


def plan(
    found: dict[Path, Path],
    output: Path,
    form: str,
    *,
    samples: int | None,
    compare: bool,
    variants: Sequence[str] = (),
    hints: Mapping[str, tuple[Hint, ...]] | None = None,
) -> list[Job]:
    """Says what files in `output` each picture becomes.

    Args:
      found: see `find`.
      output: the folder, in which the sub-folders of the pictures are kept, or the file of one picture (`one_file`).
      form: one of `SUFFIXES`, or `same`: that of the input (or of `output`) where it can be written, else PNG.
      samples: how many of each; None for one, that has the name of its input.
      compare: whether before and after are written side by side as well.
      variants: the names of those that are written in place of one, and beside them a contact sheet.
      hints: of pictures, by their names as in `Job`, or without the folders.

    Raises:
      UserError: two files would be the same, or one would be an input; `output` is a file for several pictures, or of
        another format; or hints for what is not among the pictures.
    """
    to_one_file = one_file(output)
    if to_one_file:
        _check_one_file(output, form, len(found))
    marks = [f'-{name}' for name in variants] or ['']
    if samples is not None:
        marks = [f'-{number}' for number in range(1, samples + 1)]
    given = _hints_by_picture(hints or {}, found)

    def job(source: Path, relative: Path, path: Path) -> Job:
        outputs = tuple(_marked(path, mark) for mark in marks)
        comparison = _marked(path, '-compare') if compare else None
        sheet = _marked(path, '-variants') if variants else None
        return Job(relative.as_posix(), source, outputs, comparison, sheet, given.get(source, ()))

    targets = {}
    for source, relative in found.items():
        if to_one_file:
            targets[source] = output
            continue
        same = relative.suffix if relative.suffix.lower() in WRITABLE else SUFFIXES['png']
        targets[source] = (output / relative).with_suffix(same if form == 'same' else SUFFIXES[form])
    jobs: dict[Path, Job] = {}
    taken: set[Path] = set()
    relatives: set[Path] = set()
    # Pictures that keep their names come first: `a.png` beside `a.jpg` becomes `a.png.jpg`.
    for source in sorted(found, key=lambda source: targets[source].name != found[source].name):
        relative, path = found[source], targets[source]
        planned = job(source, relative, path)
        if not taken.isdisjoint(planned.files) and relative not in relatives:
            planned = job(source, relative, path.with_name(relative.name + path.suffix))
        taken.update(planned.files)
        relatives.add(relative)
        jobs[source] = planned
    _check_distinct(list(jobs.values()))
    return [jobs[source] for source in found]


def _hints_by_picture(
    hints: Mapping[str, tuple[Hint, ...]], found: Mapping[Path, Path]
) -> dict[Path, tuple[Hint, ...]]:
    given: dict[Path, tuple[Hint, ...]] = {}
    for name, points in hints.items():
        named = [source for source, relative in found.items() if relative.as_posix() == name]
        named = named or [source for source, relative in found.items() if relative.name == name]
        if len(named) != 1:
            names = sorted(found[source].as_posix() for source in named or found)
            meant = difflib.get_close_matches(name, names, 1, 0) if not named else names
            count = f'the name of {len(named)}' if named else 'none'
            raise UserError(f'--hints: {name!r} is {count} of the pictures; use a name such as {meant[0]!r}')
        if named[0] in given:
            raise UserError(f'--hints: {name!r} is a picture that has hints by another name; give them once')
        given[named[0]] = points
    return given


def _check_one_file(output: Path, form: str, pictures: int) -> None:
    if output.suffix.lower() not in WRITABLE:
        raise UserError(f'--output={output} is of a format that is not written; use {", ".join(SUFFIXES.values())}')
    if pictures > 1:
        raise UserError(f'--output={output} is one file, for {pictures} pictures; use a folder')
    if form != 'same' and WRITABLE[output.suffix.lower()] != WRITABLE[SUFFIXES[form]]:
        raise UserError(f'--output={output} is not of --format={form}; leave one of them out')


def _named(path: Path, output: Path, refused: Callable[[OSError], None]) -> Iterator[tuple[Path, Path]]:
    """Return the files that a path names, each with its path below the fixed part of that."""
    if path.is_dir():
        if path.resolve() == output.resolve():
            raise UserError(f'--output={output} is a folder of pictures to colour; choose another')
        yield from ((file, file.relative_to(path)) for file in _pictures_below(path, output, refused))
        return
    if path.exists():
        if not path.is_file():
            raise UserError(f'{path} is neither a file nor a folder')
        yield path, Path(path.name)
        return
    fixed = _fixed_part(path)
    if fixed is None:
        raise UserError(f'{path}: there is no such file or folder')
    # Of a pattern that covers the output folder, what is in there is left out.
    written = output.resolve() if fixed.resolve() in output.resolve().parents else None
    # Unlike the module glob, this does not follow links for `**`, which may lead in a circle.
    pattern = path.relative_to(fixed)
    _check_entered(fixed, pattern, refused)
    for match in sorted(fixed.glob(str(pattern))):
        relative = match.relative_to(fixed)
        hidden = any(part.startswith('.') or part == OUTPUT for part in relative.parts)
        if hidden or match.resolve() == written or written in match.resolve().parents:
            continue
        if match.is_dir():
            yield from ((file, file.relative_to(fixed)) for file in _pictures_below(match, output, refused))
        elif is_picture(match) or is_film(match):
            yield match, relative


def _fixed_part(path: Path) -> Path | None:
    """Return the folder before the first part of `path` that is a pattern, and no name; None if no part is."""
    for place, part in enumerate(path.parts):
        fixed = Path(*path.parts[:place])
        if any(character in part for character in '*?[') and not (fixed / part).exists():
            return fixed
    return None


def _check_entered(fixed: Path, pattern: Path, refused: Callable[[OSError], None]) -> None:
    """Say which folders on the way of a pattern can not be entered: `Path.glob` passes over them."""
    for folder, subfolders, _ in os.walk(fixed, onerror=refused):
        parts = Path(folder).relative_to(fixed).parts
        subfolders[:] = [name for name in subfolders if name[0] != '.' and _leads_into((*parts, name), pattern.parts)]


def _leads_into(folder: Sequence[str], pattern: Sequence[str]) -> bool:
    for part, wanted in zip(folder, pattern, strict=False):
        if wanted == '**':
            return True
        if not fnmatch.fnmatchcase(part, wanted):
            return False
    return len(folder) < len(pattern)


def _pictures_below(folder: Path, output: Path, refused: Callable[[OSError], None]) -> Iterator[Path]:
    return pictures_below(folder, avoid=[output], avoid_name=OUTPUT, on_error=refused)


def _marked(path: Path, mark: str) -> Path:
    return path.with_name(f'{path.stem}{mark}{path.suffix}')


def _check_distinct(jobs: list[Job]) -> None:
    sources = {job.source.resolve() for job in jobs}
    taken: dict[Path, Path] = {}
    for job in jobs:
        for file in (path.resolve() for path in job.files):
            if file in sources:
                raise UserError(f'{job.source} would be written over the input {file}; choose another --output')
            if file in taken:
                raise UserError(
                    f'{taken[file]} and {job.source} would both be written to {file}\n'
                    'colour them into folders of their own, or name a folder that holds both'
                )
            taken[file] = job.source
