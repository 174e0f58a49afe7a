"""What each player is paid for: adversarial and reconstruction terms as pure functions of arrays."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from jaxcolor import own_parts
from jaxcolor.color.palette import Palette
from jaxcolor.color.spaces import Space, Target
from jaxcolor.errors import UserError

Logits = Float[Array, 'b *patches']
Picture = Float[Array, 'b h w c']
Labels = Int[Array, 'b h w 1']
Scalar = Float[Array, '']
Shares = Callable[[Float[Array, 'b h w d'], Sequence[int]], Float[Array, 'b p q c']]
Reconstruction = Callable[[Picture, Target], Scalar]  # of what the generator says, and what it should have


def _sigmoid_cross_entropy(logits: Logits, target: float) -> Scalar:
    # softplus(z) - t*z is the sigmoid's cross-entropy without ever computing the sigmoid.
    return jnp.mean(jax.nn.softplus(logits) - target * logits)


def _squared_error(logits: Logits, target: float) -> Scalar:
    return jnp.mean(jnp.square(logits - target))


def _hinge(logits: Logits, target: float) -> Scalar:
    sign = 1.0 if target > 0.5 else -1.0
    return jnp.mean(jax.nn.relu(1.0 - sign * logits))


_TOWARDS_LABEL = {'vanilla': _sigmoid_cross_entropy, 'lsgan': _squared_error, 'hinge': _hinge}
ADVERSARIAL = tuple(_TOWARDS_LABEL)


def discriminator_loss(kind: str, real: Logits, fake: Logits, smoothing: float = 0.0) -> tuple[Scalar, Scalar]:
    """Return the discriminator's terms for the true and the generated batch; their mean is its loss.

    Args:
      kind: `vanilla`, cross-entropy (Goodfellow et al. 2014; Kanojia23 section 5.4); `lsgan`, least squares
        (Mao et al. 2017); or `hinge` (Lim and Ye 2017).
      real: what the discriminator says of true pictures.
      fake: what it says of generated ones.
      smoothing: the labels become `1 - smoothing / 2` and `smoothing / 2`, as in Keras (Akshat23 section
        3.8.4); `hinge` has no labels to smooth.
    """
    towards = _TOWARDS_LABEL[kind]
    return towards(real, 1.0 - smoothing / 2), towards(fake, smoothing / 2)


def accuracy(kind: str, real: Logits, fake: Logits) -> tuple[Scalar, Scalar]:
    """Return the shares of true and of generated patches that the discriminator takes for what they are, in [0, 1].

    Args:
      kind: see `discriminator_loss`; it says what lies between the labels.
      real: what the discriminator says of true pictures.
      fake: what it says of generated ones.
    """
    middle = 0.5 if kind == 'lsgan' else 0.0
    return jnp.mean(real > middle, dtype=jnp.float32), jnp.mean(fake < middle, dtype=jnp.float32)


def generator_loss(kind: str, fake: Logits) -> Scalar:
    """Return what the generator pays for `fake`, the discriminator's verdict on what it made.

    For `vanilla` and `lsgan` it is the distance from the label *real* (the non-saturating form); for
    `hinge` the negated mean. Labels are never smoothed here (Akshat23 figure 3.12).
    """
    return -jnp.mean(fake) if kind == 'hinge' else _TOWARDS_LABEL[kind](fake, 1.0)


def l1(prediction: Picture, target: Picture) -> Scalar:
    """Mean absolute difference, in the scale of the network's output (Kanojia23 section 5.4)."""
    return jnp.mean(jnp.abs(prediction - target))


def l2(prediction: Picture, target: Picture) -> Scalar:
    """Mean squared difference, in the scale of the network's output."""
    return jnp.mean(jnp.square(prediction - target))


def cross_entropy(logits: Picture, labels: Labels, class_weights: Float[Array, ' c'] | None = None) -> Scalar:
    """Mean over pixels of -w[label] log softmax(logits)[label], in nats (Ramlal; Zhang et al. 2016, equation 2).

    Args:
      logits: a channel for each class.
      labels: the true class of each pixel, in [0, c).
      class_weights: w; None weighs every class 1. The mean is over pixels, not over weights.
    """
    labels = labels[..., 0]
    terms = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    return jnp.mean(terms if class_weights is None else class_weights[labels] * terms)


def soft_cross_entropy(
    logits: Float[Array, 'b p q c'],
    target: Float[Array, 'b h w d'],
    shares: Shares,
    class_weights: Float[Array, ' c'] | None = None,
) -> Scalar:
    """Mean over pixels of -w q . log softmax(logits), in nats (Zhang et al. 2016, equation 2).

    Args:
      logits: a channel for each class, of a fraction of the target's size.
      target: colours in the units of the palette.
      shares: (target, size) -> q, the share of each class.
      class_weights: w is their mean under q; None weighs every class 1.
    """
    q = shares(target, logits.shape[1:3])
    terms = optax.softmax_cross_entropy(logits, q)
    return jnp.mean(terms if class_weights is None else terms * (q @ class_weights))


RECONSTRUCTION: dict[str, Callable[..., Scalar]] = {'l1': l1, 'l2': l2, 'cross_entropy': cross_entropy}


def reconstruction(kind: str, space: Space) -> Reconstruction:
    """Return the term called `kind`, of `RECONSTRUCTION` or one's own, as it is for the targets of `space`.

    Raises:
      UserError: there is no such term.
    """
    if kind != 'cross_entropy' or not isinstance(space, Palette):
        found = own_parts.find('loss.reconstruction', kind, RECONSTRUCTION)
        if not callable(found):
            raise UserError(f'loss.reconstruction={kind} is no function; use one of (prediction, target), a number')
        return cast(Reconstruction, found)
    term = partial(soft_cross_entropy, shares=space.shares) if space.sigma else cross_entropy
    return partial(term, class_weights=space.class_weights())
