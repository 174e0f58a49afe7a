"""LPIPS: how far apart two pictures are in the features of a network, weighed as people judge them."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxcolor.errors import UserError
from jaxcolor.models.lpips_backbones import Backbone, BackboneFeatures, features_count
from jaxcolor.models.torch_weights import listed

Pictures = Float[Array, 'b h w 3']

# ImageNet's means and deviations as the authors have them, of pictures in [-1, 1].
_SHIFT = np.array([-0.030, -0.088, -0.188], np.float32)
_SCALE = np.array([0.458, 0.448, 0.450], np.float32)
_EPSILON = 1e-10  # of a feature vector's length


def distance(
    network: BackboneFeatures, params: Any, heads: list[Float[Array, ' _']], generated: Pictures, true: Pictures
) -> Float[Array, ' b']:
    """Return LPIPS, version 0.1, of each pair of pictures: 0 for the same, less is better.

    Zhang et al. 2018, "The unreasonable effectiveness of deep features as a perceptual metric".

    Args:
      network: the backbone.
      params: of it.
      heads: what the squared difference of each channel counts for, for each stage.
      generated: sRGB in [0, 1].
      true: the same.
    """
    with jax.default_matmul_precision('highest'):
        one, other = (_unit_features(network, params, pictures) for pictures in (generated, true))
    # Products of floats as they are, not in the shorter ones that accelerators like.
    by_stage = [
        jnp.mean(jnp.sum(jnp.square(a - b) * head[None, None, None], axis=-1), axis=(1, 2))
        for a, b, head in zip(one, other, heads, strict=True)
    ]
    return jnp.sum(jnp.stack(by_stage), axis=0)


def _unit_features(network: BackboneFeatures, params: Any, pictures: Pictures) -> list[Array]:
    features: Any = network.apply(
        {'params': params}, (2 * pictures - 1 - _SHIFT[None, None, None]) / _SCALE[None, None, None]
    )
    return [f / (jnp.sqrt(jnp.sum(jnp.square(f), axis=-1, keepdims=True)) + _EPSILON) for f in features]


def heads_from(entries: Mapping[str, np.ndarray], backbone: Backbone) -> list[Float[Array, ' _']]:
    """Return the heads of a state dict of the `lpips` package, `lin0.model.1.weight` and so on.

    Raises:
      UserError: they are no heads, or those of another backbone.
    """
    shapes = {f'lin{i}.model.1.weight': (1, count, 1, 1) for i, count in enumerate(features_count(backbone))}
    if odd := entries.keys() ^ shapes.keys():
        raise UserError(f"not LPIPS' heads for {backbone.title}, lin0.model.1.weight to lin4: see {listed(set(odd))}")
    for name, shape in shapes.items():
        if entries[name].shape != shape:
            raise UserError(
                f"not LPIPS' heads for {backbone.title}: {name} has shape {entries[name].shape}, not {shape}"
            )
    return [jnp.asarray(entries[name].reshape(-1), jnp.float32) for name in shapes]
