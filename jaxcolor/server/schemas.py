"""The options beside the picture, in the form's fields or in the address's query."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jaxcolor.errors import UserError
from jaxcolor.inference.colorizer import MOST_SATURATION, Colorizer, Options


class ColorizeOptions(BaseModel):
    """Fields of the form; all may be left out."""

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    format: Literal['png', 'jpeg', 'webp'] | None = Field(
        None, description="Of the result; left out, the picture's own where it is one of these, else PNG."
    )
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
    flip_average: bool = Field(False, description='Colour the mirror image too and take the mean: slower, calmer.')
    seed: int = Field(0, ge=0, lt=2**32, description='Of the noise, for models that have any.')

    @property
    def pillow_format(self) -> str | None:
        """Pillow's name of `format`."""
        return self.format and self.format.upper()

    def for_colorizer(self, colorizer: Colorizer) -> Options:
        """Return these as `colorizer` takes them; a UserError where it does not have them."""
        options = Options(
            saturation=self.saturation,
            temperature=self.temperature,
            seed=self.seed,
            flip_average=self.flip_average,
            vividness=self.vividness,
        )
        colorizer.check(options)
        return options


def parse_options(query: Mapping[str, str], fields: Mapping[str, str]) -> ColorizeOptions:
    """Read the options of a request; empty ones count as left out.

    Raises:
      UserError: a name or a value that is none.
    """
    both = sorted(query.keys() & fields.keys())
    if both:
        raise UserError(f'{both[0]}: it is in the form and in the query; give it once')
    try:
        return ColorizeOptions.model_validate(
            {name: value for name, value in {**query, **fields}.items() if value != ''}
        )
    except ValidationError as error:
        problem = error.errors()[0]
        name = str(problem['loc'][0])
        name = name if len(name) <= 40 else f'{name[:40]}…'
        if problem['type'] == 'extra_forbidden':
            known = ', '.join(ColorizeOptions.model_fields)
            raise UserError(f'{name!r} is not an option; the options are {known}') from error
        message = problem['msg'].removeprefix('Input should be ')
        raise UserError(f'{name}: {str(problem["input"])[:40]!r} should be {message}') from error
