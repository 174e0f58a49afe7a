"""Hints drawn in training: half of the pictures, 1 to 100 true colours, none where there are none."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxcolor.color.hints import SCALE
from jaxcolor.color.resampling import shrink
from jaxcolor.training import hints

CHROMA = 110 * jax.random.normal(jax.random.key(1), (512, 64, 64, 2))


def test_hints_are_the_true_colours_of_patches():
    drawn = np.asarray(jax.jit(hints.draw)(jax.random.key(0), CHROMA))
    assert drawn.shape == (512, 16, 16, 3)
    given = drawn[..., 2]
    assert set(np.unique(given)) == {0, 1}
    means = np.asarray(shrink(CHROMA, (16, 16))) / SCALE
    np.testing.assert_allclose(drawn[..., :2], means * given[..., None], atol=1e-6)


def test_half_of_the_pictures_have_some_and_few_have_many():
    counts = np.asarray(hints.draw(jax.random.key(0), CHROMA))[..., 2].sum((1, 2))
    some = counts[counts > 0]
    assert abs(len(some) / 512 - 0.5) < 0.08
    assert some.min() == 1
    assert 80 < some.max() <= 100
    # Evenly on a logarithmic scale: as many below ten as above.
    assert abs(np.mean(some < 10) - 0.5) < 0.1


def test_places_are_anywhere_and_their_number_is_exact():
    count = jnp.asarray([0, 1, 5, 256])
    drawn = hints.at_random(jax.random.key(2), jnp.ones((4, 16, 16, 2)), count)
    np.testing.assert_array_equal(drawn[..., 2].sum((1, 2)), count)
    many = hints.at_random(jax.random.key(3), jnp.ones((4096, 4, 4, 2)), jnp.full(4096, 4))[..., 2].mean(0)
    np.testing.assert_allclose(many, np.full((4, 4), 0.25), atol=0.04)
