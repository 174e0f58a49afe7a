"""A sweep: variants of one config, each a run that `jaxcolor train` could train by itself."""

import ast
import dataclasses
import re
import runpy
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import ml_collections

from jaxcolor import config as configs
from jaxcolor import experiments
from jaxcolor.errors import UserError
from jaxcolor.training.state import build_system

_FLAG = re.compile(r'--config\.([\w.]+)=(.*)', re.DOTALL)
_NAME = re.compile(r'\w[\w.-]*')


@dataclasses.dataclass(frozen=True)
class Sweep:
    """What the function `get_sweep` of a sweep's file returns.

    Attributes:
      config: NAME_OR_FILE[:variant] of the config that the variants share.
      variants: by their names, the fields in which they differ from it, such as `{'loss.label_smoothing': 0.0}`; in
        place of another config's many fields, `{'config': NAME}`.
      fields: those of all variants, such as their size and length.
      seeds: each variant is trained once with each.
    """

    config: str
    variants: Mapping[str, Mapping[str, Any]]
    fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    seeds: Sequence[int] = (0,)

    def smoke(self) -> 'Sweep':
        """Return a short copy that shows whether it works: of the configs' `:smoke`, at their size, with one seed."""

        def small(name: str) -> str:
            return f'{name}{"," if ":" in name else ":"}smoke'

        variants = {
            name: {field: small(value) if field == 'config' else value for field, value in fields.items()}
            for name, fields in self.variants.items()
        }
        return Sweep(small(self.config), variants)


class Trial(NamedTuple):
    """One run of a sweep.

    Attributes:
      name: of its work directory.
      base: the config that it starts from, by its name.
      fields: what it changes.
      config: all of it.
    """

    name: str
    base: str
    fields: dict[str, Any]
    config: ml_collections.ConfigDict

    def arguments(self, workdir: object) -> list[str]:
        """Return the words after `jaxcolor` that train it in `workdir`."""
        flags = [f'--config.{field}={value}' for field, value in self.fields.items()]
        return ['train', self.base, f'--workdir={workdir}', *flags]

    def command(self, workdir: object) -> str:
        """Return the line that trains it in `workdir`, as a shell reads it."""
        return shlex.join(['jaxcolor', *self.arguments(workdir)])


def load(name: str) -> tuple[str, Sweep]:
    """Return the name for the folder of the runs, and the sweep, of NAME_OR_FILE[:smoke].

    Raises:
      UserError: there is no such sweep, or its file returns none.
    """
    path, _, variant = experiments.find(name, 'sweep').partition(':')
    configs.check_variant(variant, 'smoke')
    get_sweep = runpy.run_path(path).get('get_sweep')
    found = get_sweep() if callable(get_sweep) else None
    if not isinstance(found, Sweep) or not found.variants or not found.seeds:
        raise UserError(
            f'{path} holds no sweep; use a function get_sweep() that returns a Sweep with variants and seeds'
        )
    stem = Path(path).stem
    return (f'{stem}_smoke', found.smoke()) if variant else (stem, found)


def trials(sweep: Sweep, flags: Sequence[str] = (), only: Sequence[str] = ()) -> list[Trial]:
    """Return the runs of a sweep, all checked as far as they can be without their data.

    Args:
      sweep: what to train.
      flags: `--config.field=value`, for all variants.
      only: names of variants, if not all of them are meant.

    Raises:
      UserError: a flag, a name or a field that is wrong, in whichever variant.
    """
    if unknown := next((name for name in only if name not in sweep.variants), None):
        raise UserError(f'--only={unknown} is no variant of this sweep; it has {", ".join(sweep.variants)}')
    given = dict(map(_parse, flags))
    found = []
    for variant, own in sweep.variants.items():
        if only and variant not in only:
            continue
        if not _NAME.fullmatch(variant):
            raise UserError(f'variant {variant!r} is no name of a folder; use letters, digits, _, - and .')
        if clash := next((field for field in given if field in own), None):
            raise UserError(f'--config.{clash} is what the variant {variant} is about; leave it out, or use --only')
        for seed in sweep.seeds:
            name = f'{variant}_seed{seed}' if len(sweep.seeds) > 1 else variant
            fields = {**sweep.fields, **own, 'seed': seed}
            base = fields.pop('config', sweep.config)
            try:
                found.append(_trial(name, base, fields | given, given.keys()))
            except UserError as error:
                raise UserError(f'variant {variant}: {error}') from error
    return found


def _parse(flag: str) -> tuple[str, str]:
    match = _FLAG.fullmatch(flag)
    if match is None:
        raise UserError(f'{flag} is no option of a sweep; use --config.field=value, see jaxcolor sweep --help')
    return match[1], match[2]


def _trial(name: str, base: str, fields: dict[str, Any], texts: Any) -> Trial:
    """Return the run of `base` with `fields`, of which those in `texts` are as a command line has them."""
    config = experiments.get_config(base)
    known = configs.defaults(config)
    for field, value in fields.items():
        if field not in known:
            raise UserError(f'{field}={value}: there is no such field; see jaxcolor train {base} --show')
        if field in texts:
            value = _value(known[field], value)
        if value is None:
            configs.clear(config, field)
            continue
        try:
            config.update_from_flattened_dict({field: value})
        except (TypeError, ValueError) as error:
            raise UserError(f'{field}={value!r} is of the wrong type: {error}') from error
    if config.space.name != 'palette':  # whose colours are learned from the data
        # Any dtype will do, for `auto` is not resolved before the run.
        build_system(ml_collections.ConfigDict(config.to_dict() | {'dtype': 'float32'}), None)
    return Trial(name, base, fields, config)


def _value(default: Any, text: str) -> Any:
    """Return what a flag's text stands for, in a field with that default."""
    if isinstance(default, str):
        return text
    try:
        return ast.literal_eval({'true': 'True', 'false': 'False'}.get(text, text))
    except (ValueError, SyntaxError):
        return text
