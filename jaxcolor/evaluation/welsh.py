"""Colour taken from another photograph, by lightness and texture alone: the classical method without a training."""

import numpy as np
import scipy.ndimage
import scipy.spatial
from jaxtyping import Float

SAMPLES = 200  # of the reference picture, about
_WINDOW = 5  # pixels of a neighbourhood's side


def colorize(
    lightness: Float[np.ndarray, 'h w'],
    reference: Float[np.ndarray, 'p q 3'],
    rng: np.random.Generator,
    samples: int = SAMPLES,
) -> Float[np.ndarray, 'h w 2']:
    """Return chroma for every pixel, each that of the sample of a reference picture that is most like it.

    The reference's lightness is first given the mean and the standard deviation of the picture's. Samples are drawn
    from it, one at a random place of each cell of a grid. What is compared is lightness and its standard deviation in
    the 5 x 5 pixels around, with equal weights; at the border the picture is mirrored.

    The authors do so in l alpha beta; here it is L*a*b*, whose lightness is what every method here is given. They
    sum the two with weights of 1/2 and don't say how sums are compared; here it is the Euclidean distance.

    Args:
      lightness: of the picture, in any scale.
      reference: lightness in the same scale, and chroma.
      rng: of the places.
      samples: their number, about: that of the cells of a grid with the reference's proportions.

    References:
      Welsh, Ashikhmin and Mueller, "Transferring color to greyscale images", SIGGRAPH 2002, section 2.1.
    """
    remapped = remap(reference[..., 0], lightness)
    rows, columns = jittered_grid(remapped.shape[0], remapped.shape[1], samples, rng)
    tree = scipy.spatial.KDTree(_features(remapped)[rows, columns])
    _, nearest = tree.query(_features(lightness))
    return reference[rows, columns, 1:][nearest].astype(reference.dtype)


def remap(values: Float[np.ndarray, 'p q'], like: Float[np.ndarray, 'h w']) -> Float[np.ndarray, 'p q']:
    """Return `values` moved and stretched to the mean and standard deviation of `like`; an even picture stays even."""
    spread = values.std()
    stretch = like.std() / spread if spread > 1e-6 else 0.0
    return (values - values.mean()) * stretch + like.mean()


def jittered_grid(height: int, width: int, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of about `count` pixels, at a random place of each cell of an even grid."""
    side = np.sqrt(height * width / count)
    down, across = (int(np.clip(round(length / side), 1, length)) for length in (height, width))
    rows = (np.arange(down)[:, None] + rng.random((down, across))) * height / down
    columns = (np.arange(across) + rng.random((down, across))) * width / across
    return rows.astype(int).ravel(), columns.astype(int).ravel()


def _features(lightness: Float[np.ndarray, 'h w']) -> Float[np.ndarray, 'h w 2']:
    """Return each pixel's lightness, and its standard deviation around."""
    lightness = lightness.astype(np.float64)
    centred = lightness - lightness.mean()  # or the difference of two large squares would be noise
    mean, square = (scipy.ndimage.uniform_filter(power, _WINDOW, mode='reflect') for power in (centred, centred**2))
    return np.stack([lightness, np.sqrt(np.maximum(square - mean**2, 0))], axis=-1)
