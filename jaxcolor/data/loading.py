"""Rows of indices -> batches of pixels: the functions that Grain's threads and worker processes run."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Bool, Int, UInt8

from jaxcolor.data.sources import Source
from jaxcolor.errors import UserError
from jaxcolor.imaging import resize
from jaxcolor.imaging.photos import PhotoError

Batch = dict[str, np.ndarray]

# Decoded pictures are kept in memory where all of a split fits: CIFAR-10 (150 MB) is decoded once, not each epoch.
_MEMORY_BYTES = 2**30


class Decoder:
    """Pictures of a source: the shorter side scaled to `side` pixels, and `size` x `size` cut out of that.

    Square ones are small when scaled, so these are remembered uncut (except in worker processes).
    """

    def __init__(self, source: Source, size: int, side: int | None = None):
        self.source, self.size, self.side = source, size, side or size
        self._remembered: UInt8[np.ndarray, 'n side side 3'] | None = None
        if len(source) * self.side**2 * 3 <= _MEMORY_BYTES:
            # Memory is taken page by page, as the pictures come.
            self._remembered = np.zeros((len(source), self.side, self.side, 3), np.uint8)
            self._known = np.zeros(len(source), bool)

    def __getstate__(self) -> dict[str, Any]:
        return {'source': self.source, 'size': self.size, 'side': self.side, '_remembered': None}

    def __call__(self, index: int, u: float, v: float, side: int | None = None) -> UInt8[np.ndarray, 'size size 3']:
        """Picture `index`, cut at (u, v) of [0, 1); see `resize.fit`. Another `side` than the usual may be given.

        Raises:
          PhotoError: it cannot be decoded.
        """
        if side is not None and side != self.side:
            return resize.fit(self.source.decode(self.source[index], at_least=2 * side), self.size, u, v, side=side)
        if self._remembered is not None and self._known[index]:
            return resize.crop(self._remembered[index], self.size, u, v)
        # Twice the size: what is lost by a coarse JPEG decoding is then above what survives the scaling.
        image = self.source.decode(self.source[index], at_least=2 * self.side)
        if image.width != image.height:
            return resize.fit(image, self.size, u, v, side=self.side)
        whole = resize.fit(image, self.side)
        if self._remembered is not None:
            self._remembered[index] = whole
            self._known[index] = True  # after the pixels: another thread may be looking
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
    largest: int | None = None  # up to which the side is drawn, evenly on a logarithmic scale

    def __call__(self, rows: Int[np.ndarray, ' b'], rng: np.random.Generator) -> Batch:
        """Rows are places in `keep`, in any epoch: modulo its length."""
        # The whole batch's crops are drawn, so that they do not depend on the number of processes.
        crops = rng.random((len(rows), 2)) if self.random_crop else np.full((len(rows), 2), 0.5)
        sides = [None] * len(rows)
        if self.largest is not None:
            least = self.decoder.side
            sides = [round(least * (self.largest / least) ** share) for share in rng.random(len(rows))]
        mine = slice(self.process_index, None, self.process_count)
        images, unreadable = [], []
        for row, (u, v), side in zip(rows[mine], crops[mine], sides[mine], strict=True):
            for place in range(row, row + len(self.keep)):
                index = int(self.keep[place % len(self.keep)])
                try:
                    images.append(self.decoder(index, u, v, side))
                    break
                except PhotoError:
                    unreadable.append(index)
            else:
                raise UserError(f'no picture can be read any more, not even {self.decoder.source.name(index)}')
        return _batch(np.stack(images), np.ones(len(images), bool), unreadable)


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
        for place, row in enumerate(mine):
            index = k * self.batch_size + row
            if index >= len(self.decoder.source):
                break
            try:
                images[place] = self.decoder(index, 0.5, 0.5)
                mask[place] = True
            except PhotoError:
                unreadable.append(index)
        return _batch(images, mask, unreadable)


def _batch(images: UInt8[np.ndarray, 'b size size 3'], mask: Bool[np.ndarray, ' b'], unreadable: list[int]) -> Batch:
    return {'image': images, 'mask': mask, 'unreadable': np.array(unreadable, np.int64)}
