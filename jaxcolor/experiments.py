"""Experiments by name: `cifar_dcgan` for `configs/cifar_dcgan.py`, with other parts if these are wanted.

`ml_collections` loads this file in place of a config file, so that what follows the name means the same for all:
`cifar_pix2pix:smoke`, a variant of that file; `cifar_pix2pix:generator=dcgan,discriminator=none`, other parts.
"""

import difflib
import runpy
from pathlib import Path

import ml_collections

from jaxcolor import config as configs
from jaxcolor.errors import UserError

_PACKAGE = Path(__file__).parent
# In the wheel, and in a copy of the repository.
_FOLDERS = (_PACKAGE / 'configs', _PACKAGE.parent / 'configs')


def paths(kind: str = 'config') -> dict[str, Path]:
    """Return the file of each config, or `sweep`, that comes along, by its name."""
    folder = next(filter(Path.is_dir, _FOLDERS))
    return {path.stem: path for path in sorted(folder.glob('*.py' if kind == 'config' else f'{kind}s/*.py'))}


def find(name: str, kind: str = 'config') -> str:
    """Return FILE[:variant] for NAME[:variant]; a path stays what it is.

    Args:
      name: of a file that comes along, or its path.
      kind: what it is: a `config` or a `sweep`.

    Raises:
      UserError: there is no such config or sweep.
    """
    stem, colon, variant = name.partition(':')
    if stem.endswith('.py') and Path(stem).is_file():  # another file of a config's name is none
        return name
    known = paths(kind)
    if stem not in known:
        near = difflib.get_close_matches(Path(stem).stem, known, 1)
        hint = f'did you mean {near[0]}?' if near else f'known: {", ".join(known)}'
        given = f'--config={name}' if kind == 'config' else name
        raise UserError(f'{given}: there is no such file or {kind}; {hint}')
    return f'{known[stem]}{colon}{variant}'


def get_config(name: str) -> ml_collections.ConfigDict:
    """Return the config of NAME_OR_FILE[:variant], of which the variant may also be PART=NAME, several by commas.

    Raises:
      UserError: there is no such config, variant, part, or name of a part.
    """
    path, _, variants = find(name).partition(':')
    words = variants.split(',') if variants else []
    parts = dict(word.split('=', 1) for word in words if '=' in word)
    own = ','.join(word for word in words if '=' not in word)
    read = runpy.run_path(path)['get_config']
    config = read(own) if own else read()  # a file without variants takes no argument
    for part, value in parts.items():
        if part not in configs.PARTS:
            raise UserError(f'--config={name}: {part} is no part; use {", ".join(configs.PARTS)}')
        if part == 'discriminator' and value == 'none':
            config.discriminator = None
        else:
            configs.choose(config, part, value)
    return config
