"""Pictures on the devices: the batches that the host would have read, bit for bit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.data import TFDS
from PIL import Image

from jaxcolor.data import pipeline, shuffle
from jaxcolor.data.dataset import Dataset
from jaxcolor.distributed import parallel
from jaxcolor.errors import UserError
from jaxcolor.training import device_cache
from jaxcolor.training.device_cache import DeviceCache


@pytest.fixture
def config(config, tmp_path):
    """Twenty pictures, some of them square, some grey, the last two and one more unreadable."""
    rng = np.random.default_rng(0)
    for index in range(17):
        pixels = rng.integers(0, 256, (16 + 4 * (index % 3), 16, 3), np.uint8)
        pixels[:] = pixels.mean(-1, keepdims=True) if index % 5 == 4 else pixels
        Image.fromarray(pixels).save(tmp_path / f'{index:02}.png')
    for index in (3, 18, 19):
        (tmp_path / f'{index:02}.png').write_text('not a picture')
    config.data.update(source=f'folder:{tmp_path}', crop='center', cache='device', batch_size=16)
    config.seed = 2**32 - 1
    return config


def drawn(pictures, first, steps):
    """The batches that the devices draw, uint8 [devices, steps, b, s, s, 3]."""

    def draw(images, shard_number):
        return images[pictures.order(jnp.asarray(first, jnp.int32), steps, shard_number)]

    return np.asarray(jax.pmap(draw, in_axes=(None, 0))(pictures.images, parallel.shard_numbers()))


def read(config, first, steps):
    """The same from the host."""
    batches = pipeline.train_batches(Dataset(config.data), seed=config.seed, start_step=first)
    return np.stack([parallel.shard(next(batches))['image'] for _ in range(steps)], 1)


@pytest.mark.parametrize('min_colorfulness', [0.0, 5.0])
def test_batches_are_the_hosts(config, min_colorfulness, caplog):
    """Over the end of several epochs, from the middle of one, with unreadable pictures replaced."""
    config.data.min_colorfulness = min_colorfulness
    pictures = DeviceCache.load(Dataset(config.data), config.seed)
    assert len(pictures.images) == (19 if min_colorfulness == 0 else 13)
    assert pictures.unreadable == (3 if min_colorfulness == 0 else 0)
    np.testing.assert_array_equal(drawn(pictures, 2, 7), read(config, 2, 7))
    np.testing.assert_array_equal(drawn(pictures, 10**9, 1), read(config, 10**9, 1))
    assert sum('19.png cannot be read and is left out' in r.getMessage() for r in caplog.records) == 1


@pytest.mark.skipif(not (TFDS / 'cifar10').is_dir(), reason='CIFAR-10 is not here')
def test_batches_of_cifar(config, monkeypatch):
    monkeypatch.setenv('TFDS_DATA_DIR', str(TFDS))
    config.data.update(source='tfds:cifar10', train_split='train[:512]', image_size=32, batch_size=48)
    pictures = DeviceCache.load(Dataset(config.data), config.seed)
    np.testing.assert_array_equal(drawn(pictures, 8, 5), read(config, 8, 5))
    config.data.crop = 'random'  # of square pictures it makes the same
    np.testing.assert_array_equal(drawn(pictures, 8, 5), read(config, 8, 5))


@pytest.mark.parametrize(('field', 'value'), [('crop', 'random'), ('resize', 20), ('rotation', 5)])
def test_cuts_that_differ_from_epoch_to_epoch(config, field, value):
    config.data[field] = value
    with pytest.raises(UserError, match=rf'data\.cache=device .*{field}={value}.*use .* data\.cache=host'):
        DeviceCache.load(Dataset(config.data), config.seed)


def test_a_mixture(config):
    config.data.source += ' + bundled'
    with pytest.raises(UserError, match=r'data\.cache=device shuffles one source, and .* are 2; use data\.cache=host'):
        DeviceCache.load(Dataset(config.data), config.seed)


def test_room():
    size = 48_000_000
    device_cache.check_room(size // 300, 10, {'bytes_limit': 2 * size})
    with pytest.raises(UserError, match=r'160,000 pictures of 10 px take 48,000,000 bytes, .* 95,999,999 .*cache=host'):
        device_cache.check_room(size // 300, 10, {'bytes_limit': 2 * size - 1})
    for silent in (None, {}):
        device_cache.check_room(shuffle.MAX_PICTURES, 256, silent)
        with pytest.raises(UserError, match=r'1,073,741,824 pictures are too many'):
            device_cache.check_room(shuffle.MAX_PICTURES + 1, 1, silent)
