"""The whole test split through the generator, every picture counted once."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np
from clu import metrics as clu_metrics
from flax import linen as nn
from jaxtyping import Array, Bool, Float, UInt8

from jaxcolor.color.spaces import Space, grey, to_float
from jaxcolor.evaluation.metrics import score

_NAMES = ('mae', 'psnr', 'ssim', 'delta_e')
SCORES = (*_NAMES, *(f'grey_{name}' for name in _NAMES), 'colorfulness', 'true_colorfulness')

_Totals = clu_metrics.Collection.create(**{name: clu_metrics.Average.from_output(name) for name in SCORES})


@dataclasses.dataclass(frozen=True)
class Colorings:
    """Pictures as a person compares them, each sRGB in [0, 1], float32 [n, h, w, 3]."""

    grey: np.ndarray
    generated: np.ndarray
    true: np.ndarray


def colorize(
    space: Space, generator: nn.Module, variables: Any, image: UInt8[Array, 'b h w 3']
) -> tuple[Float[Array, 'b h w 3'], Float[Array, 'b h w 3'], Float[Array, 'b h w 3']]:
    """Returns the pictures greyed, coloured by the generator, and as they are; sRGB in [0, 1]."""
    x, _ = space.split(image)
    prediction = generator.apply(variables, x, train=False)
    assert isinstance(prediction, jax.Array)
    return grey(x), space.join(x, prediction), to_float(image)


def add_scores(
    space: Space,
    generator: nn.Module,
    axis_name: str,
    totals: Any,
    variables: Any,
    image: UInt8[Array, 'b h w 3'],
    mask: Bool[Array, ' b'],
) -> Any:
    """Adds the scores of one batch, all devices' shares of it, to `totals`; rows that `mask` leaves out don't count."""
    greyed, generated, true = colorize(space, generator, variables, image)
    scores = score(generated, true, greyed)
    return totals.merge(_Totals.gather_from_model_output(axis_name=axis_name, mask=mask, **scores))


def evaluate(
    add: Callable[..., Any], place: Callable[[Any], Any], variables: Any, batches: Iterable[dict[str, np.ndarray]]
) -> dict[str, int | float]:
    """Returns the mean of each of `SCORES` over all pictures of `batches`, and their number as `pictures`.

    Args:
      add: `add_scores`, mapped over the devices: (totals, variables, image, mask) -> totals.
      place: puts the totals on the devices.
      variables: the generator's.
      batches: `image` and `mask`, split among the devices.
    """
    totals = place(_Totals.empty())
    for batch in batches:
        totals = add(totals, variables, batch['image'], batch['mask'])
    totals = jax.device_get(totals)
    return {name: float(value) for name, value in totals.compute().items()} | {'pictures': int(totals.mae.count)}
