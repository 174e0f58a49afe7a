"""Several sources as one: `folder:scans*3 + tfds:cifar10`."""

import dataclasses
import functools
import itertools
import math
import re
from collections.abc import Sequence
from typing import Any

from PIL import Image

from jaxcolor.data.fingerprint import Fingerprint, digest
from jaxcolor.data.sources import KINDS, LABELED, WITH_FEATURES, Source, open_source
from jaxcolor.errors import UserError

_PLUS = re.compile(rf'\s+\+\s+(?=(?:{"|".join(KINDS)}):|bundled\b)')
_NUMBER = r'[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|nan|inf)'
_WEIGHTED = re.compile(rf'(?P<source>.+?)\s*\*\s*(?P<weight>{_NUMBER})', re.IGNORECASE | re.DOTALL)
_MOST_APART = 1e6  # the largest weight by the smallest
NO_SPLIT = 'none'
"""A split of no pictures, which leaves a source out."""


@dataclasses.dataclass(frozen=True)
class Mixture:
    """The pictures of several sources, one source after the other; see `sources.Source`.

    Attributes:
      sources: of which there are two or more.
      weights: of each, the share of the training pictures that are drawn from it, by the sum of all.
    """

    sources: tuple[Source, ...]
    weights: tuple[float, ...]

    @functools.cached_property
    def starts(self) -> tuple[int, ...]:
        """Where the pictures of each begin."""
        return (0, *itertools.accumulate(len(source) for source in self.sources[:-1]))

    def __len__(self) -> int:
        return self.starts[-1] + len(self.sources[-1])

    def _find(self, index: int) -> tuple[Source, int]:
        part = max(part for part, start in enumerate(self.starts) if start <= index)
        return self.sources[part], index - self.starts[part]

    def __getitem__(self, index: int) -> tuple[Source, Any]:
        source, place = self._find(index)
        return source, source[place]

    def decode(self, record: tuple[Source, Any], at_least: int) -> Image.Image:
        """Decode a record as its source does."""
        source, encoded = record
        return source.decode(encoded, at_least)

    def name(self, index: int) -> str:
        """Return what its source calls the picture."""
        source, place = self._find(index)
        return source.name(place)

    def fingerprint(self) -> Fingerprint:
        """By those of the sources."""
        found = [source.fingerprint() for source in self.sources]
        return Fingerprint(len(self), digest(each.sha256 for each in found), digest(each.dated for each in found))


def parse(source: str) -> list[tuple[str, float]]:
    """Return the sources of a `data.source`, each with its weight: 1 where none is given.

    Raises:
      UserError: a weight is no number above 0, or they are too far apart.
    """
    parts = _PLUS.split(source.strip())
    if len(parts) == 1:
        return [(source, 1.0)]
    found = []
    for part in parts:
        match = _WEIGHTED.fullmatch(part.strip())
        name, weight = (match['source'], float(match['weight'])) if match else (part.strip(), 1.0)
        if not (weight > 0 and math.isfinite(weight)):
            raise UserError(f'data.source: the weight {weight:g} of {name} is out of range; use a number above 0')
        found.append((name, weight))
    weights = [weight for _, weight in found]
    if max(weights) > _MOST_APART * min(weights):
        raise UserError(
            f'data.source: the weights {max(weights):g} and {min(weights):g} are too far apart; '
            f'use at most {_MOST_APART:,.0f} times the least'
        )
    return found


def open_sources(source: str, split: str, labels: Sequence[str] | None = None, feature: str = 'image') -> Source:
    """Open a source, or a mixture of several.

    Args:
      source: see `sources.open_source`; several with ` + ` between them, and `*WEIGHT` after each that has one.
      split: for all sources, or one for each, with commas between them, of which `none` leaves a source out.
      labels: of the sources that have labels.
      feature: of the sources that have features.

    Raises:
      UserError: as from `open_source`; a weight that is none; splits for another number of sources.
    """
    parts = parse(source)
    if len(parts) == 1:
        return open_source(source, split, labels, feature)
    for field, value, kinds in (('labels', labels, LABELED), ('feature', feature != 'image', WITH_FEATURES)):
        if value and not any(name.startswith(tuple(f'{kind}:' for kind in kinds)) for name, _ in parts):
            raise UserError(f'data.{field}: no source of {source} has any; only {", ".join(kinds)} have')
    splits = [each.strip() for each in split.split(',')]
    if len(splits) not in (1, len(parts)):
        raise UserError(
            f'split {split!r} is for {len(splits)} sources, and {source} are {len(parts)}; use one for each'
        )
    opened, weights = [], []
    for (name, weight), own in zip(parts, splits * (len(parts) if len(splits) == 1 else 1), strict=True):
        if own != NO_SPLIT:
            kind = name.partition(':')[0]
            its_labels, its_feature = labels if kind in LABELED else None, feature if kind in WITH_FEATURES else 'image'
            opened.append(open_source(name, own, its_labels, its_feature))
            weights.append(weight)
    if not opened:
        raise UserError(f'split {split!r} leaves all sources of {source} out; name the split of one')
    return Mixture(tuple(opened), tuple(weights)) if len(opened) > 1 else opened[0]
