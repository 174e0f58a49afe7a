"""A small system that every test of the training can afford."""

import ml_collections
import numpy as np
import pytest
from helpers.small import make_config


@pytest.fixture
def config() -> ml_collections.ConfigDict:
    return make_config()


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), np.uint8)
