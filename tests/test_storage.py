"""Files that are there whole or not at all; for buckets see checkpoints/test_buckets.py."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jaxcolor.errors import UserError
from jaxcolor.storage import REFUSALS, explain_refusal, folder, is_bucket, read_text, write_atomic


def test_a_file_is_made_with_its_folder_and_then_replaced(tmp_path):
    path = tmp_path / 'a' / 'b' / 'file'
    assert read_text(path) is None
    for text in ('first', 'second'):
        write_atomic(path, text.encode())
        assert read_text(path) == text
    assert [p.name for p in path.parent.iterdir()] == ['file']


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path):
    """In a process of its own, whose files may not grow past ten bytes."""
    script = """
import errno, resource, sys
from jaxcolor.storage import write_atomic

resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))
write_atomic(sys.argv[1], b'old')
try:
    write_atomic(sys.argv[1], b'new' * 100)
except OSError as error:
    assert error.errno == errno.EFBIG
else:
    sys.exit('it fitted')
"""
    subprocess.run([sys.executable, '-B', '-c', script, tmp_path / 'file'], check=True)
    assert [p.name for p in tmp_path.iterdir()] == ['file']
    assert read_text(tmp_path / 'file') == 'old'


def test_nothing_is_renamed_that_the_disk_may_forget(tmp_path, monkeypatch):
    """The content before the rename, the folders after it: in that order a power cut leaves the old file or the new."""
    calls = []
    synced, renamed = os.fsync, os.replace
    monkeypatch.setattr(os, 'fsync', lambda fd: calls.append(str(Path(f'/proc/self/fd/{fd}').readlink())) or synced(fd))
    monkeypatch.setattr(os, 'replace', lambda *paths: calls.append('rename') or renamed(*paths))
    write_atomic(tmp_path / 'new' / 'file', b'content')
    folder = str(tmp_path / 'new')
    assert calls == [f'{folder}/.file.tmp', 'rename', folder, str(tmp_path)]


def test_a_folder_in_the_way_leaves_nothing_else(tmp_path):
    (tmp_path / 'file').mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomic(tmp_path / 'file', b'new')
    assert [p.name for p in tmp_path.iterdir()] == ['file']


def test_what_is_a_bucket():
    assert is_bucket('gs://bucket/run')
    assert not is_bucket('runs/s3')


@pytest.mark.parametrize('scheme', ['az', 'http', 'file'])
def test_unknown_addresses_are_refused(scheme):
    with pytest.raises(UserError, match=f'^{scheme}://bucket/run: {scheme}:// is not known; use a folder, gs://'):
        folder(f'{scheme}://bucket/run')


@pytest.mark.parametrize(
    ('code', 'remedy'),
    [
        (errno.ENOSPC, 'what was written before is whole; make room and run the same line again'),
        (errno.EROFS, 'choose another --workdir'),
        (errno.EACCES, 'choose another --workdir'),
    ],
)
def test_refusals_are_explained(code, remedy):
    with (
        pytest.raises(UserError, match=f'runs/a can not be written: {os.strerror(code)}; {remedy}'),
        explain_refusal('runs/a', '--workdir', only=REFUSALS),
    ):
        raise OSError(code, os.strerror(code))


def test_other_errors_pass():
    with pytest.raises(OSError, match='Input/output'), explain_refusal('runs/a', '--workdir', only=REFUSALS):
        raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.parametrize('code', [errno.EIO, errno.EFBIG, errno.ESTALE])
def test_of_one_file_every_refusal_is_explained(code):
    with (
        pytest.raises(UserError, match=f'a.onnx can not be written: {os.strerror(code)}; choose another --output'),
        explain_refusal('a.onnx', '--output'),
    ):
        raise OSError(code, os.strerror(code))


@pytest.mark.parametrize('length', [250, 251, 255])
def test_the_longest_names(tmp_path, length):
    path = tmp_path / ('ü' * 100 + 'x' * (length - 200))
    write_atomic(path, b'content')
    assert path.read_bytes() == b'content'
    assert list(tmp_path.iterdir()) == [path]
