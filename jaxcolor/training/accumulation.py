"""Gradient accumulation: a batch in microbatches, one after the other, in the memory of one of them.

The gradient of a mean over the batch is the mean of the microbatches' gradients, so that the parameters become those of
the whole batch. But a network that looks at pictures together sees a microbatch where it saw a batch: BatchNorm's
statistics are of a microbatch ("ghost batch norm", Hoffer et al. 2017), its running ones and the singular vectors of
spectral norm move once for each, and dropout draws for each. Equality is exact for the norms `instance` and `none`
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


class Microbatch(NamedTuple):
    """Pictures that go through the networks together, and the keys of all that is drawn for them."""

    x: Float[Array, '*count b h w 1']
    y: Target
    generator_rng: PRNGKeyArray
    discriminator_rng: PRNGKeyArray
    adversarial_rng: PRNGKeyArray  # of the discriminator in the generator's loss
    hints: Float[Array, '*count b p q 3'] | None = None


class Gradients(NamedTuple):
    """Of a player's loss to its parameters; its BatchNorm statistics after the forward pass, and the loss's terms."""

    gradients: Any
    batch_stats: Any
    terms: Terms


def split(batch: Microbatch, count: int) -> Microbatch:
    """Return microbatches along a new first axis: pictures [n, …] as [count, n / count, …], with a key for each."""
    x, y, hints = jax.tree.map(lambda a: a.reshape(count, -1, *a.shape[1:]), (batch.x, batch.y, batch.hints))
    split_rng = partial(jax.random.split, num=count)
    return Microbatch(
        x,
        y,
        split_rng(batch.generator_rng),
        split_rng(batch.discriminator_rng),
        split_rng(batch.adversarial_rng),
        hints,
    )


def accumulate(
    step: Callable[[Any, Microbatch], Gradients], params: Any, batch_stats: Any, microbatches: Microbatch
) -> Gradients:
    """Run `step` on each microbatch in turn.

    Args:
      step: (batch_stats, microbatch) -> gradients.
      params: of the player.
      batch_stats: before the first microbatch; each of the others starts from what the one before it left.
      microbatches: of `split`.

    Returns:
      The mean gradients and mean terms, and the statistics after the last microbatch.
    """

    def add(carry: tuple[Any, Any], microbatch: Microbatch) -> tuple[tuple[Any, Any], Terms]:
        total, batch_stats = carry
        each = step(batch_stats, microbatch)
        return (jax.tree.map(jnp.add, total, each.gradients), each.batch_stats), each.terms

    zeros = jax.tree.map(jnp.zeros_like, params)
    (total, batch_stats), terms = jax.lax.scan(add, (zeros, batch_stats), microbatches)
    mean = jax.tree.map(lambda a: a / len(microbatches.x), total)
    return Gradients(mean, batch_stats, jax.tree.map(jnp.mean, terms))
