"""What was found out about pictures, kept in the user's cache under a digest of what it is of."""

import contextlib
import hashlib
from pathlib import Path

from jaxcolor import storage
from jaxcolor.errors import UserError


def folder(kind: str) -> Path:
    """Return the folder of one kind of file; it need not be there."""
    return storage.user_cache() / kind


def load(file: Path) -> bytes | None:
    """Return what `save` wrote; None if there is no such file or it is damaged."""
    with contextlib.suppress(OSError):
        content = file.read_bytes()
        if hashlib.sha256(content[32:]).digest() == content[:32]:
            return content[32:]
    return None


def save(file: Path, content: bytes, most: int) -> None:
    """Keep `content`, and the newest of the files beside it, `most` in all; nothing where that can't be written."""
    with contextlib.suppress(OSError, UserError):
        storage.write_atomic(file, hashlib.sha256(content).digest() + content)
        kept = sorted(file.parent.iterdir(), key=lambda other: other.stat().st_mtime)
        for old in kept[:-most]:
            old.unlink(missing_ok=True)
