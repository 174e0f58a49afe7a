"""How a picture is written: what the generator sees (`x`) and what it must say (`y`).

In every space `x` is the lightness L*/50 - 1. So a generator trained in one space sees the same picture as
in any other, and the floor, the picture left grey, is the same picture as well: scores compare across spaces.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, UInt8

from jaxcolor.color import convert
from jaxcolor.errors import UserError


@runtime_checkable
class Space(Protocol):
    """A way to write a picture as the generator's input and its output."""

    @property
    def name(self) -> str:
        """The name in a config's `space.name`."""

    @property
    def channels(self) -> int:
        """How many channels the generator says: those of the `y` that `join` takes."""

    def split(self, image: UInt8[Array, 'b h w 3']) -> tuple[Float[Array, 'b h w 1'], Float[Array, 'b h w c']]:
        """The generator's input `x` in [-1, 1] and its target `y`, float32, of sRGB pictures."""

    def join(self, x: Float[Array, 'b h w 1'], y: Float[Array, 'b h w c']) -> Float[Array, 'b h w 3']:
        """The sRGB picture in [0, 1], float32, of an input and what the generator said to it."""


@dataclasses.dataclass(frozen=True)
class Lab:
    """Lightness in, chroma out: `y` is CIELAB's (a*, b*) / `scale`.

    `scale` 110 is seed 001 section 5.1 and holds the sRGB gamut in [-0.98, 0.89]; seed 004 has 127.5.
    """

    name: ClassVar[str] = 'lab'
    channels: ClassVar[int] = 2
    scale: float = 110.0

    def split(self, image: UInt8[Array, 'b h w 3']) -> tuple[Float[Array, 'b h w 1'], Float[Array, 'b h w 2']]:
        """`x` = L*/50 - 1 in [-1, 1] and `y` = (a*, b*) / scale."""
        lab = convert.rgb_to_lab(to_float(image))
        return lab[..., :1] / 50 - 1, lab[..., 1:] / self.scale

    def join(self, x: Float[Array, 'b h w 1'], y: Float[Array, 'b h w 2']) -> Float[Array, 'b h w 3']:
        """sRGB in [0, 1]; colours outside the gamut are clipped."""
        L = 50 * (x.astype(jnp.float32) + 1)
        return convert.lab_to_rgb(jnp.concatenate([L, y.astype(jnp.float32) * self.scale], axis=-1))


@dataclasses.dataclass(frozen=True)
class Rgb:
    """Grey in, the whole picture out: `y` is sRGB in [-1, 1], the range of tanh (seed 002)."""

    name: ClassVar[str] = 'rgb'
    channels: ClassVar[int] = 3

    def split(self, image: UInt8[Array, 'b h w 3']) -> tuple[Float[Array, 'b h w 1'], Float[Array, 'b h w 3']]:
        """`x` = L*/50 - 1, not luma, so that the input is that of the other spaces; `y` = 2 rgb - 1."""
        rgb = to_float(image)
        return convert.rgb_to_lightness(rgb) / 50 - 1, 2 * rgb - 1

    def join(self, x: Float[Array, 'b h w 1'], y: Float[Array, 'b h w 3']) -> Float[Array, 'b h w 3']:
        """sRGB in [0, 1], clipped; `x` is not consulted, since `y` says the lightness as well."""
        del x
        return jnp.clip((y.astype(jnp.float32) + 1) / 2, 0.0, 1.0)


_SPACES: dict[str, type] = {space.name: space for space in (Lab, Rgb)}


def build_space(config: Mapping[str, Any]) -> Space:
    """The space that `config` describes: its `name`, and the fields of that space.

    Raises:
      UserError: no such space, no such field, or a value that the field cannot have.
    """
    fields = dict(config)
    name = fields.pop('name', None)
    if not isinstance(name, str) or name not in _SPACES:
        raise UserError(f'space.name is {name!r}: no such space. Known: {", ".join(_SPACES)}.')
    space = _SPACES[name]
    known = {field.name: field.default for field in dataclasses.fields(space)}
    for field, value in fields.items():
        if field not in known:
            raise UserError(f'space.{field}: the {name} space has no such field. Known: {", ".join(["name", *known])}.')
        if not (isinstance(value, int | float) and 0 < value < math.inf):
            raise UserError(f'space.{field} is {value!r}: it must be a positive number, such as {known[field]:g}.')
    return space(**{field: float(value) for field, value in fields.items()})


def grey(x: Float[Array, 'b h w 1']) -> Float[Array, 'b h w 3']:
    """The picture left grey, sRGB in [0, 1] with R = G = B: the floor that every space shares."""
    return convert.lightness_to_rgb(50 * (x.astype(jnp.float32) + 1))


def flip(image: UInt8[Array, 'b h w c'], key: PRNGKeyArray) -> UInt8[Array, 'b h w c']:
    """Mirrors each picture left to right, or not, by the toss of its own coin."""
    heads = jax.random.bernoulli(key, shape=(image.shape[0], 1, 1, 1))
    return jnp.where(heads, image[:, :, ::-1], image)


def to_float(image: UInt8[Array, '*b']) -> Float[Array, '*b']:
    """Bytes as float32 in [0, 1]."""
    return image.astype(jnp.float32) / 255
