"""The table of `make bench`: its lines, who takes turns with whom, which processes are waited for."""

import importlib
import sys
from pathlib import Path

import pytest


@pytest.fixture
def benchmark(monkeypatch):
    """A function that imports a benchmark, as the scripts find each other."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    return importlib.import_module


def test_a_line_has_all_columns_and_the_ratio_to_the_better(benchmark):
    turns = benchmark('turns')
    row = turns.Row('a step', 'images/s', 1234.5, {'eager': 100.0, 'compiled': 987.6}, (30.04, 5, 4))
    assert str(row) == '| a step | 1,234 images/s | 100.0 (eager), 987.6 (compiled) | 1.25 | 30.0 s | 5.0 s | 4.0 s |'
    assert str(turns.Row('alone', 'images/s', 0.5)) == '| alone | 0.50 images/s |  |  |  |  |  |'
    assert turns.Row('a file', 's', 2.0, {'another program': 3.0}).ratio == 1.5
    *_, titles, rule = turns.heading().splitlines()
    assert str(row).count('|') == titles.count('|') == rule.count('|')


def test_the_heading_says_what_was_measured_with(benchmark):
    turns = benchmark('turns')
    first, empty, *_ = turns.heading().splitlines()
    assert empty == ''
    for word in (turns.processor(), ' cores', f'jax {turns.importlib.metadata.version("jax")}', 'jaxlib ', 'PyTorch'):
        assert word in first


def test_sides_take_turns(benchmark):
    calls = []
    sides = {'a': lambda: calls.append('a'), 'b': lambda: calls.append('b')}
    best = benchmark('turns').best_times(sides, 0.01, several=2)
    assert calls[:8] == list('aabbaabb')
    assert best.keys() == sides.keys()
    assert max(best.values()) < float('inf')


def test_the_first_line_is_waited_for_and_the_others_are_returned(benchmark, tmp_path):
    turns = benchmark('turns')
    script = 'import os; print("ready"); print(input(), os.environ["XDG_CACHE_HOME"])'
    seconds, rest = turns.until_first_line([sys.executable, '-c', script], 'given', str(tmp_path))
    assert seconds > 0
    assert rest == f'given {tmp_path}\n'
    with pytest.raises(SystemExit, match='ended with status 3'):
        turns.until_first_line([sys.executable, '-c', 'raise SystemExit(3)'])


def test_every_case_has_a_config_that_trains(benchmark):
    from jaxcolor.training.state import build_system

    steps = benchmark('training_step')
    sizes = {}
    for case in steps.CASES:
        config = steps.read_config(case)
        build_system(config, None)
        sizes[case] = config.data.image_size, config.data.batch_size
    assert sizes['gan_step_256'] == (256, 2)
    assert sizes['cifar_dcgan'] == (32, 64)
    assert sizes['photos_resnet_unet'] == (256, 2)


def test_photographs_are_made_where_there_are_none(benchmark, tmp_path):
    from jaxcolor.imaging import photos

    benchmark('colorize').write_photographs(tmp_path, count=5, size=40)
    found = sorted(tmp_path.iterdir())
    assert [photos.read(path).pixels.shape for path in found] == [(40, 40, 3)] * 5
    assert len({path.read_bytes() for path in found}) == 5
