"""Files on the Hugging Face hub: from its cache, or downloaded once."""

import contextlib
import hashlib
import re
from pathlib import Path

from jaxcolor.errors import UserError, missing_package

PREFIX = 'hf:'
FILE = 'model.safetensors'
_SHA256 = re.compile(r'[0-9a-f]{64}')


def download(repository: str, file: str = FILE, revision: str | None = None) -> Path:
    """Return where the hub's cache holds a file, which is downloaded first if it is not there.

    Args:
      repository: OWNER/NAME.
      file: its path in the repository.
      revision: a branch, a tag or a commit; None for the main branch.

    Raises:
      UserError: huggingface_hub is not installed; no network, repository or file.
    """
    try:
        import huggingface_hub
        from huggingface_hub.errors import LocalEntryNotFoundError
    except ModuleNotFoundError as error:
        raise missing_package(error, 'the hub', 'hub') from error
    try:
        with contextlib.suppress(LocalEntryNotFoundError):
            return Path(huggingface_hub.hf_hub_download(repository, file, revision=revision, local_files_only=True))
        # Asks once. Where there is no network, the download itself would try for half a minute, warning all along.
        huggingface_hub.get_hf_file_metadata(huggingface_hub.hf_hub_url(repository, file, revision=revision))
        return Path(huggingface_hub.hf_hub_download(repository, file, revision=revision))
    except Exception as error:  # no network, no such repository or file, a gated one, no space, ...
        first = (str(error).strip().splitlines() or [''])[0]
        reason = f'{type(error).__name__}: {first}'[:200]
        raise UserError(f'it is not in the cache, and {file} can not be downloaded: {reason}') from error


def sha256_of(path: Path) -> str | None:
    """Return the SHA-256 that the hub named when it sent a file, if it did.

    The cache links a file to a blob, whose name is the digest unless the file is small enough for git.
    """
    named = path.readlink().name if path.is_symlink() else ''
    return named if _SHA256.fullmatch(named) else None


def check(path: Path) -> None:
    """Check a file of the cache against what the hub said; UserError where it has another SHA-256."""
    wanted = sha256_of(path)
    with path.open('rb') as file:
        digest = hashlib.file_digest(file, 'sha256').hexdigest()
    if wanted not in (None, digest):
        raise UserError(
            f'{path.resolve()} has SHA-256 {digest}, not {wanted} as the hub says; delete it and download it again'
        )
