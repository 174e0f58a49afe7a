"""A model as one file of safetensors: its weights, kernels in float16 and the rest in float32, and its config.

Rounding kernels so changes pictures of configs/photos.py by a Delta E of 0.007 on average; 8 bits a channel would by
0.17, for half the size. The metadata say what the numbers are of, and carry a SHA-256 of all of it.
"""

import hashlib
import json
import re
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

import ml_collections
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Shaped
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from jaxcolor import config as configs
from jaxcolor.checkpoints.model import Model, build
from jaxcolor.errors import UserError

_FORMAT = 'jaxcolor'
_VERSION = '1'  # counts up when a config means other arrays; shapes are not checked, which takes seconds
_PATHS = ('data.source', 'pretrained.weights', 'init_from')  # may say where files lie on somebody's machine


def check_output(path: Path) -> None:
    """Make the folder of a file that is to be written, before the work that it is to hold.

    Raises:
      UserError: it is no file `*.safetensors`, or its folder can't be made or written to.
    """
    if path.suffix != '.safetensors':
        raise UserError(f'--output={path} is no file *.safetensors; name it so')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise UserError(f'--output={path} can not be written: {error.strerror}; name another') from error


def encode(config: ml_collections.ConfigDict, step: int, variables: dict[str, Any]) -> bytes:
    """Return a file that `read` makes the model of, up to the rounding of its kernels."""
    tensors = {
        name: np.asarray(array, np.float16 if name.endswith('/kernel') else np.float32)
        for name, array in flatten_dict(variables, sep='/').items()
    }
    metadata = {
        'format': _FORMAT,
        'format_version': _VERSION,
        'config': json.dumps(_without_paths(config).to_dict()),
        'step': str(step),
    }
    return save(tensors, metadata | {'sha256': _digest(tensors, metadata)})


def read(path: Path) -> Model:
    """Return the model of a file.

    Raises:
      UserError: the file can't be read, is damaged, or holds something else.
    """
    tensors, metadata = _read_tensors(path)
    if metadata.get('format') != _FORMAT:
        raise UserError(f'{path} holds no model of jaxcolor; write one with: jaxcolor export --format safetensors')
    if metadata.get('format_version') != _VERSION:
        raise UserError(
            f'{path} has format_version={metadata.get("format_version")!r}, this jaxcolor reads {_VERSION!r}; '
            'upgrade jaxcolor'
        )
    wanted, digest = metadata.pop('sha256', ''), _digest(tensors, metadata)
    if digest != wanted:
        raise UserError(f'{path} is damaged: SHA-256 of its content is {digest}, not {wanted}; get it again')
    try:
        config = configs.parse(metadata['config'])
    except ValueError as error:
        raise UserError(f'{path}: its config {error}; get it again') from error
    space, generator = build(config)
    variables = unflatten_dict({name: array.astype(np.float32) for name, array in tensors.items()}, sep='/')
    return Model(config, int(metadata['step']), space, generator, variables)


def _read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    try:
        with safe_open(path, framework='numpy') as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise UserError(f'{path} can not be read as safetensors: {error}; get it again') from error


def _digest(tensors: dict[str, Shaped[np.ndarray, '...']], metadata: dict[str, str]) -> str:
    """SHA-256 of the metadata and of each tensor's name, type, shape and bytes."""
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name, array in sorted(tensors.items()):
        digest.update(f'{name} {array.dtype} {array.shape}'.encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _without_paths(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
    """Return the config without the folders of the machine that trained the model."""
    copy = configs.from_json(configs.to_json(config))
    for field in _PATHS:
        *sections, name = field.split('.')
        section = copy.get(sections[0], {}) if sections else copy
        value = section.get(name) or ''
        if value:  # of a mixture of sources, each has a path
            section[name] = ''.join(map(_without_path, re.split(r'(\s\+\s+)(?=[a-z]+:)', value)))
    return copy


def _without_path(value: str) -> str:
    kind, colon, path = value.rpartition(':') if re.match('[a-z]+:', value) else ('', '', value)
    return value if kind == 'hf' else f'{kind}{colon}{PurePosixPath(path).name}'
