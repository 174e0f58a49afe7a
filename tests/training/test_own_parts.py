"""A network of the user's own, in a module that the package does not know, trains and colours."""

import numpy as np

from jaxcolor import Colorizer, train
from jaxcolor import config as configs

MODULE = """
import jax.numpy as jnp
from flax import linen as nn


class Pointwise(nn.Module):
    out_channels: int
    filters: int = 4
    output_activation: str = 'tanh'
    dtype: object = jnp.float32
    axis_name: str | None = None

    def check_size(self, height, width):
        pass

    def has_dropout(self):
        return False

    @nn.compact
    def __call__(self, x, train):
        x = nn.relu(nn.Conv(self.filters, (3, 3), dtype=self.dtype)(x))
        return jnp.tanh(nn.Conv(self.out_channels, (1, 1), dtype=self.dtype)(x)).astype(jnp.float32)
"""


def test_a_network_of_ones_own_trains_and_colours(tmp_path, monkeypatch):
    (tmp_path / 'own_networks.py').write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    config = configs.default()
    configs.choose(config, 'generator', 'own_networks:Pointwise', filters=6)
    configs.smoke(config, image_size=16)
    config.discriminator = None
    config.update(num_steps=2, eval_every=2, checkpoint_every=2)
    config.data.source = 'bundled'
    scores = train(config, tmp_path / 'run')
    assert scores['step'] == 2
    colorizer = Colorizer.restore(str(tmp_path / 'run'))
    assert colorizer.generator.filters == 6
    grey = np.full((20, 24, 1), 100, np.uint8)
    assert colorizer(grey).shape == (20, 24, 3)
