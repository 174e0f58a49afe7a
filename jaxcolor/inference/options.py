"""How pictures are coloured: what people may choose, and what a model has of it."""

import math
from typing import Any, NamedTuple, TypedDict

from jaxcolor.color.palette import Palette
from jaxcolor.color.spaces import Space
from jaxcolor.errors import UserError

MOST_SATURATION = 4  # from Python, on the command line and in the API


class Options(NamedTuple):
    """How pictures are coloured; see `Colorizer.__call__`."""

    saturation: float = 1.0
    temperature: float | None = None
    samples: int | None = None
    seed: int = 0
    flip_average: bool = False
    vividness: float | None = None
    warmth: float = 0.0


class Knobs(TypedDict, total=False):
    """What `Colorizer.__call__` takes by name, but for `samples`."""

    saturation: float
    temperature: float | None
    seed: int
    flip_average: bool
    vividness: float | None
    warmth: float
    hints: Any


def check(options: Options, space: Space, *, can_sample: bool) -> None:
    """Check that a model has what `options` asks for.

    Args:
      options: what is asked for.
      space: of the model.
      can_sample: whether its generator has dropout.

    Raises:
      UserError: it has not, or a number is out of range.
    """
    if not 0 <= options.saturation <= MOST_SATURATION:
        bounds = f'0 (grey) to {MOST_SATURATION}, 1 as the network says'
        raise UserError(f'saturation={options.saturation} is out of range; use {bounds}')
    if not -1 <= options.warmth <= 1:
        raise UserError(f'warmth={options.warmth} is out of range; use -1 (cool) to 1 (warm)')
    for name, example in (('temperature', 0.38), ('vividness', 0.2)):
        value = getattr(options, name)
        if value is None:
            continue
        if not isinstance(space, Palette):
            raise UserError(f'{name}={value}: only palettes have one, the space is {space.name!r}')
        if not 0 <= value < math.inf:
            raise UserError(f'{name}={value} is out of range; use 0 or more, such as {example}')
    if options.vividness and not getattr(space, 'frequencies', None):
        raise UserError(f'vividness={options.vividness}: this palette has no frequencies; leave it out')
    if options.samples is not None:
        if options.samples < 1:
            raise UserError(f'samples={options.samples} is too small; use 1 or more')
        if not can_sample:
            raise UserError(f'samples={options.samples}: the network has no dropout, and always says the same')
    if not 0 <= options.seed < 2**32:
        raise UserError(f'seed={options.seed} is out of range; use 0 to 2^32 - 1')
