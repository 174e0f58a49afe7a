"""A function of the networks in the few primitives that translators other than XLA know."""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import jax
from jax import lax
from jax.extend.core import Jaxpr, Literal

_CALLS = ('jaxpr', 'call_jaxpr')  # where jit and custom derivatives keep what they call
_HWIO = (3, 2, 0, 1)  # the axes of a kernel's outputs, inputs, rows and columns


def rewrite(function: Callable[..., Any], *inputs: jax.ShapeDtypeStruct) -> Callable[..., Any]:
    """Return a function that does what `function` does to arrays of the shapes and dtypes of `inputs`.

    What depends on no input is computed now, so kernels must. Calls are inlined; of what depends on the platform
    the default is taken, a convolution's kernel is laid out as [h, w, i, o], and a maximum over windows is one of
    slices.
    """
    closed = jax.make_jaxpr(function)(*inputs)

    def rewritten(*arrays: Any) -> Any:
        results = _run(closed.jaxpr, closed.consts, arrays)
        return results[0] if len(results) == 1 else tuple(results)

    return rewritten


def _run(jaxpr: Jaxpr, consts: Sequence[Any], arrays: Sequence[Any]) -> list[Any]:
    known: dict[Any, Any] = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *arrays], strict=True))

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, Literal) else known[atom]

    for equation in jaxpr.eqns:
        operands = [read(atom) for atom in equation.invars]
        if _is_constant(equation, operands):
            with jax.ensure_compile_time_eval():
                results = _apply(equation, operands)
        else:
            results = _apply(equation, operands)
        known.update(zip(equation.outvars, results, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _is_constant(equation: Any, operands: list[Any]) -> bool:
    if equation.primitive.name == 'dim_as_value':  # a size that the export leaves open
        return False
    sizes = (size for variable in equation.outvars for size in variable.aval.shape)
    return all(isinstance(size, int) for size in sizes) and not any(isinstance(o, jax.core.Tracer) for o in operands)


def _apply(equation: Any, operands: list[Any]) -> Sequence[Any]:
    name, params = equation.primitive.name, equation.params
    called = next((params[key] for key in _CALLS if key in params), None)
    if name == 'platform_index':
        return [None]
    if params.get('branches_platforms'):
        called, operands = params['branches'][params['branches_platforms'].index(None)], operands[1:]
    if called is not None:
        return _run(called.jaxpr, called.consts, operands)
    if name == 'conv_general_dilated':
        return [_conv(*operands, **params)]
    if name == 'reduce_window_max':
        return [_max_of_windows(*operands, **params)]
    results = equation.primitive.bind(*operands, **params)
    return results if equation.primitive.multiple_results else [results]


def _conv(x: Any, kernel: Any, *, dimension_numbers: lax.ConvDimensionNumbers, **params: Any) -> Any:
    o, i, h, w = dimension_numbers.rhs_spec
    with jax.ensure_compile_time_eval():
        kernel = lax.transpose(kernel, (h, w, i, o))
    numbers = dimension_numbers._replace(rhs_spec=_HWIO)
    return lax.conv_general_dilated_p.bind(x, kernel, dimension_numbers=numbers, **params)


def _max_of_windows(
    x: Any, *, window_dimensions: Any, window_strides: Any, padding: Any, base_dilation: Any, window_dilation: Any
) -> Any:
    del base_dilation, window_dilation  # 1 in all pools
    for axis, (window, stride, (before, after)) in enumerate(
        zip(window_dimensions, window_strides, padding, strict=True)
    ):
        if window > 1:
            # A window that meets the padding meets the edge: repeating that one changes no maximum.
            first, last = (lax.slice_in_dim(x, at, at + 1, axis=axis) for at in (0, x.shape[axis] - 1))
            x = lax.concatenate([*[first] * before, x, *[last] * after], axis)
            reach = (x.shape[axis] - window) // stride * stride + 1
            x = reduce(lax.max, (lax.slice_in_dim(x, at, at + reach, stride, axis) for at in range(window)))
    return x
