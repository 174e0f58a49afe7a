"""`dtype=auto`: what it takes where, and that a run keeps it."""

import json
from types import SimpleNamespace

import jax
import pytest
from helpers.small import make_config

from jaxcolor.models import onednn
from jaxcolor.training import precision, train

CPU = SimpleNamespace(platform='cpu')
DEVICES = [  # device, steps, whether oneDNN has bfloat16 there, dtype
    (CPU, 1000, True, 'bfloat16'),
    (CPU, 999, True, 'float32'),
    (CPU, 1000, False, 'float32'),
    (SimpleNamespace(platform='tpu'), 1, False, 'bfloat16'),
    (SimpleNamespace(platform='gpu', compute_capability='7.5'), 1, False, 'float32'),
    (SimpleNamespace(platform='gpu', compute_capability='8.0'), 1, False, 'bfloat16'),
    (SimpleNamespace(platform='gpu', compute_capability='10.0'), 1, False, 'bfloat16'),
    (SimpleNamespace(platform='gpu', compute_capability='gfx90a'), 1, False, 'bfloat16'),
]


def small(**fields):
    config = make_config()
    config.update(fields)
    return config


@pytest.mark.parametrize(('device', 'steps', 'onednn_has', 'expected'), DEVICES)
def test_takes_the_faster(monkeypatch, device, steps, onednn_has, expected):
    monkeypatch.setattr(jax, 'local_devices', lambda: [device])
    monkeypatch.setattr(onednn, 'has_bfloat16', lambda: onednn_has)
    config = small(dtype='auto')
    precision.resolve(config, lambda: steps)
    assert config.dtype == expected


def test_what_is_named_stays(monkeypatch):
    monkeypatch.setattr(onednn, 'has_bfloat16', lambda: True)
    config = small()
    precision.resolve(config, lambda: 1000)
    assert config.dtype == 'float32'


def test_a_run_keeps_it(tmp_path):
    """Here, on eight devices, that is float32; one that began in bfloat16 goes on in it, and is evaluated in it."""
    config = small(dtype='auto', num_steps=1)
    train.train(config, tmp_path)
    assert json.loads((tmp_path / 'config.json').read_text())['dtype'] == 'float32'

    began = tmp_path / 'began'
    train.train(small(dtype='bfloat16', num_steps=1), began)
    train.train(small(dtype='auto', num_steps=2), began)
    assert json.loads((began / 'config.json').read_text())['dtype'] == 'bfloat16'
    assert 'dtype' not in (began / 'history.jsonl').read_text()
    assert train.evaluate_run(small(dtype='auto', num_steps=2), began)['step'] == 2
