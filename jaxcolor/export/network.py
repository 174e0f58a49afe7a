"""The function that is exported, and the pictures that it takes."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import export
from jaxtyping import Array, Float

from jaxcolor.errors import UserError
from jaxcolor.inference.colorizer import Colorizer
from jaxcolor.models import sizes

Variables = dict[str, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Network:
    """A generator in inference and float32, with its weights.

    Attributes:
      generator: the Linen module.
      variables: its parameters and running statistics, NumPy arrays.
      size: the only height and width it takes; None for all multiples of `step` from `least` on.
      step: what sizes must be multiples of.
      least: the smallest size.
      shrinks: how many times as large as its output a picture is, each way.
    """

    generator: nn.Module
    variables: Variables
    size: int | None
    step: int
    least: int
    shrinks: int

    @classmethod
    def of(cls, colorizer: Colorizer, size: int | None = None) -> 'Network':
        """Take a colorizer's generator; UserError for a size that it can't take."""
        if size is not None:
            if size < 1:
                raise UserError(f'--size={size} is too small; use 1 or more')
            colorizer.generator.check_size(size, size)
        least, step = sizes(colorizer.generator)
        variables = jax.tree.map(np.asarray, colorizer.variables)
        generator = colorizer.generator.clone(dtype=jnp.float32)
        x = jnp.zeros((1, least, least, 1), jnp.float32)
        y = jax.eval_shape(lambda: generator.init_with_output(jax.random.key(0), x, train=False)[0])
        return cls(generator, variables, size, step, least, least // y.shape[1])

    def apply(self, variables: Variables, x: Float[Array, 'b h w 1']) -> Float[Array, 'b h w c']:
        """Return what the generator says to pictures of lightness, L*/50 - 1."""
        return self.generator.apply(variables, x, train=False)  # type: ignore[return-value]

    def __call__(self, x: Float[Array, 'b h w 1']) -> Float[Array, 'b h w c']:
        """Return the same with this network's weights."""
        return self.apply(self.variables, x)

    @property
    def shape(self) -> str:
        """The input's shape, in the words of `jax.export.symbolic_shape`."""
        if self.size is not None:
            return f'b, {self.size}, {self.size}, 1'
        return f'b, {self.step}*h, {self.step}*w, 1'

    @property
    def constraints(self) -> list[str]:
        """What the symbols of `shape` must meet, beside being 1 or more."""
        if self.size is not None or self.least == self.step:
            return []
        return [f'{symbol} >= {self.least // self.step}' for symbol in 'hw']

    def picture(self) -> jax.ShapeDtypeStruct:
        """Return the input, with symbols for what may vary."""
        return jax.ShapeDtypeStruct(export.symbolic_shape(self.shape, constraints=self.constraints), jnp.float32)
