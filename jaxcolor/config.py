"""The experiment's config: its fields with their defaults, how it is checked, written and compared."""

import json
import re
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import ml_collections

from jaxcolor import models
from jaxcolor.color import spaces
from jaxcolor.errors import UserError

PARTS = ('space', 'generator', 'discriminator')
"""Sections whose `name` chooses a class, of which the others are fields."""

# Fields that decide which arrays a checkpoint holds and what they mean. A work directory belongs to one setting of
# these; the rest of a palette may change, for how it is decoded and weighed is no part of the model.
_MODEL_FIELDS = ('space', 'generator', 'discriminator', 'generator_optimizer.name', 'discriminator_optimizer.name')
_FREE_FIELDS = (
    'space.temperature',
    'space.rebalance',
    'space.vividness',
    'space.compression',
    'space.estimate',
    'space.saturation',
    'space.frequencies',
    'generator.frozen_blocks',
)


def default() -> ml_collections.ConfigDict:
    """Return the base that every file in `configs/` starts from (the pix2pix of Kanojia23, sections 4 and 5).

    Lengths are in epochs of the training split unless the name says steps. `num_steps`, where set, wins over
    `num_epochs`; `eval_every` and `checkpoint_every` are in steps, and None means once an epoch.
    """
    optimizer = {
        'name': 'adam',  # adam, adamw, lion or sgd
        'learning_rate': 2e-4,
        'b1': 0.5,  # of sgd the momentum
        'b2': 0.999,  # sgd has none
        'weight_decay': 0.0,  # of adamw and lion, and of kernels alone
        'schedule': 'constant',  # or cosine or linear, to 0 at the end; or one_cycle
        'warmup_steps': 0,  # of linear rise to the learning rate
        'decay_steps': 0,  # at the end, in which it falls; 0: in all of them
        'max_grad_norm': 0.0,  # to which the gradient is clipped; 0 does not
        'backbone_factor': 1.0,  # times the learning rate is that of a pretrained encoder
        'backbone_frozen_steps': 0,  # in which it learns nothing
    }
    return ml_collections.ConfigDict(
        {
            'seed': 0,
            'data': {
                # tfds:NAME, folder:PATH, parquet:PATH, arrow:PATH, webdataset:PATH or bundled; several, with weights:
                # 'folder:scans*3 + tfds:cifar10', and then splits for all of them or 'train[:90%], train'.
                'source': 'bundled',
                'train_split': 'train',
                'test_split': 'test',
                'labels': ml_collections.config_dict.placeholder(tuple),  # only these classes of a TFDS source
                'feature': 'image',  # the pictures: a feature of a TFDS source, a column, an extension in a .tar
                'image_size': 256,
                # In training, scale the shorter side to this and crop `image_size` out of it (pix2pix' jitter).
                'resize': ml_collections.config_dict.placeholder(int),
                # Draw the shorter side anew for each picture, from `resize` (or `image_size`) up to this.
                'max_resize': ml_collections.config_dict.placeholder(int),
                'fit': 'crop',  # keep proportions, and crop; or squash, which scales both sides, in evaluation too
                'batch_size': 16,  # over all devices of all hosts
                'crop': 'random',  # in training, after resizing the shorter side: random or center
                'flip': True,  # mirror half of the training pictures
                'rotation': 0.0,  # degrees, up to which training pictures are turned, either way; edges are mirrored
                'min_colorfulness': 0.0,  # drop training pictures below this (Hasler-Suesstrunk, 0-255)
                'workers': 0,  # processes that decode; 0 decodes on threads of this one
                # Where decoded pictures are kept: host, in memory where they fit; device, in that of the accelerator,
                # which then shuffles them itself and waits for no host; this wants the center crop.
                'cache': 'host',
            },
            'space': _named('space', 'lab'),
            'generator': _named('generator', 'unet'),
            'discriminator': _named('discriminator', 'patchgan'),  # None trains the generator alone
            'loss': {
                'adversarial': 'vanilla',  # vanilla, lsgan or hinge
                'adversarial_weight': 1.0,
                'reconstruction': 'l1',  # l1 or l2, my_losses:huber, or cross_entropy for a palette
                'reconstruction_weight': 100.0,
                'label_smoothing': 0.0,  # the discriminator's targets are 1 - s/2 and s/2
            },
            'generator_optimizer': optimizer,
            'discriminator_optimizer': dict(optimizer),
            'pretrained': {
                'weights': '',  # of the encoder, for a new run: a file, hf:OWNER/NAME, efficientnet_lite0 or nothing
                'sha256': '',  # which the file must have, where given
            },
            'init_from': '',  # the model that a new run starts from: jaxcolor, RUN[:best], *.safetensors, hf:OWNER/NAME
            # Of the players: alternating, where the generator's gradient goes through the updated discriminator; or
            # simultaneous, both from the same state.
            'updates': 'alternating',
            # Of the generator's BatchNorms in training: batch; or fixed, those that `init_from` brings.
            'norm_statistics': 'batch',
            'sampling': 'none',  # dropout keeps it on in evaluation as well: the noise z of pix2pix
            'warmup_epochs': 0.0,  # reconstruction alone, before the discriminator joins
            'num_epochs': 45.0,
            'num_steps': ml_collections.config_dict.placeholder(int),
            'ema_decay': 0.0,  # of the generator's parameters, less in the first steps; 0 keeps no average
            'dtype': 'float32',  # of the arithmetic: float32, bfloat16, or auto, the faster; parameters stay float32
            'accumulation_steps': 1,  # parts of the batch that go through one after the other, to save memory
            'steps_per_call': 1,  # by accelerators, for networks that are through in no time; slower on CPUs
            # Compute activations again in the backward pass instead of keeping them; None: from 512 px on.
            'remat': ml_collections.config_dict.placeholder(bool),
            # Beside those that all have: frechet_lite0, fid, lpips_alex, lpips_vgg, or your own my_metrics:warmth.
            'metrics': (),
            'metric_weights': {  # files, and the SHA-256 that each must have, where given
                'inception': '',  # of fid
                'inception_sha256': '',
                'lpips_backbone': '',  # AlexNet's or VGG-16's
                'lpips_backbone_sha256': '',
                'lpips_heads': '',  # for that backbone
                'lpips_heads_sha256': '',
            },
            'log_every': 50,
            'profile': '',  # FIRST:LAST, steps of which a trace is written to profile/ in the work directory
            'eval_every': ml_collections.config_dict.placeholder(int),
            'checkpoint_every': ml_collections.config_dict.placeholder(int),
            'keep': 2,  # newest checkpoints kept, beside the best
            'early_stopping': {
                'metric': 'delta_e',  # any score of evaluations.jsonl; also names the best checkpoint
                'patience': ml_collections.config_dict.placeholder(int),  # evaluations without a better score
            },
        }
    )


def choose(config: ml_collections.ConfigDict, section: str, name: str, **fields: Any) -> None:
    """Make `name` the space, generator or discriminator of `config`.

    All fields of it are written out, so that each can be overridden on the command line and `config.json`
    says everything.

    Args:
      config: changed in place.
      section: `space`, `generator` or `discriminator`.
      name: one of `spaces.SPACES`, `models.GENERATORS` or `models.DISCRIMINATORS`.
      **fields: those that differ from the defaults.
    """
    config[section] = ml_collections.ConfigDict(_named(section, name, **fields))


def _named(section: str, name: str, **fields: Any) -> dict[str, Any]:
    known = spaces.default_fields(name) if section == 'space' else models.default_fields(section, name)
    defaults = {}
    for field, (kind, value) in known.items():
        if value is None:  # A flag needs to know which type the field may take: `int | None` takes int.
            kind = next(k for k in typing.get_args(kind) if k is not type(None))
            value = ml_collections.config_dict.placeholder(typing.get_origin(kind) or kind)
        defaults[field] = value
    return {'name': name, **defaults, **fields}


def smoke(config: ml_collections.ConfigDict, image_size: int) -> None:
    """Make `config` a short run that shows whether it works: 24 steps on eight small pictures.

    The networks keep their form; the config file makes them narrow. Photographs are the bundled ones.
    """
    config.data.update(image_size=image_size, batch_size=8, train_split='train[:8]', test_split='test[:24]')
    if config.data.source.startswith('folder:'):
        config.data.source = 'bundled'
    config.update(num_steps=24, eval_every=12, checkpoint_every=12, log_every=4)
    config.warmup_epochs = min(config.warmup_epochs, 8)


def check_variant(variant: str, *known: str) -> None:
    """Check what follows the colon in `--config=FILE:variant`; nothing is always known.

    Raises:
      UserError: the file has no such variant.
    """
    if variant not in ('', *known):
        raise UserError(f'no variant {variant!r} of this config; it has {", ".join(known)}')


def to_json(config: ml_collections.ConfigDict) -> str:
    """Return the config as indented JSON, the text of `config.json`; rows of numbers stay on one line."""
    text = json.dumps(config.to_dict(), indent=2)
    # Line breaks are json's own: inside strings they are escaped.
    return re.sub(r'\[\n[^][{}]*\]', lambda row: re.sub(r'\n\s*', '', row[0].replace(',\n', ', \n')), text) + '\n'


def from_json(text: str) -> ml_collections.ConfigDict:
    """Return the config that `to_json` wrote."""
    return ml_collections.ConfigDict(json.loads(text))


def parse(text: str) -> ml_collections.ConfigDict:
    """Return the config of a `config.json`, whoever wrote it: fields that an older version lacked have their defaults.

    Raises:
      ValueError: what is wrong with it, for a sentence that begins with its path.
      UserError: it names a part that is not known.
    """
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ValueError(f'is not JSON ({error})') from error
    if not isinstance(content, dict):
        raise ValueError('holds no config, which is an object of fields')
    for section, value in default().items():
        found = content.get(section, {})
        if isinstance(value, ml_collections.ConfigDict) and not isinstance(found, dict):
            if section != 'discriminator' or found is not None:
                raise ValueError(f'is no config: {section}={found!r} has no fields')
        elif section in PARTS and not isinstance(found.get('name'), str):
            raise ValueError(f'is no config: {section}.name={found.get("name")!r} is no name')
    pretrained = content.get('pretrained', {})
    if 'model' in pretrained:  # what 0.1.0 called it
        content['init_from'] = pretrained.pop('model')
    present = dict(leaves(content))
    for field, value in defaults(ml_collections.ConfigDict(content)).items():
        *sections, name = field.split('.')
        if field in present:
            if not _is_like(value, present[field], strict=not {*sections} & {*PARTS}):
                raise ValueError(f'is no config: {field}={present[field]!r} is not like {value!r}')
        elif not sections or isinstance(content.setdefault(sections[0], {}), dict):
            (content[sections[0]] if sections else content)[name] = value
    return ml_collections.ConfigDict(content)


def _is_like(default_value: Any, value: Any, *, strict: bool) -> bool:
    """Whether `value` has the type of a default; any number for a whole one, unless strict."""
    if default_value is None:
        return True
    if isinstance(default_value, bool) or isinstance(value, bool):
        return isinstance(default_value, bool) and isinstance(value, bool)
    if isinstance(default_value, int | float):
        return isinstance(value, int) or (isinstance(value, float) and not (strict and isinstance(default_value, int)))
    return isinstance(value, type(default_value))


def leaves(tree: Any, prefix: str = '') -> Iterator[tuple[str, Any]]:
    """Yield the fields of nested mappings by their dotted names, each with its value."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from leaves(value, f'{prefix}.{key}' if prefix else key)
    else:
        yield prefix, tree


def differences(old: ml_collections.ConfigDict, new: ml_collections.ConfigDict) -> dict[str, tuple[Any, Any]]:
    """Return the fields in which two configs differ, as `{'data.batch_size': (old value, new value)}`.

    Of a section whose `name` differs, that is all: its other fields mean something else. A field that a config of an
    older version lacks has its default.
    """
    before, after = (_with_defaults(from_json(to_json(config))) for config in (old, new))
    changed = {
        field: (before.get(field), after.get(field))
        for field in sorted(before.keys() | after.keys())
        if before.get(field) != after.get(field)
    }
    renamed = tuple(field.removesuffix('name') for field in changed if field.endswith('.name'))
    return {f: values for f, values in changed.items() if f.endswith('.name') or not f.startswith(renamed)}


def clear(config: ml_collections.ConfigDict, field: str) -> None:
    """Set an optional field, such as `eval_every` or `discriminator`, to None.

    Raises:
      UserError: it is not optional, or there is no such field.
    """
    known = defaults(config)
    if field == 'discriminator':
        config.discriminator = None
    elif field not in known:
        raise UserError(f'{field}=None: there is no such field')
    elif known[field] is None:
        config.update_from_flattened_dict({field: None})
    else:
        raise UserError(f'{field}=None: it is not optional; use a value, such as the default {known[field]!r}')


def _with_defaults(config: ml_collections.ConfigDict) -> dict[str, Any]:
    """Every field with its value, which is the default where the config has none."""
    return defaults(config) | dict(leaves(config.to_dict()))


def defaults(config: ml_collections.ConfigDict) -> dict[str, Any]:
    """Return the default of every field, those of the config's parts included."""
    known = default()
    for section in PARTS:
        chosen = config.get(section)
        known[section] = ml_collections.ConfigDict(_named(section, chosen.name)) if chosen else None
    return dict(leaves(from_json(to_json(known)).to_dict()))


def model_differences(old: ml_collections.ConfigDict, new: ml_collections.ConfigDict) -> dict[str, tuple[Any, Any]]:
    """Return those of `differences` that change what a checkpoint holds, so that it can't be restored."""
    changed = {
        field: values
        for field, values in differences(old, new).items()
        if field in _MODEL_FIELDS
        or (field.startswith(tuple(f'{f}.' for f in _MODEL_FIELDS)) and field not in _FREE_FIELDS)
    }
    if bool(old.ema_decay) != bool(new.ema_decay):
        changed['ema_decay'] = (old.ema_decay, new.ema_decay)
    return changed


def check(config: ml_collections.ConfigDict, device_count: int) -> None:
    """Check what no single part can check by itself.

    Raises:
      UserError: a value is out of its range, or the batch does not divide among `device_count` devices.
    """
    batch, parts = config.data.batch_size, config.accumulation_steps
    if parts < 1:
        raise UserError(f'accumulation_steps={parts} is too small; use 1 or more')
    if batch < 1 or batch % (device_count * parts):
        among = f'{device_count} devices' + (f' and {parts} accumulation_steps' if parts > 1 else '')
        whole = device_count * parts
        raise UserError(
            f'data.batch_size={batch} does not divide among {among}; use {max(1, round(batch / whole)) * whole}'
        )
    if config.num_steps is None and not config.num_epochs > 0:
        raise UserError(f'num_epochs={config.num_epochs} trains nothing; use a number above 0, or set num_steps')
    for field in ('num_steps', 'steps_per_call', 'log_every', 'eval_every', 'checkpoint_every', 'keep'):
        if config[field] is not None and config[field] < 1:
            raise UserError(f'{field}={config[field]} is too small; use 1 or more')
    for field, least in (('image_size', 1), ('workers', 0)):
        if config.data[field] < least:
            raise UserError(f'data.{field}={config.data[field]} is too small; use {least} or more')
    amounts = {
        'warmup_epochs': config.warmup_epochs,
        'data.min_colorfulness': config.data.min_colorfulness,
        'loss.adversarial_weight': config.loss.adversarial_weight,
        'loss.reconstruction_weight': config.loss.reconstruction_weight,
    }
    for field, amount in amounts.items():
        if not amount >= 0:  # nan is not, either
            raise UserError(f'{field}={amount} is out of range; use 0 or more')
    if config.early_stopping.patience is not None and config.early_stopping.patience < 1:
        raise UserError(f'early_stopping.patience={config.early_stopping.patience} is too small; use 1 or more')
    if not 0 <= config.seed < 2**32:
        raise UserError(f'seed={config.seed} is out of range; use 0 to 2^32 - 1')
    if config.sampling not in ('none', 'dropout'):
        raise UserError(f'sampling={config.sampling!r} is unknown; use none or dropout')
    if not 0 <= config.data.rotation <= 180:
        raise UserError(f'data.rotation={config.data.rotation} is out of range; use 0 to 180 degrees')
    if config.data.fit not in ('crop', 'squash'):
        raise UserError(f'data.fit={config.data.fit!r} is unknown; use crop or squash')
    if config.updates not in ('alternating', 'simultaneous'):
        raise UserError(f'updates={config.updates!r} is unknown; use alternating or simultaneous')
    if config.data.cache not in ('host', 'device'):
        raise UserError(f'data.cache={config.data.cache!r} is unknown; use host or device')
    if config.dtype not in ('float32', 'bfloat16', 'auto'):
        raise UserError(f'dtype={config.dtype!r} is unknown; use float32, bfloat16 or auto')
    if not 0 <= config.ema_decay < 1:
        raise UserError(f'ema_decay={config.ema_decay} is not in [0, 1); 0 keeps no average')
