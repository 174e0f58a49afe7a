"""The small system of the training's tests."""

import ml_collections
import pytest
from helpers.small import make_config


@pytest.fixture
def config() -> ml_collections.ConfigDict:
    return make_config()
