"""The models that come with the package: NAME.safetensors each, and its model card NAME.md."""

import math
from pathlib import Path
from typing import NamedTuple

DEFAULT = 'photos'
_FOLDER = Path(__file__).parent


class Entry(NamedTuple):
    """A model that comes with the package."""

    name: str
    path: Path
    parameters: int
    summary: str  # the title of its card

    def __str__(self) -> str:
        """One line for people, and where it is."""
        size = self.path.stat().st_size / 1e6
        return (
            f'{self.name}: {self.summary}; {self.parameters / 1e6:.1f} million parameters, {size:.1f} MB\n  {self.path}'
        )


class Card(NamedTuple):
    """What the card of a model says to those who use it."""

    name: str
    summary: str  # its title
    bad_at: str  # the first paragraph of that section


def names() -> list[str]:
    """Return the names of the models."""
    return sorted(file.stem for file in _FOLDER.glob('*.safetensors'))


def path(name: str) -> Path:
    """Return the file of a model."""
    return _FOLDER / f'{name}.safetensors'


def entry(name: str) -> Entry:
    """Return what there is to know of a model without loading it."""
    from safetensors import safe_open

    file = path(name)
    with safe_open(file, framework='numpy') as tensors:
        shapes = {key: tensors.get_slice(key).get_shape() for key in tensors.keys()}  # noqa: SIM118
    parameters = sum(math.prod(shape) for key, shape in shapes.items() if key.startswith('params/'))
    return Entry(name, file, parameters, card(name).summary)


def card(name: str) -> Card:
    """Return what the card of a model says."""
    text = path(name).with_suffix('.md').read_text(encoding='utf-8')
    title = text.partition('\n')[0].partition(': ')[2]
    paragraph = text.partition('\n## What it is bad at\n\n')[2].partition('\n\n')[0]
    return Card(name, title, paragraph.replace('\n', ' '))
