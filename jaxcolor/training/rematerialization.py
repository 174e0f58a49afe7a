"""Rematerialisation: few activations are kept for the backward pass, which computes the others again."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.extend import core

from jaxcolor.models.layers import KEPT


def rematerialized(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function`, of which the backward pass keeps nothing but the arguments and what is named `KEPT`.

    One `jax.checkpoint` around all would compute everything again at once, and hold it all at that moment. Here every
    kept value has its own, from the kept ones before it, which XLA can't begin before the gradient is there. (XLA for
    CPUs takes what is computed again for the same thing twice, and keeps it after all.)
    """

    def wrapped(*args: Any) -> Any:
        closed, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
        jaxpr = closed.jaxpr
        arguments = (*closed.consts, *jax.tree.leaves(args))
        known = dict(zip((*jaxpr.constvars, *jaxpr.invars), arguments, strict=True))
        for equation in jaxpr.eqns:
            if equation.params.get('name') == KEPT:
                known.update(zip(equation.outvars, _compute(jaxpr, known, equation.outvars), strict=True))
        return jax.tree.unflatten(jax.tree.structure(shapes), _compute(jaxpr, known, jaxpr.outvars))

    return wrapped


def _compute(jaxpr: core.Jaxpr, known: dict[core.Var, Any], wanted: Sequence[Any]) -> list[Any]:
    """Return the values of the variables `wanted`, from those `known`, under a checkpoint of its own."""
    outvars = list(dict.fromkeys(v for v in wanted if isinstance(v, core.Var) and v not in known))
    missing, inputs, equations = set(outvars), {}, []
    for equation in reversed(jaxpr.eqns):
        if not missing.isdisjoint(equation.outvars):
            equations.append(equation)
            operands = [v for v in equation.invars if isinstance(v, core.Var)]
            inputs.update({v: known[v] for v in operands if v in known})
            missing.update(v for v in operands if v not in known)
    part = jaxpr.replace(constvars=[], invars=list(inputs), outvars=outvars, eqns=equations[::-1])
    computed = jax.checkpoint(core.jaxpr_as_fun(core.ClosedJaxpr(part, ())))(*inputs.values())
    found = known | dict(zip(outvars, computed, strict=True))
    return [found[v] if isinstance(v, core.Var) else v.val for v in wanted]
