"""Files that are there whole or not at all."""

from etils import epath


def write_whole(path: epath.PathLike, content: bytes) -> None:
    """Writes `content` to `path`, local or in a bucket; makes its folder.

    Whatever happens meanwhile, the old or the new file is there, never half of it.
    """
    path = epath.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.tmp')
    temporary.write_bytes(content)
    temporary.replace(path)
