"""Traces of some steps of a run, and of no others."""

import jax
import jax.numpy as jnp
import pytest

from jaxcolor.errors import UserError
from jaxcolor.training import profiler


@pytest.mark.parametrize('steps', ['3', '0:2', '5:4', 'a:b', '1:2:3'])
def test_what_is_refused(steps):
    with pytest.raises(UserError, match='use FIRST:LAST, such as 100:110, or nothing'):
        profiler.parse(steps)


@pytest.mark.parametrize(
    ('steps', 'start', 'end', 'wanted'),
    [
        ('', 0, 5, []),
        ('3:4', 0, 5, [('start', 2), ('stop', 4)]),
        ('1:2', 0, 5, [('start', 0), ('stop', 2)]),
        ('3:9', 0, 5, [('start', 2), ('stop', 5)]),  # to the end of the run
        ('3:5', 4, 8, [('start', 4), ('stop', 5)]),  # of a run that goes on
        ('3:4', 6, 8, []),
    ],
)
def test_which_steps(tmp_path, monkeypatch, steps, start, end, wanted):
    calls, step = [], start
    monkeypatch.setattr(jax.profiler, 'start_trace', lambda *_, **__: calls.append(('start', step)))
    monkeypatch.setattr(jax.profiler, 'stop_trace', lambda: calls.append(('stop', step)))
    with profiler.profiled(steps, tmp_path) as after:
        after(start, jnp.ones(()))
        for step in range(start + 1, end + 1):
            after(step, jnp.ones(()))
    assert calls == wanted


def test_a_trace_is_written(tmp_path):
    with profiler.profiled('1:1', tmp_path) as after:
        after(0, jnp.ones(()))
        after(1, jnp.arange(8) * 2)
    assert [path.name for path in (tmp_path / 'profile').rglob('*.json.gz') if 'perfetto' in path.name]
