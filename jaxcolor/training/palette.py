"""Learns the colours of a palette from the training pictures; once, for `config.json` keeps them."""

import contextlib
import dataclasses
import logging
from concurrent.futures import ThreadPoolExecutor

import jax.numpy as jnp
import ml_collections
import numpy as np
from jax.experimental import multihost_utils
from jaxtyping import Float, Int, UInt8
from scipy.cluster import vq

from jaxcolor.color.palette import Palette
from jaxcolor.color.spaces import build_space
from jaxcolor.data.dataset import Dataset
from jaxcolor.errors import UserError
from jaxcolor.imaging.photos import PhotoError

_LOG = logging.getLogger(__name__)

# What the palette is learned from: a few thousand pictures are varied enough, and decode in seconds.
_PICTURES = 4096
_PIXELS = 2**17
_ITERATIONS = 100
_ATTEMPTS = 10
_RAREST = 20_000  # colours of which a grid's point must be nearest to one
_THREADS = 8


def resolve(
    config: ml_collections.ConfigDict, dataset: Dataset, stored: ml_collections.ConfigDict | None = None
) -> None:
    """Fill in the colours of `config.space` if it is a palette that has none.

    They are those of `stored`, if its palette has the same size, or spacing, and basis: so a run that resumes, or
    starts from a model, means the same classes. Otherwise they are learned.

    Args:
      config: of the run.
      dataset: to learn from.
      stored: the config of an earlier run in the same work directory, or of the model that this one starts from.

    Raises:
      UserError: see `learn`.
    """
    palette = build_space(config.space.to_dict())
    if not isinstance(palette, Palette) or palette.centers is not None:
        return
    before = build_space(stored.space.to_dict()) if stored is not None else None
    if isinstance(before, Palette) and before.centers and _kind(before) == _kind(palette):
        learned = before
    else:
        learned = learn(dataset, palette, config.seed)
    with config.unlocked():
        config.space.update(size=learned.size, centers=learned.centers, frequencies=learned.frequencies)


def _kind(palette: Palette) -> tuple[object, ...]:
    """Return what palettes must have in common to mean the same; the size of a grid's follows from the rest."""
    return palette.basis, palette.spacing, palette.spacing or palette.size


def learn(dataset: Dataset, palette: Palette, seed: int) -> Palette:
    """Return `palette` with centres found among colours of the training pictures, and how frequent each is.

    With a `spacing` they are the points of that grid that are nearest to at least one colour in 20,000. Otherwise they
    are `size` ones, of k-means++ (Arthur and Vassilvitskii 2007) and Lloyd's iterations in the units of the basis. The
    colours are 131,072 pixels, drawn evenly from up to 4,096 pictures. Centres go from the most to the least frequent,
    and are rounded to 3 decimals. The same for the same seed, on every host.

    Args:
      dataset: the pictures.
      palette: its `size` and `basis`.
      seed: of the pictures, the pixels and the first centres.

    Raises:
      UserError: no picture can be read; the pictures do not have that many different colours.
    """
    rng = np.random.default_rng(seed)
    pixels = _sample(dataset, rng)
    points = np.asarray(palette.coordinates(jnp.asarray(pixels, jnp.float32) / 255), np.float64)
    centers = _grid(points, palette.spacing) if palette.spacing else _clusters(points, palette, dataset.config, rng)
    shares = _shares(points, centers, palette.sigma)
    order = np.argsort(-shares, kind='stable')
    # Hosts may differ in the last digit, and so in a class: all take the first one's.
    learned = np.float32(centers[order]), np.float32(shares[order])
    centers, frequencies = multihost_utils.broadcast_one_to_all(learned)
    _LOG.info('space: %d colours learned from %d training pixels', len(centers), len(points))
    return dataclasses.replace(
        palette,
        size=len(centers),
        centers=tuple(tuple(round(float(v), 3) for v in center) for center in centers),
        frequencies=tuple(round(float(v), 6) for v in frequencies),
    )


def _grid(points: Float[np.ndarray, 'n d'], spacing: float) -> Float[np.ndarray, 'k d']:
    """Return the points of a square grid that are nearest to at least one of 20,000 colours."""
    cells, counts = np.unique(np.round(points / spacing), axis=0, return_counts=True)
    return cells[counts >= len(points) / _RAREST] * spacing


def _clusters(
    points: Float[np.ndarray, 'n d'], palette: Palette, data: ml_collections.ConfigDict, rng: np.random.Generator
) -> Float[np.ndarray, 'k d']:
    different = len(np.unique(points, axis=0))
    if different < palette.size:
        raise UserError(
            f'space.size is {palette.size}, but the training pictures of {data.source} {data.train_split} have '
            f'only {different} different colours; use a smaller one'
        )
    return np.round(_kmeans(points, palette.size, rng), 3)


def _shares(
    points: Float[np.ndarray, 'n d'], centers: Float[np.ndarray, 'k d'], sigma: float
) -> Float[np.ndarray, ' k']:
    """Return the share of each centre among colours: of the nearest or, with a `sigma`, of the targets' Gaussians."""
    if not sigma:
        return np.bincount(vq.vq(points, centers)[0], minlength=len(centers)) / len(points)
    total = np.zeros(len(centers))
    for part in np.array_split(points, -(-len(points) // 4096)):
        distances = np.square(part[:, None] - centers).sum(axis=-1)
        weights = np.exp((distances.min(axis=1, keepdims=True) - distances) / (2 * sigma**2))
        total += (weights / weights.sum(axis=1, keepdims=True)).sum(axis=0)
    return total / len(points)


def _sample(dataset: Dataset, rng: np.random.Generator) -> UInt8[np.ndarray, 'n 3']:
    """Random pixels of the centre crops of random training pictures."""
    chosen = rng.permutation(dataset.kept)[:_PICTURES]
    data, decoder = dataset.config, dataset.train
    places = rng.integers(0, data.image_size**2, (len(chosen), -(-_PIXELS // len(chosen))))

    def draw(index: int, places: Int[np.ndarray, ' n']) -> UInt8[np.ndarray, 'm 3']:
        with contextlib.suppress(PhotoError):
            return decoder(index, 0.5, 0.5).reshape(-1, 3)[places]
        return np.zeros((0, 3), np.uint8)

    with ThreadPoolExecutor(_THREADS) as pool:
        pixels = np.concatenate(list(pool.map(draw, chosen.tolist(), places)))
    if not len(pixels):
        raise UserError(f'none of the training pictures of {data.source} {data.train_split} can be read')
    return pixels


def _kmeans(points: Float[np.ndarray, 'n d'], size: int, rng: np.random.Generator) -> Float[np.ndarray, 'k d']:
    for _ in range(_ATTEMPTS):
        # A class that lost all its points would never be learned: start anew.
        with contextlib.suppress(vq.ClusterError):
            return vq.kmeans2(points, size, iter=_ITERATIONS, minit='++', missing='raise', rng=rng)[0]
    raise UserError(f'space.size={size} colours are more than k-means finds in the training pictures; use fewer')
