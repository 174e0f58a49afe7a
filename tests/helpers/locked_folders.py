"""Folders that nobody may enter, not even root, who runs tests in containers."""

import errno
import os
from pathlib import Path

import pytest


def refuse(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let folders of this name be such until the test ends."""
    scandir = os.scandir

    def refusing(path='.'):
        if Path(path).name == name:
            raise PermissionError(errno.EACCES, 'Permission denied', str(path))
        return scandir(path)

    monkeypatch.setattr(os, 'scandir', refusing)
