"""A TensorFlow SavedModel, for TensorFlow Serving or TensorFlow alone (Akshat23 section 3.9.1)."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import tensorflow as tf
from jax.experimental import jax2tf
from jaxtyping import Array, Float, UInt8

from jaxcolor.color import convert
from jaxcolor.errors import UserError
from jaxcolor.export.network import Network, Variables
from jaxcolor.inference import render
from jaxcolor.inference.colorizer import Colorizer
from jaxcolor.inference.network import LONGEST

_PLATFORMS = ('cpu', 'cuda', 'tpu')


def write(network: Network, colorizer: Colorizer, folder: Path) -> dict[str, Any]:
    """Write the SavedModel and return what to add to its description.

    Its weights are TensorFlow variables. Two signatures: `serving_default`, x -> y; and `colorize`, which takes
    pictures as files, as the service of Akshat23 sends them, and returns them in colour.

    Raises:
      UserError: the installed TensorFlow can not read what the installed JAX writes.
    """
    model = tf.Module()
    model.weights = jax.tree.map(lambda array: tf.Variable(array, trainable=False), network.variables)
    signatures = {'serving_default': _predict(network, model), 'colorize': _colorize(network, colorizer, model)}
    _check_readable(network, signatures['serving_default'])
    logging.getLogger('tensorflow').setLevel(logging.ERROR)  # it tells of each folder that it writes
    tf.saved_model.save(model, str(folder), signatures=signatures)
    return {
        'platforms': list(_PLATFORMS),
        'signatures': {
            'serving_default': 'x -> y, as input and output say',
            'colorize': 'image_bytes -> image_bytes: b JPEG, PNG, GIF or BMP files -> b PNG files in colour, each of '
            'its own size, and with its own lightness where sRGB has the colour',
        },
    }


def _check_readable(network: Network, predict: Any) -> None:
    """Run it once, on the smallest picture: TensorFlow reads StableHLO no earlier, and may be older than JAX."""
    side = network.size or -(-network.least // network.step) * network.step
    try:
        predict(tf.zeros([1, side, side, 1]))
    except tf.errors.OpError as error:
        if 'deserialize' not in error.message:
            raise
        raise UserError(
            f'--format=savedmodel: TensorFlow {tf.__version__} can not read the StableHLO of JAX {jax.__version__}; '
            'export on Python 3.11, which gets an older JAX, or use --format=stablehlo or onnx'
        ) from error


def _predict(network: Network, model: tf.Module) -> Any:
    predict = _in_tensorflow(network.apply, None, f'({network.shape})', constraints=network.constraints)
    side = network.size

    @tf.function(input_signature=[tf.TensorSpec([None, side, side, 1], tf.float32, name='x')], autograph=False)
    def serve(x: Any) -> dict[str, Any]:
        if side is None:  # XLA would say it in the words of a compiler
            sizes, message = tf.shape(x)[1:3], f'height and width must be multiples of {network.step}'
            tf.debugging.assert_equal(sizes % network.step, [0, 0], message)
            tf.debugging.assert_greater_equal(sizes, network.least, f'height and width must be {network.least} or more')
        return {'y': predict(model.weights, x)}

    return serve


def _colorize(network: Network, colorizer: Colorizer, model: tf.Module) -> Any:
    """Files in, files out: the network sees a small copy, and the picture keeps its lightness."""
    height_and_width, constraints = network.shape.split(',')[1:3], network.constraints
    space = colorizer.space

    def small_chroma(variables: Variables, small: UInt8[Array, '1 h w 3']) -> Float[Array, '1 h w 2']:
        x, _ = space.split(small)
        return render.chroma(space, x, network.apply(variables, x))

    chroma_of = _in_tensorflow(small_chroma, None, f'(1, {",".join(height_and_width)}, 3)', constraints=constraints)
    join = _in_tensorflow(_with_chroma, '(h, w, 3)', '(h, w, 2)')

    def colorize_one(image_bytes: Any) -> Any:
        picture = tf.io.decode_image(image_bytes, channels=3, expand_animations=False)
        picture = tf.ensure_shape(picture, [None, None, 3])
        small = tf.image.resize(picture, _working_size(network, colorizer.render_size, picture), antialias=True)
        small = tf.cast(tf.round(small), tf.uint8)[None]
        chroma = tf.image.resize(chroma_of(model.weights, small), tf.shape(picture)[:2])[0]
        return tf.io.encode_png(join(picture, chroma))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name='image_bytes')], autograph=False)
    def serve(image_bytes: Any) -> dict[str, Any]:
        # TensorFlow Serving writes outputs called `…_bytes` as base64, which JSON can carry.
        return {'image_bytes': tf.map_fn(colorize_one, image_bytes)}

    return serve


def _with_chroma(picture: UInt8[Array, 'h w 3'], chroma: Float[Array, 'h w 2']) -> UInt8[Array, 'h w 3']:
    """Return the picture's lightness with other chroma, as far as sRGB has such a colour."""
    lightness = convert.rgb_to_lab(convert.to_float(picture))[..., :1]
    rgb = convert.lab_to_rgb(jnp.concatenate([lightness, chroma], axis=-1))
    return jnp.round(255 * jnp.clip(rgb, 0, 1)).astype(jnp.uint8)


def _working_size(network: Network, shorter: int, picture: Any) -> Any:
    """Height and width of the copy that the network sees: the picture's form, in steps that the network takes."""
    if network.size is not None:
        return tf.constant([network.size, network.size])
    sides = tf.cast(tf.shape(picture)[:2], tf.float32)
    ratios = tf.minimum(sides / tf.reduce_min(sides), float(LONGEST))
    steps = tf.cast(tf.round(shorter * ratios / network.step), tf.int32)
    return tf.maximum(steps * network.step, network.least)


def _in_tensorflow(
    function: Callable[..., Any], *shapes: str | None, constraints: list[str] | None = None
) -> Callable[..., Any]:
    return jax2tf.convert(
        function,
        polymorphic_shapes=list(shapes),
        polymorphic_constraints=constraints or (),
        with_gradient=False,
        native_serialization_platforms=_PLATFORMS,
    )
