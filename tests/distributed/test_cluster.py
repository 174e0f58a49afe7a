"""What a process alone can be asked of a cluster; several are in tests/multihost."""

import logging
import os
import signal

import jax
import numpy as np
import pytest

from jaxcolor.distributed import cluster, parallel
from jaxcolor.errors import UserError


@pytest.mark.parametrize(
    ('error', 'status', 'words'),
    [
        (UserError('no such thing'), 1, 'error: no such thing\n'),
        (KeyboardInterrupt(), 130, 'interrupted'),
        (ZeroDivisionError('by 0'), 70, 'ZeroDivisionError: by 0'),
        (
            jax.errors.JaxRuntimeError('UNKNOWN: Gloo AllGather failed'),
            70,
            'JaxRuntimeError: UNKNOWN',
        ),  # there is no other process
        (
            jax.errors.JaxRuntimeError('RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.\nBacktrace'),
            1,
            'error: out of memory: RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.\nlower data.batch_size',
        ),
    ],
)
def test_leaving_says_why(error, status, words, capsys):
    with pytest.raises(SystemExit) as end:
        cluster.leave(error)
    assert end.value.code == status
    assert words in capsys.readouterr().err


def test_a_process_alone_stops_at_its_own_signals():
    with cluster.stop_requests() as asked:
        assert asked(range(1, 2)) is None
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)  # Slurm sends two
        assert asked(range(2, 5)) == signal.SIGTERM


@pytest.fixture
def interruptible():
    """As in a terminal; a shell has the signal ignored in what it runs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures('interruptible')
def test_a_second_interrupt_ends_at_once():
    with cluster.stop_requests() as asked:
        os.kill(os.getpid(), signal.SIGINT)
        assert asked(range(1, 2)) == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_introducing_oneself(caplog):
    logger = logging.getLogger('jaxcolor')
    caplog.set_level(logging.INFO, logger='jaxcolor')
    cluster.introduce(logger, 32)
    assert 'one of 1, with 8 of 8 devices (cpu); a batch of 32 is 32 pictures here, 4 a device' in caplog.text


@pytest.mark.parametrize('words', [None, '', 'grün\n'])
def test_words_of_first(words):
    assert parallel.broadcast_str(words) == words


def test_arrays_over_all_hosts_are_the_copies_on_each():
    tree = {'w': np.arange(6.0, dtype=np.float32).reshape(2, 3), 'n': np.zeros((), np.int32)}
    joined = parallel.join_copies(parallel.replicate(tree))
    shapes = parallel.abstract_global(tree)
    for name, value in tree.items():
        assert joined[name].is_fully_replicated
        assert joined[name].sharding == shapes[name].sharding
        np.testing.assert_array_equal(joined[name], value)
