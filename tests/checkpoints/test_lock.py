"""Two runs in one work directory: the second is refused while the first lives, and follows it when it is dead."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from jaxcolor.checkpoints import lock
from jaxcolor.checkpoints.lock import locked
from jaxcolor.errors import UserError

OWN = """
import sys, time
from jaxcolor.checkpoints.lock import locked
with locked(sys.argv[1]):
    print('owned', flush=True)
    time.sleep(60)
"""


@pytest.fixture
def owner(tmp_path):
    """Another process that owns `tmp_path`."""
    with subprocess.Popen([sys.executable, '-c', OWN, tmp_path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == 'owned\n'
        yield process
        process.kill()


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(lock, 'BEAT', 0.1)
    monkeypatch.setattr(lock, 'STALE', 2.0)


def of_another_host(tmp_path):
    """Say that the owner of `tmp_path` is on another host."""
    owner = json.loads((tmp_path / lock.NAME).read_text())
    (tmp_path / lock.NAME).write_text(json.dumps(owner | {'host': 'elsewhere', 'place': 'elsewhere'}))
    return owner


def test_a_living_owner_is_respected_and_a_dead_one_followed(owner, tmp_path):
    with pytest.raises(UserError, match=rf'{tmp_path} is in use by process {owner.pid} on .*; wait until it ends'):
        locked(tmp_path).__enter__()
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    began = time.monotonic()
    with locked(tmp_path) as check:
        check()
    assert time.monotonic() - began < 5


def test_one_after_the_other(tmp_path):
    for _ in range(2):
        with locked(tmp_path), pytest.raises(UserError, match='in use'), locked(tmp_path):
            pass


def test_a_dead_host_is_followed_after_a_while(tmp_path, quick):
    with locked(tmp_path):
        pass
    (tmp_path / lock.NAME).write_text(json.dumps({'host': 'elsewhere', 'pid': 1, 'place': 'elsewhere', 'token': 'x'}))
    began = time.monotonic()
    with locked(tmp_path) as check:
        assert time.monotonic() - began > 1.5
        check()


def test_the_heartbeat_of_another_host_is_respected(tmp_path, quick):
    (tmp_path / lock.NAME).write_text(json.dumps({'host': 'elsewhere', 'pid': 1, 'place': 'elsewhere', 'token': 'x'}))
    stop = threading.Event()

    def beat():
        while not stop.wait(0.2):
            os.utime(tmp_path / lock.NAME)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with pytest.raises(UserError, match='in use by process 1 on elsewhere'):
            locked(tmp_path).__enter__()
    finally:
        stop.set()
        thread.join()


def test_the_heart_beats(tmp_path, quick):
    with locked(tmp_path):
        os.utime(tmp_path / lock.NAME, (0, 0))
        deadline = time.monotonic() + 10
        while (tmp_path / lock.NAME).stat().st_mtime == 0:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_one_that_was_stopped_too_long_notices(tmp_path):
    with locked(tmp_path) as check:
        check()
        of_another_host(tmp_path)
        with pytest.raises(UserError, match=r'on elsewhere has taken over .*; let that one go on'):
            check()
    assert json.loads((tmp_path / lock.NAME).read_text())['host'] == 'elsewhere'  # and is not released


def test_half_a_lock_is_none(tmp_path):
    (tmp_path / lock.NAME).write_text('{"host": ')
    with locked(tmp_path) as check:
        check()


def test_a_bucket_has_none():
    with locked('gs://bucket/run') as check:
        check()
