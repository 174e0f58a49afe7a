"""Colorization as classification: each pixel is one of k colours (Ramlal; Zhang, Isola and Efros 2016).

Centres are in the units of their basis: R, G, B in 0-255, or the chroma of CIELAB or CIELUV.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from jaxcolor.color import convert
from jaxcolor.color.resampling import enlarge, shrink
from jaxcolor.errors import UserError

_BASES = ('rgb', 'lab', 'luv')
_ESTIMATES = ('mean', 'median')

Target = Int[Array, 'b h w 1'] | Float[Array, 'b h w d']


@dataclasses.dataclass(frozen=True)
class Palette:
    """Lightness in, a class among `size` colours out: the target is an int32, `y` a logit for each class.

    Attributes:
      size: how many colours; Ramlal has 24.
      basis: `rgb`: a class is a whole colour, which replaces the pixel's (Ramlal). `lab` or `luv`: a class is
        a chroma, (a*, b*) or (u*, v*), and the pixel keeps its own lightness (Zhang et al. 2016).
      temperature: 0 shows the likeliest colour; above, the mean of all colours weighed by softmax(y / T), the
        annealed mean of Zhang et al. section 2.3, whose T is 0.38.
      rebalance: 0 counts all pixels alike; towards 1, rare colours count more, up to the inverse of their
        frequency (Zhang et al. section 2.2, who have 0.5).
      spacing: 0 has k-means find the colours; above, they are those of a square grid of this spacing that the
        training pictures have, and `size` follows (basis `lab`; Zhang et al. section 2.1, who have 10).
      sigma: 0 makes a target one class; above, a share of every class, by a Gaussian of this width around the colour
        (Zhang et al. section 2.2, who have 5).
      vividness: what the logarithm of `frequencies` is multiplied by before it is taken from the logits. The mean of a
        distribution is greyer than its members, and grey is the likeliest of all; 0 leaves it so.
      compression: 0 has the mean of colours as they are. Above, the mean of colours whose chroma C is
        ln(1 + compression C) / compression, where equal steps look alike: CIEDE2000 (Luo, Cui and Rigg 2001) divides
        differences in C by 1 + 0.045 C. So a vivid colour that is merely possible moves the mean less (`lab`, `luv`).
      estimate: `mean`, which errs least in squares, or `median`, which errs least in distances: see `geometric_median`.
        Between two likely colours the mean is neither, and greyer; the median takes a side.
      saturation: what the mean or the median is multiplied by, before `compression` is undone (`lab`, `luv`).
      centers: the colours, 3 numbers (rgb) or 2 each; None as long as they have not been learned.
      frequencies: the share of each among the training pixels.
    """

    name: ClassVar[str] = 'palette'
    signed: ClassVar[bool] = True
    categorical: ClassVar[bool] = True
    size: int = 24
    basis: str = 'rgb'
    temperature: float = 0.0
    rebalance: float = 0.0
    spacing: float = 0.0
    sigma: float = 0.0
    vividness: float = 0.0
    compression: float = 0.0
    estimate: str = 'mean'
    saturation: float = 1.0
    centers: tuple[tuple[float, ...], ...] | None = None
    frequencies: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.size < 2:
            raise UserError(f'space.size is {self.size}: a palette needs 2 colours or more.')
        if self.basis not in _BASES:
            raise UserError(f'space.basis is {self.basis!r}: no such basis. Known: {", ".join(_BASES)}.')
        if not 0 <= self.temperature < math.inf:
            raise UserError(
                f'space.temperature is {self.temperature}: it must be 0, which shows the likeliest colour, or above, '
                'such as 0.38.'
            )
        if not 0 <= self.rebalance < 1:
            raise UserError(f'space.rebalance is {self.rebalance}: it must be in [0, 1); 0 counts all pixels alike.')
        for field in ('spacing', 'sigma', 'vividness', 'compression'):
            if not 0 <= getattr(self, field) < math.inf:
                raise UserError(f'space.{field} is {getattr(self, field)}: it must be 0 or above.')
            if getattr(self, field) and self.basis == 'rgb':
                raise UserError(f'space.{field} is {getattr(self, field)}: basis rgb has none; use basis lab or luv.')
        if self.estimate not in _ESTIMATES:
            raise UserError(f'space.estimate is {self.estimate!r}: it must be {" or ".join(_ESTIMATES)}.')
        if not 0 <= self.saturation < math.inf:
            raise UserError(f'space.saturation is {self.saturation}: it must be 0 or above; 1 leaves colours alone.')
        if self.saturation != 1 and self.basis == 'rgb':
            raise UserError(f'space.saturation is {self.saturation}: basis rgb has none; use basis lab or luv.')
        if self.centers is not None:
            self._check_learned(self.centers)

    def _check_learned(self, centers: tuple[tuple[float, ...], ...]) -> None:
        width = 3 if self.basis == 'rgb' else 2
        if len(centers) != self.size or any(len(row) != width for row in centers) or not np.isfinite(centers).all():
            raise UserError(
                f'space.centers must be {self.size} (space.size) rows of {width} finite numbers; leave it out to '
                'have them learned in training.'
            )
        if self.frequencies is None and not (self.rebalance or self.vividness):
            return
        shares = self.frequencies or (-1.0,)
        if len(shares) != self.size or min(shares) < 0 or not math.isclose(sum(shares), 1, abs_tol=1e-3):
            raise UserError(
                f'space.frequencies must be {self.size} (space.size) shares that add up to 1: rebalancing needs '
                'the share of each of space.centers.'
            )

    @property
    def channels(self) -> int:
        """A logit for each colour."""
        return self.size

    def split(self, image: UInt8[Array, 'b h w 3']) -> tuple[Float[Array, 'b h w 1'], Target]:
        """`x` = L*/50 - 1 in [-1, 1] and the target of each pixel."""
        rgb = convert.to_float(image)
        return convert.rgb_to_lightness(rgb) / 50 - 1, self.target(rgb)

    def target(self, rgb: Float[Array, 'b h w 3']) -> Target:
        """Return the nearest class, int32 [b, h, w, 1]; with a `sigma` the colour itself, as `coordinates` has it."""
        coordinates = self.coordinates(rgb)
        return coordinates if self.sigma else self._nearest(coordinates)

    def labels(self, target: Target, size: Sequence[int]) -> Int[Array, 'b p q 1']:
        """Return the class of each pixel of a target; of block means, if `size` (p, q) is a fraction of its size."""
        return self._nearest(shrink(target, size)) if self.sigma else target

    def shares(self, target: Float[Array, 'b h w d'], size: Sequence[int]) -> Float[Array, 'b p q k']:
        """Return the true distribution of each block of a target: shares of the classes, by a Gaussian."""
        return jax.nn.softmax(-square_distances(shrink(target, size), self._centers()) / (2 * self.sigma**2), axis=-1)

    def _nearest(self, color: Float[Array, 'b h w d']) -> Int[Array, 'b h w 1']:
        """Return the class whose centre is nearest, int32; of several equally near, rounding decides."""
        return jnp.argmin(square_distances(color, self._centers()), axis=-1).astype(jnp.int32)[..., None]

    def color(self, y: Float[Array, 'b p q k']) -> Float[Array, 'b p q d']:
        """Return the colour of logits, in the units of the basis."""
        y, centers = y.astype(jnp.float32), jnp.asarray(self._centers())
        if self.vividness:
            y = y - self.vividness * self.log_frequencies()[None, None, None]
        if not self.temperature:
            return centers[jnp.argmax(y, axis=-1)]
        shares = jax.nn.softmax(y / self.temperature, axis=-1)
        if self.compression:
            centers = scale_chroma(jnp.log1p, centers, self.compression)
        color = (mean if self.estimate == 'mean' else geometric_median)(shares, centers)
        color = self.saturation * color
        return scale_chroma(jnp.expm1, color, self.compression) if self.compression else color

    def join(self, x: Float[Array, 'b h w 1'], y: Float[Array, 'b p q k']) -> Float[Array, 'b h w 3']:
        """sRGB in [0, 1] of logits; the basis `rgb` does not consult `x`, the others take their lightness from it.

        Where logits are of a fraction of the picture's size, colours are interpolated.
        """
        color = enlarge(self.color(y), x.shape[1:3])
        if self.basis == 'rgb':
            return jnp.clip(color / 255, 0.0, 1.0)
        L = 50 * (x.astype(jnp.float32) + 1)
        return convert.TO_RGB[self.basis](jnp.concatenate([L, color], axis=-1))

    def log_frequencies(self) -> Float[Array, ' k']:
        """Return the logarithm of `frequencies`, none of them below a hundred thousandth."""
        return jnp.log(jnp.maximum(jnp.asarray(self.frequencies, jnp.float32), 1e-5))

    def coordinates(self, rgb: Float[Array, '*b 3']) -> Float[Array, '*b d']:
        """sRGB in [0, 1] in the units of the basis, float32: where a colour lies among the centres."""
        if self.basis == 'rgb':
            return 255 * rgb.astype(jnp.float32)
        return convert.FROM_RGB[self.basis](rgb)[..., 1:]

    def class_weights(self) -> Float[Array, ' k'] | None:
        """How much a pixel of each class counts, 1 on average over the training pixels; None if all count alike.

        Zhang et al. 2016, equation 4: the inverse of frequencies mixed with 1 - `rebalance` parts of a uniform
        distribution, so that the rarest colours don't count without bound.
        """
        if not self.rebalance:
            return None
        self._centers()
        frequencies = np.array(self.frequencies)
        weights = 1 / (self.rebalance * frequencies + (1 - self.rebalance) / self.size)
        return jnp.asarray(weights / (frequencies @ weights), jnp.float32)

    def _centers(self) -> Float[np.ndarray, 'k d']:
        if self.centers is None:
            raise UserError('space.centers is None: the colours of this palette have not been learned; train it first.')
        return np.array(self.centers, np.float32)


def square_distances(
    color: Float[Array, 'b h w d'], centers: Float[Array | np.ndarray, 'k d']
) -> Float[Array, 'b h w k']:
    """Return the squares of the distances of each colour to each of `centers`."""
    centers = centers[None, None, None]
    # Sums and one reduction, which XLA fuses: no array of distances, and none rounded as matmuls round.
    return jnp.asarray(sum(jnp.square(color[..., i, None] - centers[..., i]) for i in range(centers.shape[-1])))


def mean(shares: Float[Array, 'b h w k'], centers: Float[Array, 'k d']) -> Float[Array, 'b h w d']:
    """Return the sum of `centers`, weighed by shares: their mean, if these add up to 1."""
    return jnp.einsum('bhwk,kd->bhwd', shares, centers, precision='highest')


def geometric_median(
    shares: Float[Array, 'b h w k'], centers: Float[Array, 'k d'], steps: int = 4
) -> Float[Array, 'b h w d']:
    """Return about where the mean distance to `centers`, weighed by `shares`, is least.

    A few steps from the mean, each to the mean weighed by shares over distances. A distance is sqrt(d^2 + 3^2): then
    one of the colours itself is no place where it ends.

    References:
      Weiszfeld 1937, "Sur le point pour lequel la somme des distances de n points donnes est minimum".
    """
    color = mean(shares, centers)
    with_one = jnp.pad(centers, ((0, 0), (0, 1)), constant_values=1)  # sums the weights as well
    for _ in range(steps):
        sums = mean(shares * jax.lax.rsqrt(square_distances(color, centers) + 9), with_one)
        color = sums[..., :-1] / sums[..., -1:]
    return color


def scale_chroma(function: Callable[[Array], Array], color: Float[Array, '*b 2'], factor: float) -> Array:
    """Return colours whose chroma C is function(factor C) / factor, their hue kept; `function` is as x near 0."""
    chroma = factor * jnp.linalg.norm(color, axis=-1, keepdims=True)
    grey = chroma < 1e-6
    return color * jnp.where(grey, 1.0, function(chroma) / jnp.where(grey, 1.0, chroma))
