"""Work directories of runs that took no steps: a real config.json, a real checkpoint, weights as initialised."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import ml_collections

from jaxcolor import config as configs
from jaxcolor.checkpoints.manager import Checkpoints
from jaxcolor.checkpoints.workdir import claim
from jaxcolor.training.state import build_system
from jaxcolor.training.train import create

_GENERATORS: dict[str, dict[str, Any]] = {
    'unet': {'depth': 3, 'filters': 4, 'dropout_layers': 1, 'initializer': 'glorot'},  # which says colours, not grey
    'dcgan': {'filters': 4},
    'conv_unet': {'filters': 4, 'depth': 3},
    'valid': {'filters': 2, 'output_activation': 'tanh'},
    'resnet_unet': {},
}


def run_maker(new_folder: Callable[[str], Path]) -> Callable[..., Path]:
    """Returns a function that makes the work directory of a run, in folders that `new_folder` gives.

    `make_run(name, space='lab', space_fields={…}, generator_fields={…}, image_size=32, steps=(1,), scores={…},
    **fields of the config)`; the same arguments give the same directory.
    """
    made: dict[str, Path] = {}

    def make(
        name: str = 'unet',
        *,
        space: str = 'lab',
        space_fields: dict[str, Any] | None = None,
        generator_fields: dict[str, Any] | None = None,
        image_size: int = 32,
        steps: tuple[int, ...] = (1,),
        delta_e: tuple[float, ...] = (),
        **fields: Any,
    ) -> Path:
        key = repr((name, space, space_fields, generator_fields, image_size, steps, delta_e, fields))
        if key not in made:
            config = configs.default()
            configs.choose(config, 'space', space, **(space_fields or {}))
            configs.choose(config, 'generator', name, **{**_GENERATORS[name], **(generator_fields or {})})
            config.discriminator = None
            if space == 'palette':
                config.loss.reconstruction = 'cross_entropy'
                config.generator.output_activation = 'identity'
            config.update(fields)
            config.data.image_size = image_size
            made[key] = _write(config, new_folder('run'), steps, delta_e)
        return made[key]

    return make


def _write(
    config: ml_collections.ConfigDict, workdir: Path, steps: tuple[int, ...], delta_e: tuple[float, ...]
) -> Path:
    system = build_system(config, axis_name=None)
    claim(workdir, config, None)
    with contextlib.closing(Checkpoints(workdir, keep=len(steps))) as checkpoints:
        for number, step in enumerate(steps):
            config.seed = step  # other weights
            scores = {'delta_e': delta_e[number]} if delta_e else None
            checkpoints.save(step, jax.block_until_ready(create(config, system)), scores)
        checkpoints.wait()
    return workdir
