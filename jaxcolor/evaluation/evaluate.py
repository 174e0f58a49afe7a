"""The whole test split through the generator, every picture counted once."""

import dataclasses
import functools
import operator
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from clu import metrics as clu_metrics
from flax import linen as nn
from jaxtyping import Array, Bool, Float, PRNGKeyArray, UInt8

from jaxcolor.color.convert import to_float
from jaxcolor.color.palette import Palette
from jaxcolor.color.spaces import Rgb, Space, Target, grey
from jaxcolor.evaluation import measures, metrics

Pictures = Float[Array, 'b h w 3']


def score_names(space: Space, own: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the names of all scores in `space`: of the pictures, one's `own` among them, then of the network's output.

    Those are for a palette `accuracy`, `cross_entropy`, `rgb_distance`; otherwise `target_mae` and
    `target_mse`, in the scale of the network, and in RGB Keras' `accuracy`. `grey_*` are baselines again.
    """
    compared = (*metrics.PICTURES, *own)
    names = (*compared, *(f'grey_{name}' for name in compared), 'colorfulness', 'true_colorfulness')
    if space.categorical:
        return (*names, 'accuracy', 'grey_accuracy', 'cross_entropy', 'rgb_distance', 'grey_rgb_distance')
    accuracy = ('accuracy',) if isinstance(space, Rgb) else ()
    return (*names, 'target_mae', 'target_mse', 'grey_target_mae', 'grey_target_mse', *accuracy)


@functools.cache
def _averages(names: tuple[str, ...]) -> type[clu_metrics.Collection]:
    return clu_metrics.Collection.create(**{name: clu_metrics.Average.from_output(name) for name in names})


@dataclasses.dataclass(frozen=True)
class Colorings:
    """Pictures as a person compares them, each sRGB in [0, 1], float32 [n, h, w, 3]."""

    grey: np.ndarray
    generated: np.ndarray
    true: np.ndarray


def colorize(
    space: Space,
    generator: nn.Module,
    variables: Any,
    image: UInt8[Array, 'b h w 3'],
    rng: PRNGKeyArray | None = None,
) -> tuple[Pictures, Pictures, Pictures]:
    """Return the pictures greyed, coloured by the generator, and as they are; sRGB in [0, 1].

    Where `rng` is given, the generator's dropout draws from it.
    """
    x, _ = space.split(image)
    return grey(x), space.join(x, _predict(generator, variables, x, rng)), to_float(image)


def add_scores(
    space: Space,
    generator: nn.Module,
    axis_name: str,
    averages: Any,
    variables: Any,
    more: measures.OnDevice,
    image: UInt8[Array, 'b h w 3'],
    mask: Bool[Array, ' b'],
    rng: PRNGKeyArray | None = None,
) -> tuple[Any, Any]:
    """Add the scores of one batch, all devices' shares of it, to `averages`; rows that `mask` leaves out don't count.

    Where `rng` is given, the generator's dropout draws from it: it should differ by batch and by device.

    Args:
      space: the generator's.
      generator: a network.
      axis_name: of the devices.
      averages: of `score_names`, but for measures of sets.
      variables: the generator's.
      more: measures beside those that all have.
      image: a device's share of the batch.
      mask: which of it are pictures.
      rng: for dropout.

    Returns:
      `averages` with the batch; and for measures of sets what they extract, by name, of all devices' pictures
      [d, b, …] and with `mask` beside it, or nothing where there are none.
    """
    x, target = space.split(image)
    prediction = _predict(generator, variables, x, rng)
    generated, true, greyed = space.join(x, prediction), to_float(image), grey(x)
    scores = metrics.score(generated, true, greyed, more.pictures)
    if isinstance(space, Palette):
        size = prediction.shape[1:3]
        labels = space.labels(target, size)
        scores |= {
            'accuracy': metrics.class_accuracy(prediction, labels),
            'grey_accuracy': jnp.mean(space.labels(space.target(greyed), size) == labels, axis=(1, 2, 3)),
            'cross_entropy': metrics.cross_entropy(prediction, labels),
            'rgb_distance': metrics.rgb_distance(generated, true),
            'grey_rgb_distance': metrics.rgb_distance(greyed, true),
        }
    else:
        scores |= _errors(prediction, target, space.target(greyed))
    if isinstance(space, Rgb):
        scores['accuracy'] = metrics.channel_accuracy(prediction, target)
    means = _averages(score_names(space, more.pictures))
    averages = averages.merge(means.gather_from_model_output(axis_name=axis_name, mask=mask, **scores))
    extracted = {name: extract(generated, true) for name, extract in more.sets.items()}
    extracted |= {f'grey_{name}': extract(greyed, true) for name, extract in more.sets.items()}
    return averages, jax.lax.all_gather((extracted, mask), axis_name) if extracted else ({}, ())


def _predict(
    generator: nn.Module, variables: Any, x: Float[Array, 'b h w 1'], rng: PRNGKeyArray | None
) -> Float[Array, 'b p q c']:
    prediction = generator.apply(variables, x, train=False, rngs=None if rng is None else {'dropout': rng})
    assert isinstance(prediction, jax.Array)
    return prediction


def _errors(prediction: Target, target: Target, baseline: Target) -> dict[str, metrics.Scores]:
    return {
        'target_mae': metrics.mae(prediction, target),
        'target_mse': metrics.mse(prediction, target),
        'grey_target_mae': metrics.mae(baseline, target),
        'grey_target_mse': metrics.mse(baseline, target),
    }


def evaluate(
    space: Space,
    add: Callable[..., Any],
    place: Callable[[Any], Any],
    variables: Any,
    batches: Iterable[dict[str, np.ndarray]],
    rng: PRNGKeyArray | None = None,
    more: measures.Measures = measures.NONE,
) -> dict[str, int | float]:
    """Return the mean of each of `score_names` over all pictures of `batches`, and their number as `pictures`.

    Measures of sets are those of all pictures together.

    Args:
      space: the generator's.
      add: `add_scores`, mapped over the devices: (averages, variables, more, image, mask) -> (averages, extracted),
        with the batch's own key as a last argument where `rng` is given.
      place: puts the averages, and the weights of measures, on the devices.
      variables: the generator's.
      batches: `image` and `mask`, split among the devices.
      rng: for the generator's dropout, which is off without; a batch has the same key in every evaluation.
      more: measures beside those that all have.
    """
    on_device = place(more.on_device)
    averages = place(_averages(score_names(space, on_device.pictures)).empty())
    sets = {f'{whose}{name}': measure for whose in ('', 'grey_') for name, measure in more.sets.items()}
    states = {name: measure.init() for name, measure in sets.items()}
    for number, batch in enumerate(batches):
        keys = () if rng is None else (jax.random.fold_in(rng, number),)
        averages, gathered = add(averages, variables, on_device, batch['image'], batch['mask'], *keys)
        extracted, mask = jax.device_get(gathered)
        for name, measure in sets.items():
            states[name] = measure.update(states[name], jax.tree.map(operator.itemgetter(mask), extracted[name]))
    averages = jax.device_get(averages)
    scores = averages.compute() | {name: measure.finish(states[name]) for name, measure in sets.items()}
    return {name: float(value) for name, value in scores.items()} | {'pictures': int(averages.mae.count)}
