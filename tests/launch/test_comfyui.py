"""The node for ComfyUI: what ComfyUI asks of it, and pictures through it."""

import importlib.util
import inspect
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from jaxcolor import Colorizer

NODE = Path(__file__).parents[2] / 'launch/comfyui/__init__.py'


@pytest.fixture
def module(monkeypatch) -> ModuleType:
    """As ComfyUI loads a folder of custom_nodes."""
    monkeypatch.setenv('XLA_PYTHON_CLIENT_PREALLOCATE', 'true')  # the user's own wins, and tests leave none behind
    spec = importlib.util.spec_from_file_location('comfyui_node', NODE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_node_is_complete_and_small(module):
    assert len(NODE.read_text().splitlines()) < 100
    assert module.NODE_CLASS_MAPPINGS.keys() == module.NODE_DISPLAY_NAME_MAPPINGS.keys()
    for node in module.NODE_CLASS_MAPPINGS.values():
        inputs = node.INPUT_TYPES()['required']
        assert ['self', *inputs] == list(inspect.signature(getattr(node, node.FUNCTION)).parameters)
        for kind, *bounds in inputs.values():
            assert kind in ('IMAGE', 'STRING', 'FLOAT')
            assert kind == 'IMAGE' or 'default' in bounds[0]


def test_default_is_the_models(module):
    inputs = module.JaxcolorColorize.INPUT_TYPES()['required']
    colorizer = Colorizer.restore(inputs['model'][1]['default'])
    assert inputs['vividness'][1]['default'] == colorizer.space.vividness


@pytest.mark.parametrize('channels', (3, 4))
def test_batch(module, make_run, channels):
    torch = pytest.importorskip('torch')
    run = make_run()  # without a palette: it has no vividness, which is no reason to refuse it
    pixels = np.random.default_rng(0).uniform(0, 1, (2, 40, 56, channels)).astype(np.float32)
    (colored,) = module.JaxcolorColorize().colorize(torch.from_numpy(pixels * 1.5), str(run), 0.2, 1.5)
    expected = Colorizer.restore(run)(np.clip(pixels * np.float32(1.5), 0, 1), saturation=1.5)
    assert isinstance(colored, torch.Tensor) and colored.dtype == torch.float32
    np.testing.assert_array_equal(colored.numpy(), expected)
    (half,) = module.JaxcolorColorize().colorize(torch.from_numpy(pixels).half(), str(run), 0.2, 1.0)
    assert half.dtype == torch.float16 and half.shape == pixels.shape
