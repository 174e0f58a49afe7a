"""Which films a command line names, and what file each becomes; nothing is opened."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxcolor.errors import UserError
from jaxcolor.imaging.photos import READABLE
from jaxcolor.imaging.walk import FILMS

CONTAINERS = {'.mp4': 'mp4', '.m4v': 'mp4', '.mov': 'mov', '.mkv': 'matroska', '.webm': 'webm'}
"""Containers that are written, by the suffix of the file."""

MOST_PIXELS = 2**25
"""Of a frame, 8192 x 4096. An encoder holds dozens of them."""

_OTHER = '.mkv'  # of films in other containers; it holds nearly everything
_OF_PICTURES = ('samples', 'variants', 'hints', 'compare', 'gray_test')


class FilmJob(NamedTuple):
    """A film to colour."""

    source: Path
    output: Path


def one_film(output: Path) -> bool:
    """Return whether results go to a film of this name, and to no folder."""
    return output.suffix.lower() in FILMS and not output.is_dir()


def plan(films: Mapping[Path, Path], output: Path, pictures: int) -> list[FilmJob]:
    """Return what each film becomes.

    Args:
      films: each film, and its path below the folder, or the fixed part, that named it.
      output: the folder, or the file of one film (`one_film`).
      pictures: that the command line names as well.

    Raises:
      UserError: two films would be one file, or one its own input; `output` is no file for these.
    """
    if output.suffix.lower() in READABLE and not output.is_dir():
        raise UserError(f'--output={output} is a picture; use {", ".join(CONTAINERS)}, or a folder')
    if one_film(output):
        if output.suffix.lower() not in CONTAINERS:
            raise UserError(f'--output={output} is of a kind that is not written; use {", ".join(CONTAINERS)}')
        if len(films) + pictures > 1 or not films:
            raise UserError(f'--output={output} is one film, for {pictures} pictures, {len(films)} films; use a folder')
        jobs = [FilmJob(source, output) for source in films]
    else:
        jobs = []
        taken: set[Path] = set()
        for source, relative in films.items():
            same = relative.suffix if relative.suffix.lower() in CONTAINERS else _OTHER
            target = output / relative.with_suffix(same)
            if target in taken:
                target = target.with_name(relative.name + same)
            taken.add(target)
            jobs.append(FilmJob(source, target))
    sources = {source.resolve() for source in films}
    for job in jobs:
        if job.output.resolve() in sources:
            raise UserError(f'{job.source} would be written over the input {job.output}; choose another --output')
    if len({job.output for job in jobs}) < len(jobs):
        raise UserError(
            f'several films would be written to one file in {output}; colour them into folders of their own'
        )
    return jobs


def check(arguments: Mapping[str, Any], films: Sequence[Path]) -> None:
    """Check that the options of a command line go with films.

    Raises:
      UserError: one of them is of pictures alone.
    """
    given = [f'--{name.replace("_", "-")}' for name in _OF_PICTURES if arguments.get(name)]
    if arguments['depth'] != 8:
        given.append(f'--depth={arguments["depth"]}')
    if arguments['format'] != 'same':
        given.append(f'--format={arguments["format"]}')
    if given:
        raise UserError(f'{given[0]} does not go with a film, {films[0]}; leave one of them out')
