"""Cb and Cr of a frame at half its size, of the colour that its small copy was given; luma stays as it is."""

from functools import partial

import cv2
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, UInt8

from jaxcolor import compilation_cache
from jaxcolor.color import convert
from jaxcolor.films.device import Device, at_once
from jaxcolor.films.pixels import Coding
from jaxcolor.inference import render


class ChromaProgram:
    """The compiled rendering of frames of one size."""

    def __init__(self, height: int, width: int, coding: Coding, saturation: float, device: Device = at_once):
        """Compile for frames of an even size [height, width]; see `Options` for saturation."""
        self._half, self._saturation, self._device = (height // 2, width // 2), np.float32(saturation), device
        count = self._half[0] * self._half[1]
        numbers = jax.ShapeDtypeStruct((count,), np.float32)
        functions = jax.ShapeDtypeStruct((count, 4), np.float32)
        self._chroma_of = compilation_cache.compile(
            chroma_of,
            numbers,
            functions,
            jax.ShapeDtypeStruct((), np.float32),
            weights=coding.weights,
            full=coding.full,
        )

    def __call__(
        self, luma: UInt8[np.ndarray, 'h w'], functions: Float[np.ndarray, 'p q 4']
    ) -> UInt8[np.ndarray, '2 rows columns']:
        """Return Cb and Cr of a frame; `functions` are those of its small copy, turned as the frame is stored."""
        height, width = self._half
        small = cv2.resize(luma.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        large = cv2.resize(np.ascontiguousarray(functions), (width, height), interpolation=cv2.INTER_LINEAR)
        arguments = small.reshape(-1), large.reshape(-1, 4), self._saturation
        return self._device(lambda: np.asarray(self._chroma_of(*arguments))).reshape(2, height, width)


@partial(jax.jit, static_argnames=('weights', 'full'))
def chroma_of(
    luma: Float32[Array, ' n'],
    functions: Float32[Array, 'n 4'],
    saturation: Float[Array, ''],
    *,
    weights: tuple[float, float],
    full: bool,
) -> UInt8[Array, '2 n']:
    """Return the codes of Cb and Cr.

    A colour of CIELAB's L* has not quite the luma of the grey of that L*. Here it is the luma that is kept: L* moves by
    0.2 in the mean, and without its colours a film is what it was.

    Args:
      luma: codes.
      functions: see `render.guide`.
      saturation: chroma is multiplied by it.
      weights: of red and blue in luma.
      full: range, or limited.
    """
    grey = jnp.clip(luma / 255 if full else (luma - 16) / 219, 0, 1)
    lightness = convert.rgb_to_lightness(jnp.broadcast_to(grey[:, None], (len(luma), 3)))[:, 0]
    a, b = (saturation * (functions[:, i] * lightness / 100 + functions[:, i + 2]) for i in (0, 1))
    red, green, blue = jnp.moveaxis(render.to_rgb(lightness, a, b, 'float32'), -1, 0)
    of_red, of_blue = weights
    bright = of_red * red + (1 - of_red - of_blue) * green + of_blue * blue
    scale = (255 if full else 224) / 2
    codes = [128 + scale * (blue - bright) / (1 - of_blue), 128 + scale * (red - bright) / (1 - of_red)]
    return jnp.clip(jnp.round(jnp.stack(codes)), 0, 255).astype(jnp.uint8)
