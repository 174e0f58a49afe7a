"""Scores beside those of pictures that were left grey, in words."""

from collections.abc import Mapping

_TITLES = {'psnr': 'PSNR', 'ssim': 'SSIM', 'mae': 'MAE', 'delta_e': 'Delta E'}
_MORE_IS_BETTER = ('psnr', 'ssim')


def worse_than_grey(scores: Mapping[str, int | float], baselines: Mapping[str, int | float]) -> str:
    """Names the measures by which pictures would better have been left grey; empty if there are none.

    Args:
      scores: of the pictures, see `metrics.compare`.
      baselines: of the same pictures in grey.
    """
    worse = [
        title
        for name, title in _TITLES.items()
        if (scores[name] < baselines[name] if name in _MORE_IS_BETTER else scores[name] > baselines[name])
    ]
    return ', '.join(worse)
