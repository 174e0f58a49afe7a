"""Sums on the device, and the first step at which a term was not finite."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxcolor.training import train_metrics


def feed(*values):
    sums = train_metrics.empty(adversarial=False)
    for step, (total, reconstruction, norm) in enumerate(values, 1):
        terms = dict.fromkeys(train_metrics.GENERATOR_TERMS, jnp.float32(1))
        terms |= {'generator_loss': jnp.float32(total), 'reconstruction': jnp.float32(reconstruction)}
        terms['generator_grad_norm'] = jnp.float32(norm)
        sums = train_metrics.add(sums, terms, jnp.int32(step))
    return sums


def test_means():
    means = train_metrics.means(feed((1, 4, 2), (2, 5, 2), (6, 0, 5)))
    ratio = {'generator_update_ratio': 1.0}
    assert means == {'generator_loss': 3.0, 'reconstruction': 3.0, 'generator_grad_norm': 3.0, **ratio}


def test_a_norm_that_overflows_ends_no_run_nor_does_one_that_is_not_measured():
    assert train_metrics.means(feed((1, 4, 2), (2, 5, np.inf), (1, 1, np.nan), (1, 1, 6)))['generator_grad_norm'] == 4
    assert 'generator_grad_norm' not in train_metrics.means(feed((2, 5, np.nan)))


def test_first_broken_step_is_named():
    with pytest.raises(train_metrics.NonFiniteError, match='step 2: reconstruction not finite') as error:
        train_metrics.means(feed((1, 1, 1), (1, np.inf, 1), (np.nan, np.nan, 1), (1, 1, 1)))
    assert error.value.terms == ['reconstruction']


def test_check_finite():
    train_metrics.check_finite(3, {'w': jnp.ones(3), 'n': jnp.ones((), jnp.int32)})
    with pytest.raises(train_metrics.NonFiniteError, match='step 3: parameters'):
        train_metrics.check_finite(3, {'w': jnp.asarray([1.0, jnp.inf])})
