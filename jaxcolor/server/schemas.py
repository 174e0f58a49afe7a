"""The options beside the picture, in the form's fields or in the address's query."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from jaxcolor.errors import UserError
from jaxcolor.inference import hints
from jaxcolor.inference.colorizer import Colorizer
from jaxcolor.inference.options import MOST_SATURATION, Options

_FORM = '[[x, y, "#rrggbb"], …]'


def _parse_hints(text: Any) -> tuple[hints.Hint, ...]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f'hints={text[:40]!r} is no JSON; use {_FORM}') from error
    return hints.parse(value)


_POINT = {
    'type': 'array',
    'prefixItems': [
        {'type': 'number', 'minimum': 0},
        {'type': 'number', 'minimum': 0},
        {'pattern': '^#[0-9a-fA-F]{6}$'},
    ],
    'minItems': 3,
    'maxItems': 3,
}
_Hints = Annotated[
    tuple[hints.Hint, ...],
    BeforeValidator(_parse_hints),
    WithJsonSchema(
        {
            'type': 'string',
            'contentMediaType': 'application/json',
            'contentSchema': {'type': 'array', 'items': _POINT, 'maxItems': hints.MOST},
            'default': '[]',
        }
    ),
]
_PLACE = 'in pixels of the upright picture'
_Kind = TypeVar('_Kind', bound='_Model')


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    model: str | None = Field(
        None, description='One of those that `/v1/models` names; left out, the first of them.', max_length=200
    )


class _Fields(_Model):
    hints: _Hints = Field(
        (), description=f'Colours of some places, for models that take them: {_FORM}, x and y {_PLACE}.'
    )


class ColorsOptions(_Fields):
    """Fields of the form that asks for likely colours."""

    x: float = Field(ge=0, description=f'Of the place, from the left edge, {_PLACE}.')
    y: float = Field(ge=0, description='From the upper edge.')


class FilmOptions(_Model):
    """Fields of the form with a film, which a picture has too; all may be left out."""

    saturation: float = Field(
        1.0,
        ge=0,
        le=MOST_SATURATION,
        description='What the colourfulness is multiplied by: 0 is grey, 1 what the model predicts.',
    )
    temperature: float | None = Field(
        None,
        ge=0,
        le=2,
        description="Of a palette's annealed mean, for models that have one: 0 is boldest.",
    )
    vividness: float | None = Field(
        None, ge=0, le=1, description="Of a palette, what rare colours gain; left out, the model's own."
    )
    warmth: float = Field(0.0, ge=-1, le=1, description='Of the light: -1 is cool, 0 as the model predicts, 1 warm.')
    flip_average: bool = Field(False, description='Colour the mirror image too and take the mean: slower, calmer.')

    seed: int = Field(0, ge=0, lt=2**32, description='Of the noise, for models that have any.')

    def for_colorizer(self, colorizer: Colorizer) -> Options:
        """Return these as `colorizer` takes them; a UserError where it does not have them."""
        options = Options(
            saturation=self.saturation,
            temperature=self.temperature,
            seed=self.seed,
            flip_average=self.flip_average,
            vividness=self.vividness,
            warmth=self.warmth,
        )
        colorizer.check(options)
        return options


class ColorizeOptions(FilmOptions, _Fields):
    """Fields of the form; all may be left out."""

    format: Literal['png', 'jpeg', 'webp'] | None = Field(
        None, description="Of the result; left out, the picture's own where it is one of these, else PNG."
    )

    @property
    def pillow_format(self) -> str | None:
        """Pillow's name of `format`."""
        return self.format and self.format.upper()


def parse(kind: type[_Kind], query: Mapping[str, str], fields: Mapping[str, str]) -> _Kind:
    """Read the options of a request; empty ones count as left out.

    Raises:
      UserError: a name or a value that is none.
    """
    both = sorted(query.keys() & fields.keys())
    if both:
        raise UserError(f'{both[0]}: it is in the form and in the query; give it once')
    try:
        return kind.model_validate({name: value for name, value in {**query, **fields}.items() if value != ''})
    except ValidationError as error:
        problem = error.errors()[0]
        name = str(problem['loc'][0])
        name = name if len(name) <= 40 else f'{name[:40]}…'
        if problem['type'] == 'extra_forbidden':
            known = ', '.join(kind.model_fields)
            raise UserError(f'{name!r} is not an option; the options are {known}') from error
        if problem['type'] == 'missing':
            raise UserError(f'the form has no field {name!r}; send it, {_PLACE}') from error
        message = problem['msg'].removeprefix('Input should be ')
        raise UserError(f'{name}: {str(problem["input"])[:40]!r} should be {message}') from error
