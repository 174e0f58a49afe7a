"""The compiled programs of a model: few, each compiled once, on whichever thread needs it first."""

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import linen as nn

from jaxcolor import compilation_cache
from jaxcolor.color.hints import STRIDE
from jaxcolor.color.palette import Palette
from jaxcolor.color.spaces import Space
from jaxcolor.inference import network, rendering
from jaxcolor.inference.render import Place
from jaxcolor.inference.rendering import Program


class NetworkProgram(NamedTuple):
    """A compiled program: so many pictures of a shape through the network."""

    shape: tuple[int, int]
    batch: int
    noise: bool
    hints: bool = False


class StretchProgram(NamedTuple):
    """A compiled program: so many pixels of a picture get their colour."""

    size: int
    channels: int
    dtype: str


class Programs:
    """Those of one model, each compiled, or taken from the cache, when it is first asked for."""

    def __init__(self, generator: nn.Module, space: Space, variables: Any, render_size: int):
        """Take the generator with its variables, what its words mean, and the shorter side of its small copies."""
        self._generator, self._variables = generator, variables
        # One program for all values of a palette's options.
        self._space = (
            dataclasses.replace(space, temperature=1.0, vividness=0.0) if isinstance(space, Palette) else space
        )
        self._rows = network.LONGEST * render_size**2
        self._compiled: dict[NetworkProgram | StretchProgram, Program] = {}

    def __contains__(self, program: NetworkProgram | StretchProgram) -> bool:
        """Say whether a picture that needs this program need not wait for it."""
        return program in self._compiled

    def __iter__(self) -> Iterator[NetworkProgram | StretchProgram]:
        """Go through those that are compiled."""
        return iter(tuple(self._compiled))

    def __getitem__(self, program: NetworkProgram | StretchProgram) -> Program:
        """Return a program, compiled now if it is not yet."""
        self.compile(program)
        return self._compiled[program]

    def compile(self, program: NetworkProgram | StretchProgram) -> None:
        """Compile a program, or take it from the cache, so that no picture waits for that; on any thread."""
        if program not in self._compiled:
            self._compiled[program] = self._compile(program)

    def stretch(self, size: int, channels: int, dtype: str) -> Program:
        """Return that of a `StretchProgram`."""
        return self[StretchProgram(size, channels, dtype)]

    def _compile(self, program: NetworkProgram | StretchProgram) -> Program:
        if isinstance(program, StretchProgram):
            return self._compile_stretch(program)
        return self._compile_network(program)

    def _compile_stretch(self, program: StretchProgram) -> Program:
        pixels = jax.ShapeDtypeStruct((program.size, program.channels), program.dtype)
        functions = jax.ShapeDtypeStruct((self._rows, 4), np.float32)
        pair, stride = jax.ShapeDtypeStruct((2,), np.int32), jax.ShapeDtypeStruct((), np.int32)
        place = Place(pair, pair, pair, stride)  # type: ignore[arg-type]
        number = jax.ShapeDtypeStruct((), np.float32)
        to_lab = compilation_cache.compile(rendering.to_lab, pixels, functions, place, number)
        channels = (jax.ShapeDtypeStruct((program.size,), np.float32),) * 3
        to_rgb = compilation_cache.compile(rendering.to_rgb, *channels, dtype=program.dtype)
        return lambda *arguments: to_rgb(*to_lab(*arguments))

    def _compile_network(self, program: NetworkProgram) -> Program:
        grid = [side // STRIDE for side in program.shape]
        images = jax.ShapeDtypeStruct((program.batch, *program.shape, 3), np.uint8)
        flags = jax.ShapeDtypeStruct((program.batch,), bool)
        number = jax.ShapeDtypeStruct((), np.float32)
        key = jax.eval_shape(lambda: jax.random.key(0)) if program.noise else None
        hints = jax.ShapeDtypeStruct((program.batch, *grid, 3), np.float32) if program.hints else None
        return compilation_cache.compile(
            network.predict,
            *(self._variables, images, flags, flags, key, number, number, hints),
            generator=self._generator,
            space=self._space,
            rows=self._rows,
        )
