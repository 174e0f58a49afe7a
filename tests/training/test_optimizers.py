"""Optimizers from a config against optax' own, put together by hand; rates over steps; what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcolor import config as configs
from jaxcolor.errors import UserError
from jaxcolor.training.optimizers import build_optimizer

PARAMS = {'backbone': {'kernel': jnp.ones((2, 2))}, 'output': {'kernel': jnp.ones((2, 2)), 'bias': jnp.ones(2)}}


def build(steps=10, **fields):
    config = configs.default().generator_optimizer
    config.update(**fields)
    return build_optimizer('generator_optimizer', config, steps)


def gradients(count=10):
    rng = np.random.default_rng(0)
    return [jax.tree.map(lambda p: jnp.asarray(rng.normal(size=p.shape), jnp.float32), PARAMS) for _ in range(count)]


def train(optimizer, count=10):
    """The parameters after every step."""
    state, params, path = optimizer.init(PARAMS), PARAMS, []
    with jax.numpy_dtype_promotion('standard'):
        for gradient in gradients(count):
            updates, state = optimizer.update(gradient, state, params)
            params = optax.apply_updates(params, updates)
            path.append(params)
    return path


def assert_same(got, want):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), got, want)


def test_plain_adam_has_the_state_of_adam_alone():
    """So a checkpoint from before there was a schedule fits."""
    plain, adam = build(), optax.adam(2e-4, b1=0.5, b2=0.999)
    assert jax.tree.structure(plain.init(PARAMS)) == jax.tree.structure(adam.init(PARAMS))
    assert_same(train(plain), train(adam))


def test_adamw_decays_kernels_alone():
    mask = {'backbone': {'kernel': False}, 'output': {'kernel': True, 'bias': False}}
    want = optax.adamw(1e-2, b1=0.9, b2=0.999, weight_decay=0.1, mask=mask)
    assert_same(train(build(name='adamw', learning_rate=1e-2, b1=0.9, weight_decay=0.1)), train(want))


def test_lion_decays_kernels_alone():
    mask = {'backbone': {'kernel': False}, 'output': {'kernel': True, 'bias': False}}
    want = optax.lion(1e-2, b1=0.9, b2=0.99, weight_decay=0.1, mask=mask)
    assert_same(train(build(name='lion', learning_rate=1e-2, b1=0.9, b2=0.99, weight_decay=0.1)), train(want))


def test_of_sgd_b1_is_the_momentum():
    assert_same(train(build(name='sgd', learning_rate=0.1)), train(optax.sgd(0.1, momentum=0.5)))
    assert_same(train(build(name='sgd', learning_rate=0.1, b1=0.0)), train(optax.sgd(0.1)))


def test_gradients_are_clipped_all_together():
    want = optax.chain(optax.clip_by_global_norm(0.5), optax.adam(2e-4, b1=0.5, b2=0.999))
    assert_same(train(build(max_grad_norm=0.5)), train(want))


def test_a_backbone_rests_and_then_learns_more_slowly():
    path = train(build(learning_rate=0.1, backbone_factor=0.25, backbone_frozen_steps=4))
    plain = train(optax.adam(0.1, b1=0.5, b2=0.999))
    assert_same([p['output'] for p in path], [p['output'] for p in plain])
    for params in path[:4]:
        np.testing.assert_array_equal(params['backbone']['kernel'], PARAMS['backbone']['kernel'])
    moved = path[9]['backbone']['kernel'] - path[3]['backbone']['kernel']
    np.testing.assert_allclose(
        moved, 0.25 * (plain[9]['backbone']['kernel'] - plain[3]['backbone']['kernel']), rtol=1e-5
    )


@pytest.mark.parametrize(
    ('fields', 'rates'),
    [
        ({'warmup_steps': 4}, [0, 0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1]),
        ({'schedule': 'linear', 'decay_steps': 5}, [1, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2]),
        ({'schedule': 'linear', 'warmup_steps': 2}, [0, 0.5, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]),
        (
            {'schedule': 'cosine', 'warmup_steps': 2, 'decay_steps': 4},
            [0, 0.5, 1, 1, 1, 1, 1, *(0.5 + 0.5 * np.cos(np.pi * np.arange(1, 4) / 4))],
        ),
        # Smith and Topin's, from 1/25 of the rate, as PyTorch's OneCycleLR has it.
        (
            {'schedule': 'one_cycle', 'warmup_steps': 4},
            [
                *(0.52 - 0.48 * np.cos(np.pi * np.arange(4) / 4)),
                *(0.5 + 2e-6 + (0.5 - 2e-6) * np.cos(np.pi * np.arange(6) / 6)),
            ],
        ),
    ],
)
def test_rates_over_the_steps(fields, rates):
    optimizer = build(learning_rate=1.0, b1=0.0, b2=0.0, **fields)  # Adam that goes by the sign alone
    ones, state, got = jax.tree.map(jnp.ones_like, PARAMS), optimizer.init(PARAMS), []
    with jax.numpy_dtype_promotion('standard'):
        for _ in range(10):
            updates, state = optimizer.update(ones, state, PARAMS)
            got.append(-float(updates['output']['bias'][0]))
    np.testing.assert_allclose(got, rates, atol=1e-6)


def test_where_nothing_is_trained_the_state_is_the_same():
    fields = {'name': 'adamw', 'schedule': 'cosine', 'warmup_steps': 2, 'max_grad_norm': 1.0, 'backbone_factor': 0.1}
    states = [jax.eval_shape(build(steps, **fields).init, PARAMS) for steps in (0, 10)]
    assert states[0] == states[1]


@pytest.mark.parametrize(
    ('fields', 'message'),
    [
        ({'name': 'lamb'}, r"generator_optimizer.name='lamb' is unknown; known: adam, adamw, lion, sgd"),
        (
            {'schedule': 'steps'},
            r"generator_optimizer.schedule='steps' is unknown; known: constant, cosine, linear, one",
        ),
        ({'schedule': 'one_cycle', 'decay_steps': 2}, "schedule='one_cycle' falls from its top on; leave it at 0"),
        ({'schedule': 'cosine', 'warmup_steps': 8, 'decay_steps': 3}, 'are more than the 10 steps'),
        ({'schedule': 'cosine', 'warmup_steps': 10}, 'are more than the 10 steps'),
        ({'weight_decay': 0.1}, 'adam has none; use name=adamw or name=lion'),
        ({'max_grad_norm': -1.0}, r'max_grad_norm=-1.0 is below 0'),
        ({'backbone_factor': -0.1}, r'backbone_factor=-0.1 is below 0'),
        ({'learning_rate': 0.0}, 'teaches nothing'),
        ({'b1': 1.0}, r'b1=1.0 is not in \[0, 1\)'),
    ],
)
def test_what_is_refused(fields, message):
    with pytest.raises(UserError, match=message):
        build(**fields)
