"""A model that is small, and photographs that it colours."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from jaxcolor import Colorizer


@pytest.fixture(scope='session')
def colorizer(make_run: Callable[..., Path]) -> Colorizer:
    return Colorizer.restore(make_run('unet', generator_fields={'depth': 3, 'filters': 2}, image_size=8))


@pytest.fixture(scope='session')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six parts of a photograph in colour, under two suffixes, with what cameras write; and what can't be shown."""
    root = tmp_path_factory.mktemp('pictures')
    (root / 'more').mkdir()
    exif = Image.Exif()
    exif[0x010E] = 'a true photograph'
    photograph = skimage.data.astronaut()
    for number in range(6):
        part = photograph[40 * number : 40 * number + 80, 200:300]
        path = root / ('more' if number % 2 else '.') / f'{number}.{"png" if number % 2 else "jpg"}'
        Image.fromarray(part).save(path, exif=exif)
    Image.fromarray(np.repeat(photograph[:80, :100, :1], 3, axis=2)).save(root / 'grey.png')
    Image.new('RGB', (8, 8), 'red').save(root / 'tiny.png')
    (root / 'broken.jpg').write_bytes(b'dear photograph')
    return root


@pytest.fixture(scope='session')
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    pytest.importorskip('selenium')
    from helpers import pages

    if not (pages.CHROMIUM and pages.DRIVER):
        pytest.skip('there is no chromium with its chromedriver')
    with pages.chrome(tmp_path_factory.mktemp('downloads')) as browser:
        yield browser
