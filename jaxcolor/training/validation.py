"""The evaluation of a state in training: the whole test split over all devices, and a few pictures to look at."""

import math
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import jax
import ml_collections
import numpy as np
from tqdm import tqdm

from jaxcolor.data import pipeline
from jaxcolor.data.dataset import Dataset
from jaxcolor.data.loading import Batch
from jaxcolor.distributed import parallel
from jaxcolor.evaluation import measures
from jaxcolor.evaluation.evaluate import Colorings, add_scores, colorize, evaluate
from jaxcolor.training.state import System, TrainState

_SAMPLES = 10


class Validation:
    """Scores states on the test split of a config's data; compiles once."""

    def __init__(self, config: ml_collections.ConfigDict, dataset: Dataset, system: System):
        self._dataset, self._system = dataset, system
        self._pictures = len(dataset.test.source)
        self._batches = math.ceil(self._pictures / config.data.batch_size)
        self._rng = jax.random.key(config.seed) if config.sampling == 'dropout' else None
        self._measures = measures.load(config)
        self._add = self._mapped(partial(add_scores, system.space, system.generator, parallel.AXIS))
        self._colorize = jax.jit(partial(colorize, system.space, system.generator))

    def _mapped(self, add: Any) -> Any:
        if self._rng is None:
            return parallel.pmap(add, in_axes=(None, None, None, 0, 0))

        def draw(averages: Any, variables: Any, more: Any, image: Any, mask: Any, rng: Any, shard_number: Any) -> Any:
            return add(averages, variables, more, image, mask, jax.random.fold_in(rng, shard_number))

        mapped = parallel.pmap(draw, in_axes=(None, None, None, 0, 0, None, 0))
        return lambda *arguments: mapped(*arguments, parallel.shard_numbers())

    def __call__(self, state: TrainState) -> tuple[dict[str, int | float], Colorings]:
        """Return the scores of a state, and a few pictures spread over the split, the same ones every time."""
        return self.score(state.inference_variables)

    def score(self, variables: Any) -> tuple[dict[str, int | float], Colorings]:
        """Return the same of the generator's replicated variables."""
        batches = pipeline.test_batches(
            self._dataset, process_index=jax.process_index(), process_count=jax.process_count()
        )
        space = self._system.space
        inputs = variables, self._sharded(batches), self._rng, self._measures
        scores = evaluate(space, self._add, parallel.replicate, *inputs)
        if unreadable := self._pictures - scores['pictures']:
            scores['unreadable'] = unreadable
        pictures = self._colorize(variables, pipeline.test_samples(self._dataset, _SAMPLES), self._rng)
        return scores, Colorings(*jax.device_get(pictures))

    def _sharded(self, batches: Iterable[Batch]) -> Iterator[dict[str, np.ndarray]]:
        """Yield `batches` split among the devices."""
        disable = True if jax.process_index() else None
        shown = tqdm(batches, 'evaluating', self._batches, unit='batch', delay=2, leave=False, disable=disable)
        return map(parallel.shard, shown)
