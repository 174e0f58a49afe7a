"""Rows of indices -> batches of pixels: the functions that Grain's threads and worker processes run."""

import bisect
import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Int, UInt8
from PIL import Image

from jaxcolor.data.sources import Source
from jaxcolor.errors import UserError
from jaxcolor.imaging import resize
from jaxcolor.imaging.photos import PhotoError

Batch = dict[str, np.ndarray]

# Decoded pictures are kept in memory where all of a split fits: CIFAR-10 (150 MB) is decoded once, not each epoch.
_MEMORY_BYTES = 2**30
_AT_ONCE = 64  # records that are read by one call


class Decoder:
    """Pictures of a source: the shorter side scaled to `side` pixels, and `size` x `size` cut out of that.

    With `squash` both sides are scaled to it. Square ones are small when scaled, so these are remembered uncut (except
    in worker processes).
    """

    def __init__(self, source: Source, size: int, side: int | None = None, *, squash: bool = False):
        self.source, self.size, self.side, self.squash = source, size, side or size, squash
        self._remembered: UInt8[np.ndarray, 'n side side 3'] | None = None
        if len(source) * self.side**2 * 3 <= _MEMORY_BYTES:
            # Memory is taken page by page, as the pictures come.
            self._remembered = np.zeros((len(source), self.side, self.side, 3), np.uint8)
            self._known = np.zeros(len(source), bool)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, '_remembered': None, '_known': None}

    def records(self, indices: Sequence[int]) -> Iterator[Any]:
        """Yield the record of each picture, or None: of those that are remembered, and where none are read at once.

        Of files of many records: for each call ArrayRecord does work in proportion to all records of a file, 5 ns each.
        """
        if not hasattr(self.source, '__getitems__'):
            yield from itertools.repeat(None, len(indices))
            return
        for start in range(0, len(indices), _AT_ONCE):
            part = indices[start : start + _AT_ONCE]
            wanted = [index for index in part if self._remembered is None or not self._known[index]]
            found = dict(zip(wanted, self.source.__getitems__(wanted), strict=True)) if wanted else {}
            yield from map(found.get, part)

    def __call__(
        self, index: int, u: float, v: float, side: int | None = None, degrees: float = 0.0, record: Any = None
    ) -> UInt8[np.ndarray, 'size size 3']:
        """Picture `index`, cut at (u, v) of [0, 1) and turned; see `resize.fit`. It may have another `side`.

        Its `record` is read unless it is given.

        Raises:
          PhotoError: it cannot be decoded.
        """
        side = side or self.side
        if side == self.side and self._remembered is not None and self._known[index]:
            return self._cut(self._remembered[index], u, v, degrees)
        # Twice the size: what is lost by a coarse JPEG decoding is then above what survives the scaling.
        image = self.source.decode(self.source[index] if record is None else record, at_least=2 * side)
        if side != self.side or not (self.squash or image.width == image.height):
            return resize.fit(image, self.size, u, v, side=side, squash=self.squash, degrees=degrees)
        whole = resize.fit(image, side, squash=True)
        if self._remembered is not None:
            self._remembered[index] = whole
            self._known[index] = True  # after the pixels: another thread may be looking
        return self._cut(whole, u, v, degrees)

    def _cut(
        self, whole: UInt8[np.ndarray, 'side side 3'], u: float, v: float, degrees: float
    ) -> UInt8[np.ndarray, 'size size 3']:
        if degrees:
            return resize.fit(Image.fromarray(whole), self.size, u, v, side=self.side, degrees=degrees)
        return resize.crop(whole, self.size, u, v)


@dataclasses.dataclass(frozen=True)
class LoadTrain:
    """Loads this process's rows of a training batch: rows `process_index::process_count` of it.

    An unreadable picture is replaced by the next one of `keep` that is readable, so that the batch is always
    full and still a function of (seed, step) and the files alone.
    """

    decoder: Decoder
    keep: Int[np.ndarray, ' kept']  # indices of the pictures to train on
    random_crop: bool
    process_index: int
    process_count: int
    starts: tuple[int, ...] = (0,)  # places in `keep` where each source's pictures begin
    largest: int | None = None  # up to which the side is drawn, evenly on a logarithmic scale
    rotation: float = 0.0  # degrees, up to which the angle is drawn, either way

    def __call__(self, rows: Int[np.ndarray, ' b'], rng: np.random.Generator) -> Batch:
        """Rows are places in `keep`."""
        # The whole batch's crops are drawn, so that they do not depend on the number of processes.
        crops = rng.random((len(rows), 2)) if self.random_crop else np.full((len(rows), 2), 0.5)
        sides = [None] * len(rows)
        if self.largest is not None:
            least = self.decoder.side
            sides = [round(least * (self.largest / least) ** share) for share in rng.random(len(rows))]
        angles = rng.uniform(-self.rotation, self.rotation, len(rows)) if self.rotation else np.zeros(len(rows))
        mine = slice(self.process_index, None, self.process_count)
        images, unreadable = [], []
        records = self.decoder.records(self.keep[rows[mine]].tolist())
        drawn = zip(rows[mine], records, crops[mine], sides[mine], angles[mine], strict=True)
        for row, record, (u, v), side, degrees in drawn:
            for index in self._from(int(row)):
                try:
                    images.append(self.decoder(index, u, v, side, degrees, record))
                    break
                except PhotoError:
                    unreadable.append(index)
                    record = None  # which was the first one's
            else:
                raise UserError(f'no picture can be read any more, not even {self.decoder.source.name(index)}')
        return _batch(np.stack(images), np.ones(len(images), bool), unreadable)

    def _from(self, place: int) -> Iterator[int]:
        """Yield the picture at a place, and then the others of its source."""
        part = bisect.bisect_right(self.starts, place)
        first, end = self.starts[part - 1], (*self.starts, len(self.keep))[part]
        return (int(self.keep[other]) for other in itertools.chain(range(place, end), range(first, place)))


@dataclasses.dataclass(frozen=True)
class LoadTest:
    """Loads this process's rows of evaluation batch k: pictures [k b, (k + 1) b), in the source's order.

    Rows past the end, and those of unreadable pictures, are black and masked.
    """

    decoder: Decoder
    batch_size: int
    process_index: int
    process_count: int

    def __call__(self, k: int) -> Batch:
        """Load batch `k`."""
        mine = range(self.process_index, self.batch_size, self.process_count)
        size = self.decoder.size
        images = np.zeros((len(mine), size, size, 3), np.uint8)
        mask = np.zeros(len(mine), bool)
        unreadable = []
        rows = (k * self.batch_size + row for row in mine)
        indices = [index for index in rows if index < len(self.decoder.source)]
        for place, (index, record) in enumerate(zip(indices, self.decoder.records(indices), strict=True)):
            try:
                images[place] = self.decoder(index, 0.5, 0.5, record=record)
                mask[place] = True
            except PhotoError:
                unreadable.append(index)
        return _batch(images, mask, unreadable)


def _batch(images: UInt8[np.ndarray, 'b size size 3'], mask: Bool[np.ndarray, ' b'], unreadable: list[int]) -> Batch:
    return {'image': images, 'mask': mask, 'unreadable': np.array(unreadable, np.int64)}
