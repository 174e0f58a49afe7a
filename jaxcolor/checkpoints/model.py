"""A trained generator: its config, its space, its network and its variables."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import ml_collections
from flax import linen as nn

from jaxcolor.color.spaces import Space, build_space
from jaxcolor.models import build_generator


class Model(NamedTuple):
    """A trained generator and how its words are read."""

    config: ml_collections.ConfigDict
    step: int
    space: Space
    generator: nn.Module
    variables: dict[str, Any]  # float32, on the host
    discriminator: dict[str, Any] | None = None  # its variables, where they were asked for and there are any


def build(config: ml_collections.ConfigDict) -> tuple[Space, nn.Module]:
    """Return the space and the generator that a config describes."""
    space = build_space(config.space.to_dict())
    return space, build_generator(config.generator.to_dict(), space.channels, dtype=jnp.dtype(config.dtype))
