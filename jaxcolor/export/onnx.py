"""ONNX, for onnxruntime, in the browser as well: one file without external data."""

import json
import logging
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax2onnx
import onnx
from jax import export
from jaxtyping import Array, Float

from jaxcolor.export import jaxpr_rewrite
from jaxcolor.export.network import Network

_OPSET = 17  # the newest that all of onnxruntime's backends take, the browser's too


def write(network: Network, description: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """Return the file and what to add to its description, which the file holds too, under `jaxcolor`."""
    function, picture = _with_plain_sizes(network)
    model = translate(function, {'x': picture}, ['y'])
    more = {'opset': _OPSET}
    onnx.helper.set_model_props(model, {'jaxcolor': json.dumps(description | more)})
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(), more


def translate(function: Callable[..., Any], inputs: dict[str, jax.ShapeDtypeStruct], outputs: list[str]) -> Any:
    """Return a function as an ONNX model, of inputs and outputs by their names; sizes may be symbols alone."""
    for chatty in ('jax2onnx', 'onnx_ir'):  # they warn of what is no concern of whoever exports
        logging.getLogger(chatty).setLevel(logging.ERROR)
    shapes = list(inputs.values())
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return jax2onnx.to_onnx(
            jaxpr_rewrite.rewrite(function, *shapes),
            shapes,
            model_name='jaxcolor',
            opset=_OPSET,
            input_names=list(inputs),
            output_names=outputs,
        )


def _with_plain_sizes(network: Network) -> tuple[Callable[..., Any], jax.ShapeDtypeStruct]:
    """Return the network and its input with sizes `h` and `w`: jax2onnx finds no others, such as `32*h`, in a graph.

    What is beyond a multiple of the step is cut off, so that the rest knows that it is one.
    """
    if network.size is not None or network.step == 1:
        return network, network.picture()
    constraints = [f'{symbol} >= {network.least}' for symbol in 'hw']
    shape = export.symbolic_shape('b, h, w, 1', constraints=constraints)

    def cut(x: Float[Array, 'b h w 1']) -> Float[Array, 'b p q c']:
        h, w = (size // network.step * network.step for size in x.shape[1:3])
        return network(jax.lax.slice(x, (0, 0, 0, 0), (x.shape[0], h, w, 1)))

    return cut, jax.ShapeDtypeStruct(shape, network.picture().dtype)
