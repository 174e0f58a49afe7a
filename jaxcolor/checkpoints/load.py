"""A trained generator by its name: with the package, in a file, in the work directory of a run, on the hub."""

from pathlib import Path

from etils import epath

from jaxcolor import hub, storage, weights
from jaxcolor.checkpoints import weights_file
from jaxcolor.checkpoints.model import Model
from jaxcolor.errors import UserError


def load(
    name: epath.PathLike = weights.DEFAULT, checkpoint: str | int | None = None, *, discriminator: bool = False
) -> Model:
    """Return the model that `name` says.

    Args:
      name: the work directory of a run, a path or an address such as `gs://…`; a model that comes with the package
        (`weights.names`), unless there is a run in a folder of that name; a file `*.safetensors`; or
        `hf:OWNER/NAME[@REVISION]`, whose `model.safetensors` is downloaded once.
      checkpoint: of a run, see `restore.restore`.
      discriminator: whether to read that of a run too.

    Raises:
      UserError: there is no such model, or it can't be read.
    """
    text = str(name)
    file = _find_file(text)
    if file is None:
        from jaxcolor.checkpoints import restore  # imports Orbax, which files do without

        return restore.restore(name, checkpoint, discriminator=discriminator)
    if checkpoint is not None:
        raise UserError(f'checkpoint={checkpoint!r}: {text} has one alone; leave it out, or name the run')
    return weights_file.read(file)


def card(name: epath.PathLike) -> weights.Card | None:
    """Return what the card of a model says that comes with the package; None of others."""
    return weights.card(str(name)) if _is_bundled(str(name)) else None


def _is_bundled(name: str) -> bool:
    return name in weights.names() and not Path(name, 'config.json').exists()


def _find_file(name: str) -> Path | None:
    """Return the file of a model that is one; None for what must be a run."""
    if name.startswith(hub.PREFIX):
        return _download(name)
    if _is_bundled(name):
        return weights.path(name)
    path = Path(name).expanduser()
    if path.suffix != '.safetensors' or storage.is_bucket(name):
        return None
    if not path.is_file():
        raise UserError(f'{name}: there is no such file; name another, or one of {", ".join(weights.names())}')
    return path


def _download(name: str) -> Path:
    repository, _, revision = name.removeprefix(hub.PREFIX).partition('@')
    owner, _, rest = repository.partition('/')
    if not owner or not rest or '/' in rest:
        raise UserError(
            f'{name!r} is no model of the hub; use {hub.PREFIX}OWNER/NAME or {hub.PREFIX}OWNER/NAME@REVISION'
        )
    try:
        path = hub.download(repository, revision=revision or None)
        hub.check(path)
    except UserError as error:
        raise UserError(f'{name}: {error}') from error
    return path
