"""One file before and after it is coloured: what the threads of `batch` do."""

import contextlib
import dataclasses
import errno
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8, UInt16

from jaxcolor.batch_inference import contact_sheet, gray_test
from jaxcolor.batch_inference.discover import Job
from jaxcolor.errors import UserError
from jaxcolor.evaluation import report
from jaxcolor.imaging import arrays, photos, tiff
from jaxcolor.imaging.photos import Limits, Photo, PhotoError
from jaxcolor.inference import hints
from jaxcolor.inference.options import Options
from jaxcolor.storage import explain_refusal, open_atomic, write_atomic

Pixels = UInt8[np.ndarray, 'h w _'] | UInt16[np.ndarray, 'h w _']
Wide = UInt8[np.ndarray, 'h wide 3'] | UInt16[np.ndarray, 'h wide 3']


@dataclasses.dataclass(frozen=True)
class Settings:
    """How files are read, coloured and written."""

    options: Options
    limits: Limits
    batch_size: int
    quality: int  # of JPEG and WebP, 1 to 100
    depth: int  # bits a channel: 8, or 16 in PNG and TIFF
    overwrite: bool
    variants: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)

    @property
    def colorings(self) -> list[Options]:
        """The options of each: those of the variants, in whose place there is one if there are none."""
        plain = self.options._asdict()
        return [Options(**{**plain, **variant}) for variant in self.variants.values()] or [self.options]


class GrayTest(NamedTuple):
    """Pictures are greyed, coloured, and compared with what they were."""

    score: gray_test.Score
    scores: gray_test.Scores

    @classmethod
    def open(cls, folder: Path, *, anew: bool) -> 'GrayTest':
        """Go on with the scores that are in `folder`, or begin `anew`.

        Raises:
          UserError: the metrics' libraries are not installed; the folder can't be written.
        """
        with explain_refusal(folder, '--output'):
            return cls(gray_test.make_score(), gray_test.Scores(folder, anew=anew))

    def table(self, names: Sequence[str]) -> str:
        """Return the mean scores of pictures as training prints them; empty if none has any."""
        means = self.scores.means(names)
        return report.table(means) if means['pictures'] else ''


class Loaded(NamedTuple):
    """A picture that has been read."""

    photo: Photo
    truth: Photo | None  # before it was greyed
    pixels: Pixels  # the photo's, in the depth that they are coloured in


class Pages(NamedTuple):
    """The files that a TIFF of several pages becomes, page by page."""

    job: Job
    settings: Settings
    writers: dict[Path, tiff.Writer]

    def add(self, loaded: Loaded, colorings: Sequence[Pixels]) -> None:
        """Write the colourings of the next page."""
        photo, _, pixels = loaded
        if self.settings.depth == 8:
            pixels, *colorings = (arrays.eight_bits(each) for each in (pixels, *colorings))
        pages = {path: (photo, coloring) for path, coloring in zip(self.job.outputs, colorings, strict=True)}
        if self.job.comparison is not None:
            pages[self.job.comparison] = _side_by_side(photo, [pixels, *colorings])
        if self.job.contact_sheet is not None:
            pages[self.job.contact_sheet] = _on_a_sheet(photo, list(self.settings.variants), colorings)
        for path, writer in self.writers.items():
            photos.add_page(writer, *pages[path])


@dataclasses.dataclass(frozen=True)
class JobFiles:
    """Reads pictures, and writes what became of them; from any thread."""

    settings: Settings
    gray_test: GrayTest | None = None

    def is_done(self, job: Job) -> bool:
        """Whether all that would be written of a picture is there, and shall stay."""
        if self.settings.overwrite or not all(map(_exists, job.files)):
            return False
        return self.gray_test is None or job.name in self.gray_test.scores

    def takes_pages(self, job: Job) -> bool:
        """Whether all pages of a TIFF become one."""
        return self.gray_test is None and all(photos.WRITABLE[path.suffix.lower()] == 'TIFF' for path in job.outputs)

    def load(self, job: Job, page: int = 0) -> Loaded:
        """Read a picture, or a page of one.

        Raises:
          PhotoError: it can't be read, has no place where a hint is, or no colours where these are to be compared.
        """
        photo, truth = photos.read(job.source, self.settings.limits, page=page, cut=True), None
        try:
            hints.check_inside(job.hints if page == 0 else (), *photo.pixels.shape[:2])
        except UserError as error:
            raise PhotoError(f'{job.source}: {error}') from error
        if self.gray_test is not None:
            if photo.pixels.shape[2] == 1:
                raise PhotoError(f'{job.source}: it is grey already; --gray-test takes colour photographs')
            photo, truth = gray_test.greyed(photo), photo
        deeper = self.settings.depth == 16 and photo.pixels.dtype == np.uint8
        return Loaded(photo, truth, photo.pixels * np.uint16(257) if deeper else photo.pixels)

    def save(self, job: Job, loaded: Loaded, colorings: Sequence[Pixels]) -> dict[str, float] | None:
        """Write the colourings of a picture, where they are not there yet; return their scores, if any are wanted.

        Raises:
          PhotoError: the format can't hold the picture, or the file system its name.
          UserError: the disk is full, or not to be written.
        """
        photo, truth, pixels = loaded
        if self.settings.depth == 8:
            pixels, *colorings = (arrays.eight_bits(each) for each in (pixels, *colorings))
        for path, coloring in zip(job.outputs, colorings, strict=True):
            self._write(path, photo, coloring)
        if job.comparison is not None:
            self._write(job.comparison, *_side_by_side(photo, [pixels, *colorings, *([truth.pixels] if truth else [])]))
        if job.contact_sheet is not None:
            self._write(job.contact_sheet, *_on_a_sheet(photo, list(self.settings.variants), colorings))
        if self.gray_test is None or truth is None:
            return None
        return self.gray_test.score(colorings, photo.pixels, truth.pixels)

    @contextlib.contextmanager
    def open_pages(self, job: Job) -> Iterator[Pages]:
        """Open the TIFFs that a TIFF of several pages becomes; they are there when the block has ended.

        Raises:
          PhotoError: a TIFF can't hold them, or the file system its name.
          UserError: the disk is full, or not to be written.
        """
        with contextlib.ExitStack() as stack:
            writers = {}
            for path in job.files:
                if self.settings.overwrite or not _exists(path):
                    stack.enter_context(explain_refusal(path, '--output'))
                    stack.enter_context(_explain_name(path))
                    writers[path] = tiff.Writer(stack.enter_context(open_atomic(path)))
            yield Pages(job, self.settings, writers)

    def _write(self, path: Path, photo: Photo, coloring: Pixels) -> None:
        if not self.settings.overwrite and _exists(path):
            return
        form = photos.WRITABLE[path.suffix.lower()]
        try:
            encoded = photos.encode(photo, coloring, form, quality=self.settings.quality)
        except PhotoError as error:
            raise PhotoError(f'{path}: {error}') from error
        with explain_refusal(path, '--output'), _explain_name(path):
            write_atomic(path, encoded)


def _exists(path: Path) -> bool:
    """Return whether there is such a file, with something in it; of names that no file can have, writing says why."""
    try:
        return path.stat().st_size > 0
    except (OSError, ValueError):
        return False


@contextlib.contextmanager
def _explain_name(path: Path) -> Iterator[None]:
    """Turn what a file system says of a name that it can't have into a `PhotoError`, which does not end the command."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ):
            raise
        raise PhotoError(f'{path} can not be written: {error.strerror}') from error


def _side_by_side(photo: Photo, parts: Sequence[Pixels]) -> tuple[Photo, Wide]:
    """Return the parts from left to right, and the photo that such a picture is written with."""
    wide = np.concatenate([np.broadcast_to(part, (*part.shape[:2], 3)) for part in parts], axis=1)
    alpha = None if photo.alpha is None else np.tile(photo.alpha, (1, len(parts)))
    return dataclasses.replace(photo, pixels=wide[..., :1], alpha=alpha), wide


def _on_a_sheet(
    photo: Photo, names: Sequence[str], colorings: Sequence[Pixels]
) -> tuple[Photo, UInt8[np.ndarray, 'tall wide 3']]:
    """Return the contact sheet of variants, and the photo that such a picture is written with."""
    sheet = contact_sheet.draw(names, colorings)
    return dataclasses.replace(photo, pixels=sheet[..., :1], alpha=None), sheet
