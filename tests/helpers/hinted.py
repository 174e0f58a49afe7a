"""A generator that takes colour hints and does as they say: for tests of what reaches it, and where."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from jaxcolor import Colorizer
from jaxcolor import config as configs
from jaxcolor.checkpoints.model import Model
from jaxcolor.color.spaces import Lab


class Obedient(nn.Module):
    """Shows hints at their places, and elsewhere a chroma that goes by lightness and from left to right.

    Attributes:
      noise: of dropout, where there is a key for it.
    """

    hints: bool = True
    noise: float = 0.0
    output_activation: str = 'identity'

    def check_size(self, height, width):
        if height % 4 or width % 4:
            from jaxcolor.errors import UserError

            raise UserError('no multiple of 4')

    def has_dropout(self):
        return bool(self.noise)

    @nn.compact
    def __call__(self, x, train, hints=None):
        slope = self.param('slope', nn.initializers.constant(0.2), (2,))
        across = jnp.linspace(-0.1, 0.1, x.shape[2])[None, None, :, None]
        y = x * slope[None, None, None] + across
        if self.has_rng('dropout'):
            y = y + self.noise * jax.random.normal(self.make_rng('dropout'), y.shape)
        if hints is None:
            return y
        large = hints.repeat(4, axis=1).repeat(4, axis=2)
        return jnp.where(large[..., 2:] > 0, large[..., :2], y)


def obedient(image_size=16, **fields):
    """Returns a `Colorizer` with that generator, in Lab."""
    config = configs.default()
    config.data.image_size = image_size
    generator = Obedient(**fields)
    variables = generator.init(jax.random.key(0), np.zeros((1, 16, 16, 1), np.float32), False)
    return Colorizer(Model(config, 0, Lab(), generator, variables))
