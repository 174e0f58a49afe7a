"""The page without a server: models for it, its use in a browser, and what its results are measured by."""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from helpers import pages
from selenium import webdriver
from selenium.webdriver.common.by import By
from skimage.color import deltaE_ciede2000, rgb2lab

from jaxcolor import Colorizer
from jaxcolor import config as configs
from jaxcolor.checkpoints.model import Model
from jaxcolor.color.spaces import build_space
from jaxcolor.models import build_generator

in_a_browser = pytest.mark.skipif(
    not (pages.CHROMIUM and pages.DRIVER), reason='there is no chromium with its chromedriver'
)


@contextlib.contextmanager
def symbolic_sizes() -> Iterator[None]:
    """Lets sizes be symbols, which are no `int` to beartype."""
    jaxtyping.config.update('jaxtyping_disable', True)
    yield
    jaxtyping.config.update('jaxtyping_disable', False)


def untrained(name, space, generator, fields) -> Colorizer:
    """An untrained model, of weights that say something."""
    config = configs.default()
    configs.choose(config, 'space', name, **space)
    configs.choose(config, 'generator', generator, **fields)
    config.data.image_size = 32
    built = build_space(config.space.to_dict())
    network = build_generator(config.generator.to_dict(), built.channels)
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), jnp.zeros((1, 32, 32, 1)), False))

    def draw(path, shape):
        if path[-1].key in ('scale', 'var'):
            return rng.uniform(0.5, 1.5, shape.shape).astype(np.float32)
        spread = 0.1 if len(shape.shape) == 1 else math.sqrt(2 / math.prod(shape.shape[:3]))
        return (spread * rng.standard_normal(shape.shape)).astype(np.float32)

    return Colorizer(Model(config, 7, built, network, jax.tree_util.tree_map_with_path(draw, shapes)))


def color(page: webdriver.Chrome, path: Path) -> Path:
    """Choose a file, press the button, download the result."""
    page.find_element(By.ID, 'files').send_keys(str(path))
    page.find_element(By.ID, 'submit').click()
    link = page.find_elements(By.CSS_SELECTOR, '.download')[-1]
    pages.wait(page, lambda _: link.is_displayed())
    page.execute_script('arguments[0].click()', link)
    return pages.downloaded(page, link.get_attribute('download'))


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """The mean CIEDE2000."""
    assert one.shape == other.shape
    return float(deltaE_ciede2000(rgb2lab(one), rgb2lab(other)).mean())


def complaints(page: webdriver.Chrome) -> list[str]:
    """What the browser has to say, but that it has no WebGPU where it is asked for one; it says so once."""
    messages = [entry['message'] for entry in page.get_log('browser')]
    return [message for message in messages if not message.endswith(' - No available adapters.')]
