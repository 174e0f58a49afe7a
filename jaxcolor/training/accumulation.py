"""Gradient accumulation: a batch in parts that go through one after the other, in the memory of one of them.

The gradient of a mean over the batch is the mean of the parts' gradients, so that the parameters become those of
the whole batch. But a network that looks at pictures together sees a part where it saw a batch: BatchNorm's
statistics are of a part ("ghost batch norm", Hoffer et al. 2017), its running ones and the singular vectors of
spectral norm move once a part, and dropout draws for each. Equality is exact for the norms `instance` and `none`
without spectral norm and dropout.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from jaxcolor.color.spaces import Target

Terms = dict[str, Float[Array, '']]


class Part(NamedTuple):
    """Pictures that go through the networks together, and the keys of all that is drawn on their way."""

    x: Float[Array, '*parts b h w 1']
    y: Target
    generator_rng: PRNGKeyArray
    discriminator_rng: PRNGKeyArray
    verdict_rng: PRNGKeyArray
    hints: Float[Array, '*parts b p q 3'] | None = None


class Lesson(NamedTuple):
    """What a player learns from a part: the gradient of its loss, its statistics afterwards, the terms of the loss."""

    gradient: Any
    batch_stats: Any
    terms: Terms


def split(batch: Part, count: int) -> Part:
    """Returns the parts of a batch along a new first axis: pictures [n, …] as [count, n / count, …], a key for each."""
    x, y, hints = jax.tree.map(lambda a: a.reshape(count, -1, *a.shape[1:]), (batch.x, batch.y, batch.hints))
    split_rng = partial(jax.random.split, num=count)
    return Part(
        x, y, split_rng(batch.generator_rng), split_rng(batch.discriminator_rng), split_rng(batch.verdict_rng), hints
    )


def accumulate(learn: Callable[[Any, Part], Lesson], params: Any, batch_stats: Any, parts: Part) -> Lesson:
    """Takes the lesson of each part in turn.

    Args:
      learn: (statistics, part) -> lesson.
      params: of the player who learns.
      batch_stats: before the first part; each of the others starts from what the one before it left.
      parts: of `split`.

    Returns:
      The parts' mean gradient and mean terms, and the statistics after the last one.
    """

    def add(carry: tuple[Any, Any], part: Part) -> tuple[tuple[Any, Any], Terms]:
        total, batch_stats = carry
        lesson = learn(batch_stats, part)
        return (jax.tree.map(jnp.add, total, lesson.gradient), lesson.batch_stats), lesson.terms

    zeros = jax.tree.map(jnp.zeros_like, params)
    (total, batch_stats), terms = jax.lax.scan(add, (zeros, batch_stats), parts)
    mean = jax.tree.map(lambda a: a / len(parts.x), total)
    return Lesson(mean, batch_stats, jax.tree.map(jnp.mean, terms))
