"""Per-picture metrics on the device: one number a picture, [b].

`Pictures` are sRGB in [0, 1]; `Output` is what a network says, in its own scale or as logits. The caller
averages, and masks the pictures that only pad a batch.
"""

import types
from collections.abc import Callable, Mapping
from typing import cast

import dm_pix
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from jaxcolor.color import colorfulness as of_colors
from jaxcolor.color.convert import rgb_to_lab

Pictures = Float[Array, 'b h w 3']
Output = Float[Array, 'b h w c']
Labels = Int[Array, 'b h w 1']
Scores = Float[Array, ' b']


def mae(generated: Output, truth: Output) -> Scores:
    """Mean absolute error, in the scale of what is compared: in [0, 1] for pictures."""
    return jnp.mean(jnp.abs(generated - truth), axis=(1, 2, 3))


def mse(generated: Output, truth: Output) -> Scores:
    """Mean squared error, in the scale of what is compared."""
    return jnp.mean(jnp.square(generated - truth), axis=(1, 2, 3))


def psnr(generated: Pictures, truth: Pictures) -> Scores:
    """Peak signal-to-noise ratio in dB for data range 1; at most 100, since the MSE is floored at 1e-10."""
    return -10 * jnp.log10(jnp.maximum(mse(generated, truth), 1e-10))


def ssim(generated: Pictures, truth: Pictures) -> Scores:
    """Structural similarity, mean over R, G and B and over the places where the window fits; at most 1.

    Wang et al. 2004: a Gaussian window of 11 pixels and sigma 1.5. On pictures smaller than that the window
    is as large as fits and odd.
    """
    height, width = truth.shape[1:3]
    size = min(11, height - 1 + height % 2, width - 1 + width % 2)
    rows, columns = _blur(height, size), _blur(width, size)

    def blur(image: Pictures) -> Float[Array, 'b i j 3']:
        # Two small matmuls: dm-pix's own filter is a vmapped 1D convolution, slow on a CPU.
        return jnp.einsum('ih,bhwc,jw->bijc', rows, image, columns, precision='highest')

    return dm_pix.ssim(generated, truth, filter_fn=blur)


def _blur(length: int, size: int) -> Float[np.ndarray, 'valid length']:
    """Return a Gaussian of `size` taps, sigma 1.5, as a matrix that slides it over `length` pixels."""
    taps = np.exp(-0.5 * ((np.arange(size) - size // 2) / 1.5) ** 2)
    matrix = np.zeros((length - size + 1, length), np.float32)
    for row in range(len(matrix)):
        matrix[row, row : row + size] = taps / taps.sum()
    return matrix


def delta_e(generated: Pictures, truth: Pictures) -> Scores:
    """Mean CIEDE2000 colour difference: about 1 is just noticeable, 0 is the same colour."""
    return jnp.mean(ciede2000(rgb_to_lab(generated), rgb_to_lab(truth)), axis=(1, 2))


def colorfulness(image: Pictures) -> Scores:
    """Colourfulness on the 0-255 scale, see `color.colorfulness`."""
    return cast(Array, of_colors.colorfulness(255 * image))


def ciede2000(lab1: Float[Array, '*b 3'], lab2: Float[Array, '*b 3']) -> Float[Array, '*b']:
    """CIEDE2000 colour difference of CIELAB colours, with k_L = k_C = k_H = 1.

    Sharma, Wu and Dalal 2005, "The CIEDE2000 color-difference formula: implementation notes", whose names
    these are. A metric, not a loss: its gradient is not finite where the colours meet.
    """
    L1, a1, b1 = (lab1[..., i] for i in range(3))
    L2, a2, b2 = (lab2[..., i] for i in range(3))

    # Greys are pushed apart in a* before chroma and hue are taken.
    stretch = 1.5 - 0.5 * _saturation((jnp.hypot(a1, b1) + jnp.hypot(a2, b2)) / 2)
    a1, a2 = stretch * a1, stretch * a2
    C1, C2 = jnp.hypot(a1, b1), jnp.hypot(a2, b2)
    h1, h2 = jnp.arctan2(b1, a1) % (2 * jnp.pi), jnp.arctan2(b2, a2) % (2 * jnp.pi)

    # Hues are averaged over the shorter arc; at half a turn the formula jumps, and rounding must not decide.
    # Beyond 360 degrees the mean needs no wrapping (the blue term is over by then), nor a grey a hue (dH is 0).
    far = jnp.abs(h2 - h1) > jnp.pi + 4e-6
    h_mean = (h1 + h2) / 2 + jnp.where(far, jnp.pi, 0.0)
    dH = 2 * jnp.sqrt(C1 * C2) * jnp.sin((h2 - h1) / 2) * jnp.where(far, -1.0, 1.0)

    L_mean, C_mean = (L1 + L2) / 2, (C1 + C2) / 2
    T = (
        1
        - 0.17 * jnp.cos(h_mean - jnp.deg2rad(30))
        + 0.24 * jnp.cos(2 * h_mean)
        + 0.32 * jnp.cos(3 * h_mean + jnp.deg2rad(6))
        - 0.20 * jnp.cos(4 * h_mean - jnp.deg2rad(63))
    )
    S_L = 1 + 0.015 * (L_mean - 50) ** 2 / jnp.sqrt(20 + (L_mean - 50) ** 2)
    S_C = 1 + 0.045 * C_mean
    S_H = 1 + 0.015 * C_mean * T
    L, C, H = (L2 - L1) / S_L, (C2 - C1) / S_C, dH / S_H
    blue = jnp.exp(-(((jnp.rad2deg(h_mean) - 275) / 25) ** 2))
    rotation = -2 * _saturation(C_mean) * jnp.sin(jnp.deg2rad(60) * blue)
    return jnp.sqrt(jnp.maximum(L**2 + C**2 + H**2 + rotation * C * H, 0.0))


def _saturation(chroma: Float[Array, '*b']) -> Float[Array, '*b']:
    """sqrt(C^7 / (C^7 + 25^7)), the formula's passage from grey to colour."""
    power = (chroma / 25) ** 7
    return jnp.sqrt(power / (power + 1))


def rgb_distance(generated: Pictures, truth: Pictures) -> Scores:
    """Mean Euclidean distance of the colours of pixels in RGB, on the 0-255 scale (Ramlal)."""
    return 255 * jnp.mean(jnp.linalg.norm(generated - truth, axis=-1), axis=(1, 2))


def channel_accuracy(output: Output, target: Output) -> Scores:
    """Share of pixels whose largest channel, the first of several, is the true one.

    It is what Keras means by `accuracy` where the target has more than one channel (Mehani23 section 5).
    """
    return jnp.mean(jnp.argmax(output, axis=-1) == jnp.argmax(target, axis=-1), axis=(1, 2))


def class_accuracy(logits: Output, labels: Labels) -> Scores:
    """Share of pixels whose likeliest class is the true one (Ramlal)."""
    return jnp.mean(jnp.argmax(logits, axis=-1) == labels[..., 0], axis=(1, 2))


def cross_entropy(logits: Output, labels: Labels) -> Scores:
    """Mean over pixels of -log softmax(logits)[label], in nats; every class weighs 1."""
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, labels[..., 0]), axis=(1, 2))


Metric = Callable[[Pictures, Pictures], Scores]

PICTURES: dict[str, Metric] = {'psnr': psnr, 'ssim': ssim, 'mae': mae, 'delta_e': delta_e}
_NONE: Mapping[str, Metric] = types.MappingProxyType({})


def compare(generated: Pictures, truth: Pictures, own: Mapping[str, Metric] = _NONE) -> dict[str, Scores]:
    """Every metric of pictures that were given colour, by name; and those of one's `own`."""
    compared = {name: metric(generated, truth) for name, metric in {**PICTURES, **own}.items()}
    return {**compared, 'colorfulness': colorfulness(generated)}


def score(generated: Pictures, truth: Pictures, grey: Pictures, own: Mapping[str, Metric] = _NONE) -> dict[str, Scores]:
    """Every metric, and one's `own`, by the name it has in `evaluations.jsonl`.

    `grey_*` is what leaving the picture grey would score against the same truth: the baseline without which
    the numbers say nothing.
    """
    baselines = compare(grey, truth, own)
    del baselines['colorfulness']  # 0
    return {
        **compare(generated, truth, own),
        **{f'grey_{name}': baseline for name, baseline in baselines.items()},
        'true_colorfulness': colorfulness(truth),
    }
