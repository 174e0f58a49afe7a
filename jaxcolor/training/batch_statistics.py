"""BatchNorm's statistics of a trained generator, taken anew over pictures without colour hints.

    python -m jaxcolor.training.batch_statistics RUN --output photos.safetensors [--batches 45]

A run with hints keeps the statistics of pictures half of which have some, and with averaged parameters those of other
parameters than the averaged ones. Most pictures that are coloured have no hints; theirs are what this gives.
"""

import argparse
import itertools
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import UInt8
from tqdm import tqdm

from jaxcolor.checkpoints import weights_file
from jaxcolor.checkpoints.load import load
from jaxcolor.checkpoints.model import Model
from jaxcolor.data import pipeline
from jaxcolor.data.dataset import Dataset
from jaxcolor.errors import UserError
from jaxcolor.storage import write_atomic


def renew(model: Model, images: Iterable[UInt8[np.ndarray, 'b h w 3']]) -> Model:
    """Return the model with statistics that have followed `images`, batch by batch, as in training.

    Raises:
      UserError: the generator has no statistics.
    """
    variables = model.variables
    if not variables.get('batch_stats'):
        raise UserError(f'generator {model.config.generator.name!r} has no BatchNorm; there is nothing to take anew')

    @jax.jit
    def follow(variables: dict[str, Any], image: Any) -> dict[str, Any]:
        x, _ = model.space.split(image)
        _, changed = model.generator.apply(variables, x, train=True, mutable=['batch_stats'])
        return {**variables, **changed}

    for image in images:
        variables = follow(variables, image)
    return model._replace(variables=jax.tree.map(np.asarray, variables))


def main() -> None:
    """Renew a run, and write it as a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('run', help='a work directory, whose training pictures are still where they were')
    parser.add_argument('--output', required=True, help='a file *.safetensors, for --model')
    parser.add_argument('--batches', type=int, default=45, help='how many, of 64 pictures (45)')
    arguments = parser.parse_args()
    try:
        model = load(arguments.run)
        data = model.config.data.copy_and_resolve_references()
        data.batch_size = 64
        batches = itertools.islice(pipeline.train_batches(Dataset(data), seed=model.config.seed), arguments.batches)
        images = (batch['image'] for batch in batches)
        renewed = renew(model, tqdm(images, total=arguments.batches, unit='batch'))
        write_atomic(Path(arguments.output), weights_file.encode(renewed.config, renewed.step, renewed.variables))
    except UserError as error:
        sys.exit(str(error))


if __name__ == '__main__':
    main()
