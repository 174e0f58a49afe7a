"""BatchNorm's statistics for inference, where those that training keeps are not of what is used.

The running statistics follow the parameters of the last few steps, over pictures half of which have colour hints, if
the generator takes any. What is evaluated, saved and used are averaged parameters (`ema_decay`) and pictures without
hints. So before a state is evaluated or saved its statistics are taken anew.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from jaxtyping import Array, Float, UInt8
from tqdm import tqdm

from jaxcolor.data.dataset import Dataset
from jaxcolor.distributed import parallel
from jaxcolor.training.host_batches import HostBatches
from jaxcolor.training.schedule import Schedule
from jaxcolor.training.state import System, TrainState, Variables

_LEAST, _MOST = 8, 64  # batches


def make_renew(
    config: ml_collections.ConfigDict, dataset: Dataset, system: System, schedule: Schedule
) -> Callable[[TrainState], TrainState]:
    """Return a function that gives a state the statistics of what is used in inference; all else stays.

    They are of as many batches as there are steps between two uses, but 8 to 64: so they cost little beside the
    training. Where neither parameters are averaged nor hints given, or where statistics are fixed, the state is
    returned as it is.
    """
    if system.fixed_statistics or not (system.ema_decay or system.hints):
        return lambda state: state
    return over(config, dataset, system, min(_MOST, max(_LEAST, min(schedule.evaluate, schedule.save))))


def over(
    config: ml_collections.ConfigDict, dataset: Dataset, system: System, count: int
) -> Callable[[TrainState], TrainState]:
    """Return a function that gives a state the statistics of `count` batches; all else stays.

    They are means over the first training batches of the seed: so they follow from the parameters alone, wherever a run
    was resumed. They are of pictures of `config.data.image_size`, and wrong for much larger or smaller ones.

    References:
      Wu and Johnson 2021, "Rethinking 'Batch' in BatchNorm", section 3 (PreciseBN).
    """

    def of_batch(variables: Variables, image: UInt8[Array, 'b s s 3'], shard_number: Any) -> Any:
        rng = jax.random.fold_in(jax.random.key(config.seed), shard_number)
        return moments(system, variables, system.space.split(image)[0], rng)

    mapped = parallel.pmap(of_batch, in_axes=(None, 0, 0))

    def renew(state: TrainState) -> TrainState:
        if not state.generator.batch_stats:
            return state
        variables, shards = state.inference_variables, parallel.shard_numbers()
        batches = HostBatches(dataset, config.seed, 0, workers=0)
        disable = True if jax.process_index() else None
        steps = tqdm(range(count), 'BatchNorm', unit='batch', delay=2, leave=False, disable=disable)
        each = [jax.device_get(mapped(variables, batches.fetch(1), shards)) for _ in steps]
        mean = jax.tree_util.tree_map_with_path(
            lambda path, first, *others: np.mean([first, *others], axis=0) if _is_moment(path) else first, *each
        )
        return state.replace(generator=state.generator.replace(batch_stats=parallel.replicate(mean)))

    return renew


def moments(system: System, variables: Variables, x: Float[Array, 'b h w 1'], rng: jax.Array) -> Any:
    """Return the mean and variance that each BatchNorm of the generator takes of this batch, as `batch_stats` has them.

    A step turns running statistics r into k r + (1 - k) m, of which only the network knows k: of r = 0 it makes
    (1 - k) m, and k is its derivative. Other state than means and variances stays.
    """

    def step(running: Any) -> Any:
        together = {'params': variables['params'], 'batch_stats': running}
        options: dict[str, Any] = {'train': True, 'rngs': {'dropout': rng}, 'mutable': ['batch_stats']}
        return system.generator.apply(together, x, **options)[1]['batch_stats']

    stats, with_path = variables['batch_stats'], jax.tree_util.tree_map_with_path
    zeros = with_path(lambda path, leaf: jnp.zeros_like(leaf) if _is_moment(path) else leaf, stats)
    ones = with_path(lambda path, leaf: jnp.ones_like(leaf) if _is_moment(path) else jnp.zeros_like(leaf), stats)
    added, kept = jax.jvp(step, (zeros,), (ones,))
    return with_path(lambda path, old, a, k: a / (1 - k) if _is_moment(path) else old, stats, added, kept)


def _is_moment(path: Any) -> bool:
    return getattr(path[-1], 'key', None) in ('mean', 'var')
