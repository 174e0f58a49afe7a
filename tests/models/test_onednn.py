"""oneDNN's convolutions equal XLA's, where long trainings use them, and nowhere else are they in a program."""

import os
import subprocess
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

SHAPES = [  # batch, size, c, d, k, stride, padding
    (64, 8, 8, 16, 4, 2, (1, 1)),
    (64, 8, 16, 8, 3, 1, (1, 1)),
    (16, 9, 3, 32, 5, 1, (2, 2)),
    (16, 9, 32, 3, 5, 1, (2, 2)),
    (16, 12, 6, 5, 3, 1, (0, 0)),
    (16, 16, 1, 8, 4, 2, (1, 1)),
    (32, 16, 7, 8, 3, 2, (0, 1)),  # Keras 'same'
    (16, 17, 8, 8, 4, 1, (1, 2)),
    (20, 15, 8, 9, 5, 3, (1, 1)),
    (32, 9, 8, 8, 2, 2, (0, 0)),  # a stride leaves rows over
    (16, 16, 8, 9, 4, 3, (1, 1)),
]


DEPTHWISE = [(3, 1, (1, 1)), (3, 2, (0, 1)), (5, 1, (2, 2)), (5, 2, (1, 2)), (3, 1, (0, 0))]  # k, stride, padding


def compare(convolve, native, shape, kernel_shape, dtype, tolerance):
    """Compare values and gradients with those of `native` in float32; return how many calls of oneDNN there were."""
    from test_conv import _value_and_gradients as value_and_gradients
    from test_conv import assert_close, normal

    from jaxcolor.models import onednn

    batch, size, c, _, stride, padding = shape
    x, kernel = (a.astype(dtype) for a in (normal(0, batch, size, size + stride, c), normal(1, *kernel_shape)))
    forms = {'stride': stride, 'padding': padding}

    def with_onednn(x, kernel):
        return value_and_gradients(lambda x, kernel: convolve(x, kernel, **forms), x, kernel)

    def native_as_well(x, kernel):
        return with_onednn(x, kernel)

    with onednn.allowed():
        lowered = jax.jit(with_onednn).lower(x, kernel)
        got = lowered.compile()(x, kernel)
    plain = jax.jit(native_as_well).lower(x, kernel)
    assert '__onednn$convolution' not in plain.as_text()
    plain.compile()
    full = [a.astype(jnp.float32) for a in (x, kernel)]
    want = jax.jit(partial(value_and_gradients, partial(native, **forms)))(*full)
    assert {leaf.dtype for leaf in jax.tree.leaves(got)} == {jnp.dtype(dtype)}
    assert_close(got, want, tolerance)
    return lowered.as_text().count('__onednn$convolution')


def check():
    """Compare each shape, in a process with one device."""
    from test_conv import native
    from test_depthwise import native as native_depthwise

    from jaxcolor.models import onednn
    from jaxcolor.models.conv import conv
    from jaxcolor.models.depthwise import depthwise_conv

    if not onednn._usable():
        print('oneDNN is not used here')
        return
    depthwise_shapes = [(4, size, c, *case) for case in DEPTHWISE for size, c in ((9, 16), (12, 5), (6, 24))]
    for dtype, tolerance in ((jnp.float32, 1e-5), (jnp.bfloat16, 2e-2)):
        calls = 0
        for batch, size, c, d, k, stride, padding in SHAPES:
            calls += compare(conv, native, (batch, size, c, k, stride, padding), (k, k, c, d), dtype, tolerance)
        assert calls > len(SHAPES) or (dtype == jnp.bfloat16 and not calls), (dtype, calls)
        calls = 0
        for batch, size, c, k, stride, padding in depthwise_shapes:
            shape = batch, size, c, k, stride, padding
            calls += compare(depthwise_conv, native_depthwise, shape, (k, k, c), dtype, tolerance)
        assert calls > len(depthwise_shapes) or (dtype == jnp.bfloat16 and not calls), (dtype, calls)
    x, kernel = jnp.ones((16, 8, 8, 8)), jnp.ones((3, 3, 8, 8))
    with onednn.allowed():
        several = jax.jit(jax.vmap(lambda x: conv(x, kernel, 1, (1, 1))))(jnp.stack([x, 2 * x]))
    np.testing.assert_allclose(several[1], 2 * several[0], rtol=1e-6)
    print('equal')


def test_equals_native(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != 'XLA_FLAGS'}  # one device
    result = subprocess.run(
        [sys.executable, __file__],
        env=environment
        | {'JAX_COMPILATION_CACHE_DIR': str(tmp_path), 'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0'},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    if 'not used' in result.stdout:
        pytest.skip(result.stdout.strip())
    assert result.stdout == 'equal\n'
    assert 'Error writing' not in result.stderr  # XLA can't keep these programs
    kept = [path.name for path in tmp_path.iterdir()]
    assert any('native' in name for name in kept)
    assert not any('with_onednn' in name for name in kept)


if __name__ == '__main__':
    check()
