"""Training batches from the host, in the shape that the devices take them."""

import jax
import numpy as np
from jaxtyping import UInt8

from jaxcolor.data import pipeline
from jaxcolor.data.dataset import Dataset
from jaxcolor.distributed import parallel


class HostBatches:
    """Batches that the host reads while the devices work."""

    order = None

    def __init__(self, dataset: Dataset, seed: int, start_step: int, workers: int | None = None):
        self._batches = pipeline.train_batches(
            dataset,
            seed=seed,
            start_step=start_step,
            workers=workers,
            process_index=jax.process_index(),
            process_count=jax.process_count(),
        )

    @property
    def unreadable(self) -> int:
        """How many pictures have turned out unreadable."""
        return len(self._batches.unreadable)

    def fetch(self, steps: int) -> UInt8[np.ndarray, 'l *steps b s s 3']:
        """Return the batches of the next steps, of each local device; with an axis of steps if there are several."""
        images = [parallel.shard(next(self._batches))['image'] for _ in range(steps)]
        return images[0] if steps == 1 else np.stack(images, axis=1)
