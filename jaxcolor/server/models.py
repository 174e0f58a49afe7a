"""The models of a server, by names that an address can carry."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from jaxcolor import hub
from jaxcolor.errors import UserError
from jaxcolor.inference import variants
from jaxcolor.inference.colorizer import Colorizer
from jaxcolor.weights import Card


class ServedModel(NamedTuple):
    """A model of a server, and what its card says, if it has one."""

    colorizer: Colorizer
    name: str = 'model'
    card: Card | None = None

    def describe(self) -> dict[str, Any]:
        """Return what `/v1/model` says of it; JSON's types only."""
        card = self.card._asdict() if self.card else None
        return {'name': self.name, **self.colorizer.describe(), 'variants': variants.of(self.colorizer), 'card': card}


def choose(models: Sequence[ServedModel], name: str | None) -> ServedModel:
    """Return the model of a name, the first where there is none.

    Raises:
      UserError: no model has this name.
    """
    for model in models:
        if name is None or model.name == name:
            return model
    raise UserError(f'model={str(name)[:40]!r} is not here; use {", ".join(model.name for model in models)}')


def names(sources: Iterable[str]) -> list[str]:
    """Return a short name for each model: of what comes with the package its own, of a run its folder's, of a file its
    own without the suffix, of the hub the repository's; those that are taken are numbered.

    Raises:
      UserError: a model is there twice.
    """
    found: list[str] = []
    seen: set[str] = set()
    for source in sources:
        if source in seen:
            raise UserError(f'model={source!r} is given twice; leave one of them out')
        seen.add(source)
        short = re.sub(r'[^A-Za-z0-9._-]+', '-', _last(source)).strip('-.')[:40] or 'model'
        name, number = short, 1
        while name in found:
            number += 1
            name = f'{short}-{number}'
        found.append(name)
    return found


def _last(source: str) -> str:
    if source.startswith(hub.PREFIX):
        source = source.partition('@')[0]
    return source.rstrip('/').rpartition('/')[2].removesuffix('.safetensors')
