"""A model as one file of safetensors: its weights as 8-bit integers, and its config.

Kernels are int8, and `NAME.scale` holds the step of each output channel, float32; all else is float32. The metadata
say what the numbers are of, and carry a SHA-256 of all of it.
"""

import hashlib
import json
import re
from pathlib import Path, PurePosixPath
from typing import Any

import ml_collections
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Float, Float32, Int8, Shaped
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from jaxcolor import config as configs
from jaxcolor.errors import UserError
from jaxcolor.inference.model import Model, build, check_shapes, shapes_of

_FORMAT = 'jaxcolor'
_VERSION = '1'
_SCALE = '.scale'
_PATHS = ('data.source', 'pretrained.weights')  # may say where files lie on somebody's machine


def encode(config: ml_collections.ConfigDict, step: int, variables: dict[str, Any]) -> bytes:
    """Return a file that `read` makes the model of, up to the rounding of its kernels."""
    tensors = {}
    for name, array in flatten_dict(variables, sep='/').items():
        if name.endswith('/kernel'):
            tensors[name], tensors[name + _SCALE] = _quantize(np.asarray(array, np.float32))
        else:
            tensors[name] = np.asarray(array, np.float32)
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
    config = configs.from_json(metadata['config'])
    space, generator = build(config)
    variables = unflatten_dict(
        {
            name: array * tensors[name + _SCALE] if array.dtype == np.int8 else array
            for name, array in tensors.items()
            if not name.endswith(_SCALE)
        },
        sep='/',
    )
    try:
        check_shapes(shapes_of(config, generator), variables)
    except ValueError as error:
        raise UserError(f'{path} does not fit the model of its config: {error}; upgrade jaxcolor') from error
    return Model(config, int(metadata['step']), space, generator, variables)


def _read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    try:
        with safe_open(path, framework='numpy') as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise UserError(f'{path} can not be read as safetensors: {error}; get it again') from error


def _quantize(kernel: Float[np.ndarray, '*i o']) -> tuple[Int8[np.ndarray, '*i o'], Float32[np.ndarray, ' o']]:
    """Whole steps of each output channel, whose largest weight has 127."""
    largest = np.abs(kernel).max(axis=tuple(range(kernel.ndim - 1)))
    scale = np.where(largest > 0, largest, 1).astype(np.float32) / np.float32(127)
    return np.round(kernel / scale).astype(np.int8), scale


def _digest(tensors: dict[str, Shaped[np.ndarray, '...']], metadata: dict[str, str]) -> str:
    """SHA-256 of the metadata and of each tensor's name, type, shape and bytes."""
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name, array in sorted(tensors.items()):
        digest.update(f'{name} {array.dtype} {array.shape}'.encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _without_paths(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
    """The config without the folders of the machine that trained the model."""
    copy = configs.from_json(configs.to_json(config))
    for field in _PATHS:
        section, name = field.split('.')
        value = copy.get(section, {}).get(name) or ''
        kind, colon, path = value.rpartition(':') if re.match('[a-z]+:', value) else ('', '', value)
        if value and kind != 'hf':
            copy[section][name] = f'{kind}{colon}{PurePosixPath(path).name}'
    return copy
