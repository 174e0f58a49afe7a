"""Work directories with the records of a run that nobody has trained: real files, numbers of one's choice."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from jaxcolor import config as configs
from jaxcolor.evaluation.figures import sample_grid, write_png

GREY = {'grey_psnr': 24.0, 'grey_ssim': 0.93, 'grey_mae': 0.05, 'grey_delta_e': 10.0}


def write_run(
    path: Path,
    scores: list[dict[str, float]],
    losses: list[dict[str, float]] | None = None,
    fields: dict[str, Any] | None = None,
    pictures: np.ndarray | None = None,
) -> Path:
    """Writes a run of the default config, with some fields changed, and returns its path.

    Args:
      path: the work directory.
      scores: the evaluations, each with its step; the rest is that of fair ones on the same ten pictures.
      losses: the lines of `losses.jsonl`.
      fields: by dotted names.
      pictures: the true ones, uint8 [n, s, s, 3], of which it draws a darker copy; none are drawn without.
    """
    config = configs.default()
    config.data.update(image_size=32, batch_size=10)
    config.num_steps = 100
    config.update_from_flattened_dict(fields or {})
    path.mkdir(parents=True)
    (path / 'config.json').write_text(configs.to_json(config))
    fair = {'psnr': 25.0, 'ssim': 0.94, 'mae': 0.04, 'delta_e': 9.0, 'colorfulness': 20.0, 'true_colorfulness': 33.7}
    lines = [{'pictures': 10, **fair, **GREY, **own} for own in scores]
    (path / 'evaluations.jsonl').write_text(''.join(json.dumps(line) + '\n' for line in lines))
    (path / 'losses.jsonl').write_text(''.join(json.dumps(line) + '\n' for line in losses or []))
    if pictures is not None:
        grey = pictures.mean(axis=-1, keepdims=True).repeat(3, axis=-1).astype(np.uint8)
        for line in lines:
            write_png(sample_grid(grey, pictures // 2, pictures), path / 'samples' / f'{line["step"]}.png')
    return path
