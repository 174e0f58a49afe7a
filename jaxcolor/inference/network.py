"""Small copies of pictures through the network: few shapes, so few programs, and what it says of each."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Bool, Float, PRNGKeyArray, UInt8

from jaxcolor.color.palette import Palette
from jaxcolor.color.resampling import enlarge
from jaxcolor.color.spaces import Space
from jaxcolor.imaging import arrays
from jaxcolor.inference import render

LONGEST = 4  # sides beyond 4:1 are squeezed for the network, not for the result
_REACH = 0.2  # of a hint: the width of a Gaussian, as a share of the shorter side


class Shapes(NamedTuple):
    """The shapes that a network is given.

    Attributes:
      side: the shorter side of each, in pixels; a multiple of `step`.
      step: what the network can halve.
    """

    side: int
    step: int

    def sides(self) -> list[int]:
        """Return the longer sides: by thirds up to 2:1, where most photographs are, then 3:1 and 4:1."""
        grain = up_to_multiple(-(-self.side // 3), self.step)
        longer = {*range(self.side, 2 * self.side, grain), *range(2 * self.side, LONGEST * self.side + 1, self.side)}
        return sorted(longer)

    def all(self) -> list[tuple[int, int]]:
        """Return every shape, the commonest first: square, then 4:3 and 3:4, 3:2 and 2:3, and so on."""
        return [
            shape
            for long in self.sides()
            for shape in dict.fromkeys([(self.side, long), (long, self.side)])
        ]  # fmt: skip

    def plan(self, height: int, width: int) -> 'Plan':
        """Return how a picture of this size passes through the network."""
        ratio = self.side / min(height, width)
        content = tuple(min(round(side * ratio), LONGEST * self.side) for side in (height, width))
        shape = tuple(next(long for long in self.sides() if long >= side) for side in content)
        return Plan((content[0], content[1]), (shape[0], shape[1]), max(height, width) > max(content))


class Plan(NamedTuple):
    """How a picture passes through the network: scaled to `content`, mirrored at its ends up to `shape`."""

    content: tuple[int, int]
    shape: tuple[int, int]
    filtered: bool  # along the edges of lightness, for pictures larger than this


class SmallCopy(NamedTuple):
    """What the network sees of a picture, mirrored or not; see `color.hints`."""

    pixels: UInt8[np.ndarray, 'h w 3']
    plan: Plan
    mirrored: bool = False
    hints: Float[np.ndarray, 'h//4 w//4 3'] | None = None

    def mirror(self) -> 'SmallCopy':
        """Return that of the mirror image."""
        hints = None if self.hints is None else self.hints[:, ::-1]
        return self._replace(pixels=self.pixels[:, ::-1], mirrored=not self.mirrored, hints=hints)


def small_copy(pixels: arrays.Pixels, plan: Plan) -> SmallCopy:
    """Return the small copy of a picture [h, w, 1 | 3], without hints."""
    small = arrays.thumbnail(pixels, *plan.content)
    padding = [(0, s - c) for s, c in zip(plan.shape, plan.content, strict=True)]
    return SmallCopy(np.pad(small, [*padding, (0, 0)], 'symmetric'), plan)


@partial(jax.jit, static_argnames=('generator', 'space', 'rows'))
def predict(
    variables: Any,
    image: UInt8[Array, 'b h w 3'],
    filtered: Bool[Array, ' b'],
    mirrored: Bool[Array, ' b'],
    key: PRNGKeyArray | None,
    temperature: Float[Array, ''],
    vividness: Float[Array, ''],
    hints: Float[Array, 'b h//4 w//4 3'] | None,
    *,
    generator: nn.Module,
    space: Space,
    rows: int,
) -> tuple[list[Float[Array, '{rows} 4']], Float[Array, 'b p q c'] | None]:
    """Return what the generator says to each small picture, as the functions that `render.to_lab` applies.

    Where there are hints, its output as it is comes as well: who gives hints wants to know what else is likely.

    Args:
      variables: the generator's.
      image: sRGB.
      filtered: along the edges of lightness, for pictures larger than these.
      mirrored: the functions are of the picture as it was before somebody mirrored it.
      key: of the generator's dropout, the same noise for every picture; None for no dropout.
      temperature: what a palette's logits are divided by.
      vividness: what its log frequencies are multiplied by and taken from the logits, before that.
      hints: that each picture is given; None for none at all, of a generator that may know none.
      generator: in inference: norms by their running statistics.
      space: the generator's.
      rows: of the functions, h * w or more: equally many whatever the shape.
    """
    x, _ = space.split(image)

    def apply(**given: Any) -> Any:
        if key is None:
            return generator.apply(variables, x, train=False, **given)

        # One picture at a time sees the noise, so that it does not depend on the batch.
        def one(x: Array, given: dict[str, Any]) -> Any:
            x, given = jax.tree.map(lambda leaf: leaf[None], (x, given))
            return generator.apply(variables, x, train=False, rngs={'dropout': key}, **given)[0]

        return jax.vmap(one)(x, given)

    y = apply()
    output = closeness = None
    if hints is not None:
        output, closeness = apply(hints=hints), near(hints, y.shape[1:3])
        y = y + closeness * (output - y)
    if isinstance(space, Palette):
        chroma = decode(space, y, temperature, vividness, closeness, lambda space, y: render.chroma(space, x, y))
    else:
        chroma = render.chroma(space, x, y)
    guided = render.guide((x.astype(jnp.float32) + 1) / 2, chroma)
    functions = jnp.where(filtered[:, None, None, None], guided, render.constant(chroma))
    functions = jnp.where(mirrored[:, None, None, None], functions[:, :, ::-1], functions)
    batch, height, width, _ = functions.shape
    padding = (0, 0), (0, rows - height * width), (0, 0)
    return list(jnp.pad(functions.reshape(batch, height * width, 4), padding)), output


def decode(
    space: Palette,
    y: Float[Array, 'b p q k'],
    temperature: Float[Array, ''],
    vividness: Float[Array, ''],
    closeness: Float[Array, 'b p q 1'] | None,
    chroma: Callable[[Palette, Array], Float[Array, 'b h w 2']],
) -> Float[Array, 'b h w 2']:
    """Return a* and b* of a palette's logits. Near hints it is their plain mean, for there the colour is known.

    Args:
      space: with a `temperature` of 1 and a `vividness` of 0, for they are given.
      y: logits.
      temperature: what they are divided by.
      vividness: see `Palette`.
      closeness: to hints, see `near`; None without any.
      chroma: of a space and logits, whether enlarged or not.
    """
    if space.frequencies:
        strength = vividness if closeness is None else vividness * (1 - closeness)
        y = y - strength * space.log_frequencies()[None, None, None]
    y = y / temperature
    color = chroma(space, y)
    if closeness is None:
        return color
    plain = chroma(dataclasses.replace(space, estimate='mean', saturation=1.0), y)
    return color + enlarge(closeness, color.shape[1:3]) * (plain - color)


def near(hints: Float[Array, 'b p q 3'], size: Sequence[int]) -> Float[Array, 'b r s 1']:
    """Return how much each place goes by the hints, from 1 at one of them to 0 far from all.

    A network that has seen true hints takes one vivid colour for the light of a whole picture. Who gives a hint means
    a thing, not the whole picture.

    Args:
      hints: see `color.hints`.
      size: of the result (r, s).
    """
    rows, columns = (np.arange(length, dtype=np.float32) for length in hints.shape[1:3])
    across = -0.5 * np.square((columns[:, None] - columns) / (_REACH * min(hints.shape[1:3])))
    down = -0.5 * np.square((rows[:, None] - rows) / (_REACH * min(hints.shape[1:3])))
    given = jnp.where(hints[..., 2] > 0, 0.0, -jnp.inf)
    # A Gaussian of the distance is one of its parts: the nearest is found along each side in turn.
    nearest = jnp.max(given[:, :, None, :] + across[None, None], axis=-1)
    nearest = jnp.max(nearest[:, None] + down[None, :, :, None], axis=2)
    return enlarge(jnp.exp(nearest)[..., None], size)


def up_to_multiple(number: int, step: int) -> int:
    """Return the least multiple of `step` that is no less than `number`, and than `step`."""
    return max(1, -(-number // step)) * step
