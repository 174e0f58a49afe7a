"""The networks that `make bench` times in PyTorch are ours: as many parameters, and the same values at small widths."""

import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcolor import experiments
from jaxcolor.color.spaces import build_space
from jaxcolor.models import build_discriminator, build_generator

FOLDER = Path(__file__).parent / 'golden'
MAKE = runpy.run_path(str(FOLDER / 'benchmark_make.py'))
GOLDEN = np.load(FOLDER / 'benchmark.npz')
NARROW = [(name, kind) for name, pair in MAKE['NARROW'].items() for kind in ('generator', 'discriminator')[: len(pair)]]
NARROW = [case for case in NARROW if f'{" ".join(case)} train' in GOLDEN.files]


def draw(name, shape):
    return jnp.asarray(MAKE['draw'](name, shape))


def network(name, kind, narrow=None):
    """The network, and how many channels the colours have."""
    fields = experiments.get_config(name).to_dict()
    colors = build_space(fields['space']).channels
    fields = fields[kind] | (narrow or {})
    return (build_generator(fields, colors) if kind == 'generator' else build_discriminator(fields)), colors


@pytest.mark.parametrize('name', MAKE['CONFIGS'])
def test_pytorch_has_as_many_parameters(name):
    config = experiments.get_config(name)
    kinds = ('generator', 'discriminator') if config.discriminator else ('generator',)
    assert [f'{name} {kind} count' in GOLDEN.files for kind in ('generator', 'discriminator')] == [
        kind in kinds for kind in ('generator', 'discriminator')
    ]
    for kind in kinds:
        model, colors = network(name, kind)
        size = config.data.image_size
        pictures = [jax.ShapeDtypeStruct((1, size, size, c), jnp.float32) for c in (1, colors)]
        pictures = pictures if kind == 'discriminator' else pictures[:1]
        variables = jax.eval_shape(lambda *xs, model=model: model.init(jax.random.key(0), *xs, False), *pictures)
        count = sum(p.size for p in jax.tree.leaves(variables['params']))
        assert count == GOLDEN[f'{name} {kind} count'], kind


@pytest.mark.parametrize(('name', 'kind'), NARROW, ids=map(' '.join, NARROW))
def test_pytorch_says_the_same(name, kind):
    narrow = dict(zip(('generator', 'discriminator'), MAKE['NARROW'][name], strict=True))[kind]
    model, colors = network(name, kind, narrow)
    inputs = list(map(jnp.asarray, MAKE['inputs'](kind, colors)))
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), *inputs, False))
    params = jax.tree_util.tree_map_with_path(
        lambda path, p: draw('/'.join(key.key for key in path), p.shape), shapes['params']
    )

    def start(path, shape):
        layer, what = (key.key for key in path)
        if what == 'u':
            kernel = np.asarray(params[layer]['kernel'])
            return jnp.asarray(MAKE['leading_vector'](kernel.reshape(-1, kernel.shape[-1]).T))
        return jnp.full(shape.shape, float(what == 'var'))

    stats = jax.tree_util.tree_map_with_path(start, shapes.get('batch_stats', {}))

    def loss(params, inputs):
        output, _ = model.apply({'params': params, 'batch_stats': stats}, *inputs, True, mutable=['batch_stats'])
        return jnp.sum(output * draw('cotangent', output.shape)), output

    (gradients, input_gradients), output = jax.jit(jax.grad(loss, (0, 1), has_aux=True))(params, inputs)
    found = {'train': output, 'grad input': input_gradients[-1]}
    for path, gradient in jax.tree_util.tree_leaves_with_path(gradients):
        found['grad ' + '/'.join(key.key for key in path)] = gradient
    prefix = f'{name} {kind} '
    keys = [key.removeprefix(prefix) for key in GOLDEN.files if key.startswith(prefix) and not key.endswith('count')]
    assert len(keys) == 4
    for key in keys:
        want = GOLDEN[prefix + key]
        scale = np.abs(want).max()
        np.testing.assert_allclose(found[key] / scale, want / scale, atol=1e-4, err_msg=key)
