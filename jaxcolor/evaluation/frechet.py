"""The Fréchet distance between the generated and the true pictures of a whole set, in the features of a network."""

import functools
import logging
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float

Pictures = Float[Array, 'b h w 3']

_LOG = logging.getLogger(__name__)


class Moments(NamedTuple):
    """Of features, float64: how many pictures, the mean, and the sum of the outer products of what differs from it."""

    pictures: int
    mean: Float[np.ndarray, ' k']
    scatter: Float[np.ndarray, 'k k']

    @classmethod
    def none(cls, size: int) -> 'Moments':
        """Return those of no rows of so many features."""
        return cls(0, np.zeros(size), np.zeros((size, size)))

    def add(self, rows: Float[np.ndarray, 'n k']) -> 'Moments':
        """Return those with more rows, by the update of Chan, Golub and LeVeque 1979: no large numbers cancel."""
        if not len(rows):
            return self
        rows = rows.astype(np.float64)
        mean = rows.mean(axis=0)
        pictures, shift = self.pictures + len(rows), mean - self.mean
        between = self.pictures * len(rows) / pictures * np.outer(shift, shift)
        scatter = self.scatter + (rows - mean).T @ (rows - mean) + between
        return Moments(pictures, self.mean + shift * len(rows) / pictures, scatter)

    @property
    def covariance(self) -> Float[np.ndarray, 'k k']:
        """The unbiased one; zeros for a single row."""
        return self.scatter / max(1, self.pictures - 1)


def distance(a: Moments, b: Moments) -> float:
    """Return the squared Fréchet distance of two Gaussians: |m - n|^2 + tr(A + B - 2 (A B)^(1/2)); nan of nan.

    Dowson and Landau 1982; Heusel et al. 2017, "GANs trained by a two time-scale update rule converge to a local Nash
    equilibrium".
    """
    if not all(np.isfinite(moments.scatter).all() for moments in (a, b)):
        return math.nan  # of a network that is beyond numbers
    values, vectors = np.linalg.eigh(a.covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    # A^(1/2) B A^(1/2) has the eigenvalues of A B, and is symmetric: no square root of a matrix that has none.
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ b.covariance @ root), 0)).sum()
    spread = np.trace(a.covariance) + np.trace(b.covariance) - 2 * shared
    return max(0.0, float(np.sum((a.mean - b.mean) ** 2) + spread))


class FrechetDistance(NamedTuple):
    """The distance as a measure of a set, see `measures.SetMeasure`.

    Of no more pictures than features, covariances have no full rank, and the distance is larger than that of more
    pictures by more than usual; a line says so.
    """

    name: str
    size: int  # how many features a picture has
    extract: Partial  # (generated, true) -> the features of both

    @classmethod
    def of(cls, name: str, size: int, features: Callable[[Any, Pictures], Array], params: Any) -> 'FrechetDistance':
        """Return the distance in what `features(params, pictures)` says of pictures, [b, size]."""
        return cls(name, size, Partial(functools.partial(_extract, features), params))

    def init(self) -> dict[str, Moments]:
        """Return the moments of no pictures."""
        return {side: Moments.none(self.size) for side in ('generated', 'true')}

    def update(self, state: dict[str, Moments], rows: dict[str, np.ndarray]) -> dict[str, Moments]:
        """Return the moments with more pictures."""
        return {side: moments.add(rows[side]) for side, moments in state.items()}

    def finish(self, state: dict[str, Moments]) -> float:
        """Return the distance."""
        pictures = state['true'].pictures
        if pictures <= self.size:
            _warn_of_few(self.name, pictures, self.size)
        return distance(state['generated'], state['true'])


def _extract(
    features: Callable[[Any, Pictures], Array], params: Any, generated: Pictures, true: Pictures
) -> dict[str, Array]:
    # Not in the shorter floats that accelerators like for products: numbers must not depend on where they are taken.
    with jax.default_matmul_precision('highest'):
        return {
            'generated': features(params, jnp.round(255 * generated) / 255),  # as a file has it
            'true': features(params, true),
        }


@functools.cache  # one line a run
def _warn_of_few(name: str, pictures: int, size: int) -> None:
    _LOG.warning(
        '%s of %d pictures in %d features is biased upwards: compare it with others of as many pictures alone',
        name,
        pictures,
        size,
    )
