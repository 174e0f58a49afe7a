"""A picture that is given its colour, a stretch of pixels at a time."""

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.export
import numpy as np
from jaxtyping import Array, Float

from jaxcolor.imaging.arrays import Pixels
from jaxcolor.inference import render
from jaxcolor.inference.network import Plan

SIZES = (2**10, 2**13, 2**18)
"""Pixels of a stretch: few sizes, so few programs. The largest take a moment even on a CPU."""

Program = Callable[..., Any]

# Two programs, with an array for each channel between them: what XLA for CPUs fuses into one it computes again wherever
# it is needed, and takes up to 3 times as long.
to_lab = jax.jit(render.to_lab)
to_rgb = jax.jit(render.to_rgb, static_argnames='dtype')

jax.export.register_namedtuple_serialization(render.Place, serialized_name='jaxcolor.inference.render.Place')


class Rendering:
    """The work that is left of a picture, to be taken in steps between which others may have theirs.

    What a step costs goes by the number of its pixels, whatever the shape of the picture.

    Attributes:
      result: [h, w, 3], of the picture's dtype; whole once `step` has returned False.
    """

    def __init__(
        self,
        pixels: Pixels,
        functions: Float[Array, 'k 4'] | Float[np.ndarray, 'k 4'],
        plan: Plan,
        saturation: float,
        program: Callable[..., Program],
    ):
        """Begin with a picture [h, w, 1 | 3].

        Args:
          pixels: of the picture.
          functions: that the network said of it.
          plan: by which it went through the network.
          saturation: chroma is multiplied by it.
          program: returns `to_rgb` of `to_lab` for stretches of `size` pixels, of so many `channels` and of a `dtype`.
        """
        height, width, channels = pixels.shape
        self.result = np.empty((height, width, 3), pixels.dtype)
        self._pixels, self._colored = pixels.reshape(-1, channels), self.result.reshape(-1, 3)
        self._functions, self._saturation = functions, np.float32(saturation)
        self._whole, self._plan = (height, width), plan
        self._program = partial(program, channels=channels, dtype=pixels.dtype.name)
        self._left = stretches(len(self._pixels))
        self._under_way: deque[tuple[slice, Any]] = deque()

    def step(self) -> bool:
        """Send the next stretch to the device, take back the one before; return whether there is more to do."""
        stretch = next(self._left, None)
        if stretch is not None:
            self._under_way.append((stretch[0], self._start(*stretch)))
        if self._under_way and (stretch is None or len(self._under_way) > 1):
            place, colored = self._under_way.popleft()
            self._colored[place] = np.asarray(colored)[: place.stop - place.start]
        return bool(self._under_way)

    def _start(self, place: slice, size: int) -> Any:
        pixels = self._pixels[place]
        if len(pixels) < size:
            pixels = np.concatenate([pixels, np.zeros((size - len(pixels), pixels.shape[1]), pixels.dtype)])
        pairs = divmod(place.start, self._whole[1]), self._whole, self._plan.content
        first, picture, content = np.array(pairs, np.int32)
        where = render.Place(first, picture, content, np.int32(self._plan.shape[1]))
        return self._program(size=size)(pixels, self._functions, where, self._saturation)


def stretches(count: int) -> Iterator[tuple[slice, int]]:
    """Yield the parts of so many pixels, each with the size that it is padded to: an eighth of it, or the smallest."""
    start = 0
    while start < count:
        left = count - start
        size = next((size for size in reversed(SIZES) if left >= size - size // 8), SIZES[0])
        yield slice(start, min(start + size, count)), size
        start += size
