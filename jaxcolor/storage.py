"""Files of a work directory, on a disk or in a bucket, that are there whole or not at all."""

import contextlib
import errno
import hashlib
import io
import logging
import os
from collections.abc import Collection, Iterator
from pathlib import Path

import fsspec
from etils import epath

from jaxcolor.errors import UserError

_LONGEST_NAME = 250  # bytes; of a temporary file that is named after it, most file systems allow 255

_REMEDIES = {
    'gs': 'the bucket must exist, and your credentials open it: gcloud auth application-default login',
    's3': 'the bucket must exist, and your credentials open it: aws configure, or AWS_ACCESS_KEY_ID and its friends',
}

# Of a long block in which other things than `path` may fail, these are its own.
REFUSALS = (
    *(errno.ENOSPC, errno.EDQUOT),
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOENT),
)

# What other hosts, and TensorStore, have written meanwhile shall be seen.
for _scheme in ('gcs', 's3'):
    fsspec.config.conf.setdefault(_scheme, {}).setdefault('use_listings_cache', False)
# It logs what it raises, with the traceback.
logging.getLogger('gcsfs').addHandler(logging.NullHandler())


def is_bucket(path: epath.PathLike) -> bool:
    """Whether `path` is an address such as `gs://bucket/run`: files there can not be renamed, nor written in parts."""
    return '://' in str(path)


def folder(address: epath.PathLike) -> epath.Path:
    """Return a work directory's path.

    Raises:
      UserError: it is an address of another kind.
    """
    scheme = str(address).partition('://')[0]
    if is_bucket(address) and scheme not in _REMEDIES:
        raise UserError(f'{address}: {scheme}:// is not known; use a folder, gs://… or s3://…')
    return epath.Path(address)


def user_cache() -> Path:
    """Return the folder of what this package may forget, `$XDG_CACHE_HOME/jaxcolor`; it need not be there."""
    try:
        return Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'jaxcolor'
    except RuntimeError:  # a user without a home, who keeps nothing
        return Path(os.devnull) / 'jaxcolor'


def write_atomic(path: epath.PathLike, content: bytes) -> None:
    """Write `content` to `path`; makes its folder.

    Whatever happens meanwhile, a power cut as well, the old or the new file is there, never half of it; once this
    returns, it is the new one.

    Raises:
      OSError: the disk refuses.
      UserError: the bucket refuses.
    """
    path = epath.Path(path)
    if is_bucket(path):
        with explain_bucket(path, 'written'):
            path.write_bytes(content)  # an object appears when all of it has come
        return
    with open_atomic(path) as file:
        file.write(content)


@contextlib.contextmanager
def open_atomic(path: epath.PathLike) -> Iterator[io.BufferedIOBase]:
    """Open a file on a disk that takes the place of `path` at the end of the block, if that raises nothing."""
    path = epath.Path(path)
    changed = [path.parent, *(parent.parent for parent in path.parents if not parent.exists())]
    path.parent.mkdir(parents=True, exist_ok=True)
    name = path.name if len(os.fsencode(path.name)) <= _LONGEST_NAME else hashlib.sha256(os.fsencode(path)).hexdigest()
    temporary = path.with_name(f'.{name}.tmp')
    try:
        with open(temporary, 'wb') as file:  # noqa: PTH123, for etils' paths open files of another type
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        for parent in changed:
            sync(parent)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def sync(path: epath.PathLike) -> None:
    """Have the disk keep a file, or what a folder says of the files in it, before this returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):  # file systems that know no such thing
            raise
    finally:
        os.close(descriptor)


def sync_tree(folder: epath.PathLike) -> None:
    """Have the disk keep all that is in a folder."""
    for path in (*Path(folder).rglob('*'), folder):
        sync(path)


def read_text(path: epath.PathLike) -> str | None:
    """Return what is in the file `path`; None if there is no such file.

    Raises:
      OSError: the disk refuses.
      UserError: the bucket refuses.
    """
    content = read_bytes(path)
    return None if content is None else content.decode(errors='replace')


def read_bytes(path: epath.PathLike) -> bytes | None:
    """Return what is in the file `path` as `read_text` does, byte for byte."""
    path = epath.Path(path)
    with explain_bucket(path, 'read'):
        return path.read_bytes() if path.exists() else None


def move_folder(source: epath.Path, target: epath.Path) -> None:
    """Move a folder to where there is none: at once on a disk, file by file in a bucket."""
    if not is_bucket(source):
        source.rename(target)
        return
    system, root = fsspec.core.url_to_fs(str(source))  # as etils' `rename`, which fails for a folder in s3://
    for path in system.find(root):
        system.mv(path, f'{target}{path.removeprefix(root)}')


@contextlib.contextmanager
def explain_refusal(path: epath.PathLike, option: str, only: Collection[int] | None = None) -> Iterator[None]:
    """Turn what a file system says when it won't take `path` into a `UserError`.

    Args:
      path: what is written in the block.
      option: that names it.
      only: the numbers of the errors that are meant, such as `REFUSALS`; None for all.
    """
    try:
        yield
    except OSError as error:
        if only is not None and error.errno not in only:
            raise
        remedy = f'choose another {option}'
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = 'what was written before is whole; make room and run the same line again to go on'
        raise UserError(f'{path} can not be written: {error.strerror or error}; {remedy}') from error


@contextlib.contextmanager
def explain_bucket(path: epath.PathLike, done: str) -> Iterator[None]:
    """Turn what a bucket answers to one that wants `path` `done` into a `UserError`; leaves disks alone."""
    scheme = str(path).partition('://')[0]
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # of botocore, gcsfs, google.auth and aiohttp: they share no class
        if not is_bucket(path):
            raise
        if isinstance(error, ImportError):
            raise UserError(
                f'{path} needs a package for {scheme}:// ({error}): pip install "jaxcolor[buckets]"'
            ) from error
        reason = 'not found' if isinstance(error, FileNotFoundError) else ' '.join(str(error).split())[:200]
        raise UserError(f'{path} can not be {done}: {reason or repr(error)}\n{_REMEDIES[scheme]}') from error
