"""What several tests of exports need."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest


@pytest.fixture(scope='session')
def onnxruntime_web(users_cache: Callable[[], AbstractContextManager[None]]) -> Path:
    """What npm packs, in the cache of whoever runs the tests."""
    from jaxcolor.errors import UserError
    from jaxcolor.export import runtime

    with users_cache():
        try:
            runtime.find()
        except UserError as error:
            pytest.skip(str(error))
        return runtime.cached_path()
