"""How a picture is written: what the generator sees (`x`) and what it must say (`y`).

In every space `x` is the lightness L*/50 - 1. So a generator trained in one space sees the same picture as
in any other, and the baseline, the picture left grey, is the same picture as well: scores compare across spaces.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, UInt8

from jaxcolor.color import convert
from jaxcolor.color.convert import to_float
from jaxcolor.color.palette import Palette
from jaxcolor.errors import UserError

Target = Float[Array, 'b h w c'] | Int[Array, 'b h w 1']


@runtime_checkable
class Space(Protocol):
    """A way to write a picture as the generator's input and its output."""

    @property
    def name(self) -> str:
        """The name in a config's `space.name`."""

    @property
    def channels(self) -> int:
        """How many channels the generator says: those of the `y` that `join` takes."""

    @property
    def signed(self) -> bool:
        """Whether what the generator must say can be negative: a network that ends in ReLU can't say it then."""

    @property
    def categorical(self) -> bool:
        """Whether targets are classes, int32, and what the generator says are logits, one channel a class."""

    def split(self, image: UInt8[Array, 'b h w 3']) -> tuple[Float[Array, 'b h w 1'], Target]:
        """Return the generator's input `x` in [-1, 1], float32, and its target, as `target` has it, of sRGB."""

    def target(self, rgb: Float[Array, 'b h w 3']) -> Target:
        """Return `y`, float32, or the class, int32 [b, h, w, 1], of sRGB in [0, 1]."""

    def join(self, x: Float[Array, 'b h w 1'], y: Float[Array, 'b h w c']) -> Float[Array, 'b h w 3']:
        """Return the sRGB picture in [0, 1], float32, of an input and the generator's output for it."""


@dataclasses.dataclass(frozen=True)
class _LightnessAndChroma:
    """Lightness in, chroma / `scale` out."""

    name: ClassVar[str]
    channels: ClassVar[int] = 2
    signed: ClassVar[bool] = True
    categorical: ClassVar[bool] = False
    scale: float

    def __post_init__(self) -> None:
        if not 0 < self.scale < math.inf:
            default = default_fields(self.name)['scale'][1]
            raise UserError(f'space.scale is {self.scale!r}: it must be a positive number, such as {default:g}.')

    def split(self, image: UInt8[Array, 'b h w 3']) -> tuple[Float[Array, 'b h w 1'], Float[Array, 'b h w 2']]:
        """`x` = L*/50 - 1 in [-1, 1] and `y` = chroma / scale."""
        color = convert.FROM_RGB[self.name](to_float(image))
        return color[..., :1] / 50 - 1, color[..., 1:] / self.scale

    def target(self, rgb: Float[Array, 'b h w 3']) -> Float[Array, 'b h w 2']:
        """Chroma / scale."""
        return convert.FROM_RGB[self.name](rgb)[..., 1:] / self.scale

    def join(self, x: Float[Array, 'b h w 1'], y: Float[Array, 'b h w 2']) -> Float[Array, 'b h w 3']:
        """sRGB in [0, 1]; colours outside the gamut are clipped."""
        L = 50 * (x.astype(jnp.float32) + 1)
        return convert.TO_RGB[self.name](jnp.concatenate([L, y.astype(jnp.float32) * self.scale], axis=-1))


@dataclasses.dataclass(frozen=True)
class Lab(_LightnessAndChroma):
    """Lightness in, chroma out: `y` is CIELAB's (a*, b*) / `scale`.

    `scale` 110 is Kanojia23 section 5.1 and holds the sRGB gamut in [-0.98, 0.89]; Akshat23 has 127.5.
    """

    name: ClassVar[str] = 'lab'
    scale: float = 110.0


@dataclasses.dataclass(frozen=True)
class Luv(_LightnessAndChroma):
    """Lightness in, chroma out: `y` is CIELUV's (u*, v*) / `scale` (Ramlal, which names no scale).

    `scale` 175 is the least round one that holds the sRGB gamut, in [-0.77, 1.00], within the range of tanh.
    """

    name: ClassVar[str] = 'luv'
    scale: float = 175.0


@dataclasses.dataclass(frozen=True)
class Rgb:
    """Grey in, the whole picture out: `y` is sRGB.

    `signed` puts it in [-1, 1], the range of tanh (Naim25); otherwise it is in [0, 1], for networks that end
    in ReLU, sigmoid or nothing (Mehani23 sections 4 and 5).
    """

    name: ClassVar[str] = 'rgb'
    channels: ClassVar[int] = 3
    categorical: ClassVar[bool] = False
    signed: bool = True

    def split(self, image: UInt8[Array, 'b h w 3']) -> tuple[Float[Array, 'b h w 1'], Float[Array, 'b h w 3']]:
        """`x` = L*/50 - 1, not luma, so that the input is that of the other spaces; `y` as `target` has it."""
        rgb = to_float(image)
        return convert.rgb_to_lightness(rgb) / 50 - 1, self.target(rgb)

    def target(self, rgb: Float[Array, 'b h w 3']) -> Float[Array, 'b h w 3']:
        """2 rgb - 1 if signed, else rgb."""
        return 2 * rgb - 1 if self.signed else rgb

    def join(self, x: Float[Array, 'b h w 1'], y: Float[Array, 'b h w 3']) -> Float[Array, 'b h w 3']:
        """sRGB in [0, 1], clipped; `x` is not consulted, since `y` says the lightness as well."""
        del x
        y = y.astype(jnp.float32)
        return jnp.clip((y + 1) / 2 if self.signed else y, 0.0, 1.0)


SPACES: dict[str, type] = {space.name: space for space in (Lab, Luv, Rgb, Palette)}


def default_fields(name: str) -> dict[str, tuple[Any, Any]]:
    """Return the fields of the space called `name` that a config may set: (type, default) each."""
    return {field.name: (field.type, field.default) for field in dataclasses.fields(SPACES[name])}


def build_space(config: Mapping[str, Any]) -> Space:
    """Return the space that `config` describes: its `name`, and the fields of that space.

    Raises:
      UserError: no such space, no such field, or a value that the field cannot have.
    """
    options = dict(config)
    name = options.pop('name', None)
    if not isinstance(name, str) or name not in SPACES:
        raise UserError(f'space.name is {name!r}: no such space. Known: {", ".join(SPACES)}.')
    known = default_fields(name)
    for field in options:
        if field not in known:
            raise UserError(f'space.{field}: the {name} space has no such field. Known: {", ".join(["name", *known])}.')
    return SPACES[name](**{field: _value(field, value, known[field][0]) for field, value in options.items()})


_KINDS = {float: 'a number', int: 'a whole number', bool: 'True or False', str: 'a name'}


def _value(field: str, value: Any, kind: Any) -> Any:
    """Return a config's value as a space holds it: 110.0 for the 110 of a person, tuples for the lists of JSON."""
    if kind is float and type(value) is int:
        return float(value)
    if kind in _KINDS and type(value) is not kind:
        raise UserError(f'space.{field} is {value!r}: it must be {_KINDS[kind]}.')
    if kind in _KINDS or value is None:
        return value
    try:
        return tuple(tuple(map(float, row)) if isinstance(row, list | tuple) else float(row) for row in value)
    except (TypeError, ValueError) as error:
        raise UserError(f'space.{field} must hold nothing but numbers: {error}.') from error


def grey(x: Float[Array, 'b h w 1']) -> Float[Array, 'b h w 3']:
    """Return the picture left grey, sRGB in [0, 1] with R = G = B: the baseline that every space shares."""
    return convert.lightness_to_rgb(50 * (x.astype(jnp.float32) + 1))


def flip(image: UInt8[Array, 'b h w c'], key: PRNGKeyArray) -> UInt8[Array, 'b h w c']:
    """Mirrors each picture left to right, or not, by the toss of its own coin."""
    heads = jax.random.bernoulli(key, shape=(image.shape[0], 1, 1, 1))
    return jnp.where(heads, image[:, :, ::-1], image)
