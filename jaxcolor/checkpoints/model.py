"""A trained generator: its config, its space, its network and its variables."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from flax import linen as nn

from jaxcolor.color.spaces import Space, build_space
from jaxcolor.models import build_generator

OTHER_SIZES = 'batch_stats_of_other_sizes'  # in `variables`: by the size in pixels


class Model(NamedTuple):
    """A trained generator and how its words are read."""

    config: ml_collections.ConfigDict
    step: int
    space: Space
    generator: nn.Module
    variables: dict[str, Any]  # float32, on the host
    discriminator: dict[str, Any] | None = None  # its variables, where they were asked for and there are any

    def variables_at(self, size: int) -> dict[str, Any]:
        """Return the variables for pictures whose shorter side is `size` pixels.

        BatchNorm's statistics hold for one size. Those of others are in `variables` under `OTHER_SIZES`, where they
        have been taken (`training.average`); between two sizes they follow the logarithm, beyond the last they stay.
        """
        variables = dict(self.variables)
        others = variables.pop(OTHER_SIZES, {})
        if others:
            known = {self.config.data.image_size: variables['batch_stats']} | {int(key): others[key] for key in others}
            sizes = sorted(known)
            place = np.interp(np.log(size), np.log(sizes), np.arange(len(sizes)))
            below, share = sizes[int(place)], np.float32(place % 1)
            above = sizes[min(int(place) + 1, len(sizes) - 1)]
            variables['batch_stats'] = jax.tree.map(
                lambda a, b: (1 - share) * a + share * b, known[below], known[above]
            )
        return variables


def build(config: ml_collections.ConfigDict) -> tuple[Space, nn.Module]:
    """Return the space and the generator that a config describes."""
    space = build_space(config.space.to_dict())
    return space, build_generator(config.generator.to_dict(), space.channels, dtype=jnp.dtype(config.dtype))
