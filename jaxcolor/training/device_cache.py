"""The training pictures in the memory of every device, which shuffles them itself: no host is in the loop."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int32, UInt8

from jaxcolor.data import pipeline, shuffle
from jaxcolor.data.dataset import Dataset
from jaxcolor.distributed import parallel
from jaxcolor.errors import UserError


@dataclasses.dataclass(frozen=True)
class DeviceCache:
    """All training pictures on all devices, and which of them are in a batch: those of `pipeline.train_batches`."""

    images: UInt8[Array, 'n s s 3']
    unreadable: int  # pictures whose place another one has taken
    batch_size: int  # of all devices together
    seed: int  # of the order

    @classmethod
    def load(cls, dataset: Dataset, seed: int) -> 'DeviceCache':
        """Decode the training pictures and place them on the devices.

        Every process loads all of them.

        Raises:
          UserError: see `check` and `pipeline.training_images`.
        """
        check(dataset)
        images, unreadable = pipeline.training_images(dataset)
        batch_size = dataset.config.batch_size
        return cls(parallel.replicate(images), len(unreadable), batch_size, pipeline.order_seed(seed))

    def fetch(self, steps: int) -> UInt8[Array, 'n s s 3']:
        """Return what a call of `steps` steps takes: the pictures, whichever steps they are."""
        return self.images

    def order(self, step: Int32[Array, ''], steps: int, shard_number: Int32[Array, '']) -> Int32[Array, '{steps} b']:
        """Which pictures device `shard_number` takes in each of `steps` steps from `step` on; computed on it."""
        rows = shard_number + jnp.arange(0, self.batch_size, jax.device_count(), dtype=jnp.int32)
        numbers = step + jnp.arange(steps, dtype=jnp.int32)
        return shuffle.batches(numbers, rows, self.batch_size, len(self.images), self.seed)


def check(dataset: Dataset) -> None:
    """Check that the pictures of a config with `data.cache='device'` can be kept on the devices.

    Raises:
      UserError: they are to be cut anew every time, or do not fit; or see `Dataset.kept`.
    """
    data = dataset.config
    if data.crop != 'center' or data.resize is not None or data.rotation:
        raise UserError(
            f'data.cache=device keeps pictures cut once and for all, and data.crop={data.crop}, '
            f'data.resize={data.resize}, data.rotation={data.rotation:g} cut them anew in every epoch; use '
            'data.crop=center (square pictures lose nothing), data.resize=None and data.rotation=0, or data.cache=host'
        )
    if len(dataset.weights) > 1:
        raise UserError(
            f'data.cache=device shuffles one source, and data.source={data.source} are {len(dataset.weights)}; '
            'use data.cache=host'
        )
    check_room(len(dataset.kept), data.image_size, jax.local_devices()[0].memory_stats())


def check_room(count: int, size: int, memory: Mapping[str, Any] | None) -> None:
    """Check that a device has room for `count` pictures of `size` pixels: they may take half of its memory.

    Args:
      count: of pictures.
      size: side of a picture, in pixels.
      memory: what the device says of it, `jax.Device.memory_stats`; None, or no `bytes_limit`, where it says nothing.

    Raises:
      UserError: it has not.
    """
    if count > shuffle.MAX_PICTURES:
        raise UserError(f'data.cache=device: {count:,} pictures are too many to shuffle there; use data.cache=host')
    needed, limit = count * size**2 * 3, (memory or {}).get('bytes_limit')
    if limit is not None and needed > limit / 2:
        raise UserError(
            f'data.cache=device: {count:,} pictures of {size} px take {needed:,} bytes, more than half of the '
            f'{limit:,} bytes of a device; use data.cache=host'
        )
