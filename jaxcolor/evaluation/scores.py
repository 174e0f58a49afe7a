"""What is measured: one registry for tables, curves, early stopping and the choice of the best checkpoint.

The functions are in `metrics`, under these names. This file imports neither JAX nor what it needs: inference reads it.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

from jaxcolor import own_parts
from jaxcolor.errors import UserError


class Score(NamedTuple):
    """How a score is shown and compared."""

    title: str
    unit: str
    higher_is_better: bool = False

    @property
    def meaning(self) -> str:
        """The unit, and what to wish for."""
        return f'{self.unit}, {"more" if self.higher_is_better else "less"} is better'


PICTURES = {
    'psnr': Score('PSNR', 'dB', higher_is_better=True),
    'ssim': Score('SSIM', 'at most 1', higher_is_better=True),
    'mae': Score('MAE', 'of 1'),
    'delta_e': Score('Delta E', 'CIEDE2000'),
}
_SET_MEASURE = ('extract', 'init', 'update', 'finish')
COLORFULNESS = Score('colorfulness', 'on 0-255', higher_is_better=True)
# Only where a config asks for them, see `measures`.
_OF_NETWORKS = {
    'frechet_lite0': Score('Fréchet, Lite0', 'no FID'),
    'fid': Score('FID', 'of Inception-v3'),
    'lpips_alex': Score('LPIPS, AlexNet', '0 is the same'),
    'lpips_vgg': Score('LPIPS, VGG-16', '0 is the same'),
}
SCORES = {
    **PICTURES,
    **_OF_NETWORKS,
    'accuracy': Score('accuracy', 'of 1', higher_is_better=True),
    'cross_entropy': Score('cross-entropy', 'nats'),
    'rgb_distance': Score('RGB distance', 'on 0-255'),
    'target_mae': Score('target MAE', "in the network's scale"),
    'target_mse': Score('target MSE', "in the network's scale"),
    'colorfulness': COLORFULNESS,
}


def find(name: str) -> Score:
    """Return the score called `name`: one of `SCORES`, or `my_metrics:warmth`, see `docs/own-parts.md`.

    What is one's own has the attribute `higher_is_better = True` where that is so.

    Raises:
      UserError: there is none.
    """
    found = own_parts.find('metric', name, SCORES)
    if isinstance(found, Score):
        return found
    function = callable(found) and not isinstance(found, type)
    if not function and not all(hasattr(found, part) for part in _SET_MEASURE):
        raise UserError(
            f'metric={name} is no function; use one of (generated, true) that returns a number a picture, '
            f'or a measure of a set, which has {", ".join(_SET_MEASURE)}'
        )
    return Score(key(name), 'a metric of your own', higher_is_better=getattr(found, 'higher_is_better', False))


def key(name: str) -> str:
    """Return the name that a score has in records: that of the function, for one's own."""
    return name.rpartition(':')[2]


def goodness(name: str, scores: Mapping[str, int | float]) -> float:
    """Return the score called `name` so that more is better; minus infinity if it was not measured.

    Raises:
      UserError: see `find`.
    """
    value = scores.get(key(name), math.nan)
    if math.isnan(value):
        return -math.inf
    return value if find(name).higher_is_better else -value


def worse_than_baseline(metric: str, scores: Mapping[str, int | float]) -> bool:
    """Return whether an evaluation is worse than leaving its pictures grey; so is a score that is not a number.

    Args:
      metric: by which; a score that grey has none of gives way to `delta_e`.
      scores: of the evaluation, its baselines among them.
    """
    if f'grey_{key(metric)}' not in scores:
        metric = 'delta_e'
    baseline = scores.get(f'grey_{key(metric)}', math.nan)
    return goodness(metric, scores) < goodness(metric, {key(metric): baseline})


def worse_than_grey(scores: Mapping[str, int | float], baselines: Mapping[str, int | float]) -> str:
    """Name the scores of `PICTURES` by which they would better have been left grey; empty if there are none.

    Args:
      scores: of the pictures, see `metrics.compare`.
      baselines: of the same pictures in grey.
    """
    return ', '.join(
        score.title for name, score in PICTURES.items() if goodness(name, scores) < goodness(name, baselines)
    )
