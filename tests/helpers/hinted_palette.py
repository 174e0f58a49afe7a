"""A generator over a palette that takes colour hints: for tests of what people choose from, and what becomes of it."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from helpers.hinted import Obedient

from jaxcolor import Colorizer
from jaxcolor import config as configs
from jaxcolor.checkpoints.model import Model
from jaxcolor.color.palette import Palette

CENTERS = tuple((float(a), float(b)) for a in range(-80, 81, 20) for b in range(-80, 81, 20))
PLAIN = (10.0, 20.0)  # a*, b* without hints


class ObedientPalette(Obedient):
    """Thinks a hint's colour likeliest at its place, elsewhere the mean of all hints, and brown where there is none."""

    @nn.compact
    def __call__(self, x, train, hints=None):
        scale = self.param('scale', nn.initializers.constant(1 / 200), ())
        b, h, w, _ = x.shape
        mean = jnp.broadcast_to(jnp.asarray(PLAIN, jnp.float32), (b, h // 4, w // 4, 2))
        if hints is not None:
            given = hints[..., 2:]
            count = given.sum((1, 2), keepdims=True)
            average = hints[..., :2].sum((1, 2), keepdims=True) / jnp.maximum(count, 1)
            mean = jnp.where(count > 0, 110 * average, mean)
            mean = jnp.where(given > 0, 110 * hints[..., :2], mean)
        distances = mean[..., None, :] - jnp.asarray(CENTERS)[None, None, None]
        return -scale * jnp.square(distances).sum(-1)


def obedient_palette():
    """Returns a `Colorizer` with that generator."""
    config = configs.default()
    config.data.image_size = 16
    config.generator.name = 'obedient'
    space = Palette(
        len(CENTERS), 'lab', temperature=1.0, centers=CENTERS, frequencies=(1 / len(CENTERS),) * len(CENTERS)
    )
    generator = ObedientPalette()
    variables = generator.init(jax.random.key(0), np.zeros((1, 16, 16, 1), np.float32), False)
    return Colorizer(Model(config, 0, space, generator, variables))
