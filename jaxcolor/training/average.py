"""Average the weights of several models: one as fast as each, and often better than any.

    python -m jaxcolor.training.average MODEL MODEL … --source folder:/path/to/photographs --output FILE.safetensors
        [--shares 0.3 0.7] [--image-size 128] [--other-sizes 96 192 256]

The models are of one config and of one origin: trained on from the same weights, with other pictures, sizes or rates.
BatchNorm's statistics are taken anew, of the training pictures of `--source` at `--image-size`, for those of the
models hold neither for the mean nor for another size. `--other-sizes` adds those of pictures of other sizes, which
`--render-size` then goes by: so one model serves all of them. Without `--image-size`, a single MODEL keeps its own, and
so do several that have the same (`training.realism`).

References:
  Wortsman et al. 2022, "Model soups: averaging weights of multiple fine-tuned models improves accuracy without
  increasing inference time".
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import ml_collections
import numpy as np

from jaxcolor import compilation_cache, storage
from jaxcolor.checkpoints import weights_file
from jaxcolor.checkpoints.load import load
from jaxcolor.checkpoints.model import OTHER_SIZES, Model
from jaxcolor.data.dataset import Dataset
from jaxcolor.distributed import parallel
from jaxcolor.errors import UserError
from jaxcolor.training import batch_statistics
from jaxcolor.training.state import build_system, create_state


def average(
    models: Sequence[Model],
    shares: Sequence[float],
    source: str,
    image_size: int | None = None,
    other_sizes: Sequence[int] = (),
    batches: int = 256,
) -> Model:
    """Return the mean of several models.

    Args:
      models: of one generator and one space. The last one's config is the mean's, but for `data`.
      shares: of each; they are divided by their sum.
      source: of the pictures that BatchNorm's statistics are of, as `data.source`.
      image_size: of these pictures, in pixels; left out, that of the last model. Models of the same statistics, a
        single one too, then keep them.
      other_sizes: of pictures, in pixels, whose statistics the mean has besides; see `Model.variables_at`.
      batches: so many of them, of the last model's `data.batch_size`.

    Raises:
      UserError: models that differ, shares that are no shares, or pictures that can't be read.
    """
    _check(models, shares)
    last = models[-1]
    weights = np.asarray(shares, np.float64) / np.sum(shares)
    params = jax.tree.map(
        lambda *leaves: np.tensordot(weights, np.stack(leaves), 1).astype(np.float32),
        *[model.variables['params'] for model in models],
    )
    config, size = last.config, last.config.data.image_size
    own = [model.variables_at(size)['batch_stats'] for model in models]
    if image_size is None and all(jax.tree.all(jax.tree.map(np.array_equal, own[0], other)) for other in own[1:]):
        variables = {'params': params, 'batch_stats': own[0]}
    else:
        config = _config(last.config, source, size if image_size is None else image_size)
        variables = _with_statistics(config, params, batches)
    others = {
        str(other): _with_statistics(_config(last.config, source, other), params, batches)['batch_stats']
        for other in other_sizes
    }
    return last._replace(config=config, variables=variables | ({OTHER_SIZES: others} if others else {}))


def _config(config: ml_collections.ConfigDict, source: str, size: int) -> ml_collections.ConfigDict:
    """Return the config with pictures of another size, of which as much is seen as before."""
    config = config.copy_and_resolve_references()
    for field in ('resize', 'max_resize'):
        if config.data[field] is not None:
            config.data[field] = round(config.data[field] * size / config.data.image_size)
    config.data.update(source=source, image_size=size)
    config.norm_statistics = 'batch'  # they are taken
    return config


def _with_statistics(config: ml_collections.ConfigDict, params: Any, batches: int) -> dict[str, Any]:
    """Return the variables with statistics of so many batches of the config's pictures."""
    system = build_system(config, parallel.AXIS)
    state = create_state(system, config.data.image_size, jax.random.key(config.seed))
    state = state.replace(generator=state.generator.replace(params=params))
    if state.ema_params is not None:
        state = state.replace(ema_params=params)
    renew = batch_statistics.over(config, Dataset(config.data), system, batches)
    return jax.device_get(renew(parallel.replicate(state)).inference_variables)


def _check(models: Sequence[Model], shares: Sequence[float]) -> None:
    if len(models) != len(shares):
        raise UserError(f'shares={list(shares)} are {len(shares)} for {len(models)} models; give each one, or none')
    if not (np.isfinite(shares).all() and min(shares) >= 0 and sum(shares) > 0):
        raise UserError(f'shares={list(shares)}: use numbers of 0 and more, not all of them 0')
    first = models[0].config
    for model in models[1:]:
        for part in ('generator', 'space'):
            one, other = (config[part].to_dict() for config in (first, model.config))
            if one != other:
                names = sorted(name for name in {*one, *other} if one.get(name) != other.get(name))
                raise UserError(f'the models differ in {part}.{", ".join(names)}; use models of one config')


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the mean of the models that are named."""
    parser = argparse.ArgumentParser('average', description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('models', nargs='+', metavar='MODEL', help='runs, files of weights, or names, as --model')
    parser.add_argument('--shares', type=float, nargs='+', help='of each model; left out, equal ones')
    parser.add_argument('--source', required=True, help='data.source of the pictures for the statistics')
    parser.add_argument('--image-size', type=int, help="their size in pixels; left out, the last model's")
    parser.add_argument('--other-sizes', type=int, nargs='+', default=[], help='whose statistics are added')
    parser.add_argument('--output', type=Path, required=True, help='a file *.safetensors')
    args = parser.parse_args(arguments)
    compilation_cache.use()
    try:
        weights_file.check_output(args.output)
        models = [load(name) for name in args.models]
        shares = args.shares or [1.0] * len(models)
        mean = average(models, shares, args.source, args.image_size, args.other_sizes)
        storage.write_atomic(args.output, weights_file.encode(mean.config, mean.step, mean.variables))
    except UserError as error:
        sys.exit(str(error))


if __name__ == '__main__':
    main()
