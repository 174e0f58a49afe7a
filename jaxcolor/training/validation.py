"""The evaluation of a state in training: the whole test split over all devices, and a few pictures to look at."""

import math
from collections.abc import Iterable, Iterator
from functools import partial

import jax
import ml_collections
import numpy as np
from tqdm import tqdm

from jaxcolor.data import pipeline
from jaxcolor.data.sources import open_source
from jaxcolor.evaluation.evaluate import Colorings, add_scores, colorize, evaluate
from jaxcolor.training import parallel
from jaxcolor.training.state import System, TrainState

_SAMPLES = 10


class Validation:
    """Scores states on the test split of a data config; compiles once."""

    def __init__(self, data: ml_collections.ConfigDict, system: System):
        self._data = data
        pictures = len(open_source(data.source, data.test_split))
        self._every, self._batches = max(1, pictures // _SAMPLES), math.ceil(pictures / data.batch_size)
        add = partial(add_scores, system.space, system.generator, parallel.AXIS)
        self._add = parallel.pmap(add, in_axes=(None, None, 0, 0))
        self._colorize = jax.jit(partial(colorize, system.space, system.generator))

    def __call__(self, state: TrainState) -> tuple[dict[str, int | float], Colorings]:
        """Returns the scores, and a few pictures spread over the split, the same ones every time."""
        samples: list[np.ndarray] = []
        batches = pipeline.test_batches(
            self._data, process_index=jax.process_index(), process_count=jax.process_count()
        )
        variables = state.inference_variables
        scores = evaluate(self._add, parallel.replicate, variables, self._sharded(batches, samples))
        if batches.unreadable:
            scores['unreadable'] = len(batches.unreadable)
        pictures = self._colorize(variables, np.stack(samples[:_SAMPLES]))
        return scores, Colorings(*jax.device_get(pictures))

    def _sharded(self, batches: Iterable[pipeline.Batch], samples: list[np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
        """Yields `batches` split among the devices; puts every n-th picture in `samples` on the way."""
        seen = 0
        shown = tqdm(batches, 'evaluating', self._batches, unit='batch', delay=2, leave=False, disable=None)
        for batch in shown:
            readable = batch['image'][batch['mask']]
            samples += [picture for i, picture in enumerate(readable, seen) if i % self._every == 0]
            seen += len(readable)
            yield parallel.shard(batch)
