"""What the JSON of an export says: sizes, names, the meaning of numbers, versions."""

import contextlib
import importlib.metadata
from pathlib import Path
from typing import Any

from jaxcolor.color.palette import Palette
from jaxcolor.color.spaces import Rgb, Space
from jaxcolor.export.network import Network
from jaxcolor.inference.colorizer import Colorizer

_LIGHTNESS = 'L* = 50 * (x + 1)'
_AXES = {'lab': ('a*', 'b*'), 'luv': ('u*', 'v*')}


_USAGE = {
    'safetensors': (
        'from jaxcolor import Colorizer',
        'colorizer = Colorizer.restore({path!r})',
        'image = colorizer(image)',
    ),
    'stablehlo': (
        'import pathlib, jax.export',
        'network = jax.export.deserialize(bytearray(pathlib.Path({path!r}).read_bytes()))',
        'y = network.call(x)',
    ),
    'savedmodel': (
        'import tensorflow as tf',
        "network = tf.saved_model.load({path!r}).signatures['serving_default']",
        "y = network(x=x)['y']",
    ),
    'onnx': (
        'import onnxruntime',
        'network = onnxruntime.InferenceSession({path!r})',
        "(y,) = network.run(['y'], {{'x': x}})",
    ),
}
_PACKAGES = {
    'safetensors': ('safetensors',),
    'stablehlo': (),
    'savedmodel': ('tensorflow', 'tensorflow-cpu'),
    'onnx': ('jax2onnx', 'onnx'),
}


def describe(colorizer: Colorizer, network: Network, file_format: str, path: Path) -> dict[str, Any]:
    """Return what whoever calls the exported function must know; JSON's types only.

    The name `file_format` of the export; `usage`, lines of Python; `generator` and `step` of the model; `input`
    and `output`: name, dtype, shape and meaning; `sizes` that heights and widths may have; `space`, its fields
    (the scale, a palette's colours); `noise`, whether what the function does is all that the model does; versions.
    """
    space = colorizer.space
    sides = ['h', 'w'] if network.size is None else [network.size] * 2
    shrinks = network.shrinks
    outputs = (
        [f'{side}/{shrinks}' if shrinks > 1 else side for side in 'hw']
        if network.size is None
        else [network.size // shrinks] * 2
    )
    return {
        'format': file_format,
        'usage': [line.format(path=str(path)) for line in _USAGE[file_format]],
        'generator': colorizer.config.generator.name,
        'step': colorizer.step,
        'input': {
            'name': 'x',
            'dtype': 'float32',
            'shape': ['b', *sides, 1],
            'meaning': 'x = L*/50 - 1, in [-1, 1]: CIELAB lightness of sRGB, D65 and 2 degree observer',
        },
        'output': {
            'name': 'y',
            'dtype': 'float32',
            'shape': ['b', *outputs, space.channels],
            'meaning': _meaning(space) + _enlarged(shrinks),
        },
        'sizes': _sizes(network),
        'trained_at': colorizer.config.data.image_size,
        'space': colorizer.config.space.to_dict(),
        'noise': _noise(colorizer),
        'versions': _versions('jaxcolor', 'jax', 'flax', *_PACKAGES[file_format]),
    }


def describe_page(path: Path) -> dict[str, Any]:
    """Return what is to be known of a page before it is written: how to open it, and who made it."""
    return {
        'format': 'web',
        'usage': [f'open {path / "index.html"} in a browser, or:', f'python -m http.server --directory {path}'],
        'versions': _versions('jaxcolor', 'jax', 'flax', *_PACKAGES['onnx']),
    }


def _versions(*packages: str) -> dict[str, str]:
    """Of those that are installed: jaxcolor may run from a checkout, TensorFlow has two names."""
    found = {}
    for package in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def _sizes(network: Network) -> dict[str, Any]:
    if network.size is not None:
        return {'batch': 'any', 'height_and_width': network.size}
    return {'batch': 'any', 'height_and_width': {'multiple_of': network.step, 'at_least': network.least}}


def _noise(colorizer: Colorizer) -> str:
    if colorizer.config.get('sampling') == 'dropout':
        return 'the run draws dropout in inference as well; the export is the same network without that noise'
    return 'none'


def _enlarged(shrinks: int) -> str:
    if shrinks == 1:
        return ''
    block = f'{shrinks} x {shrinks}'
    return f'; y has one for each {block} pixels of x: interpolate the colours bilinearly between their centres'


def _meaning(space: Space) -> str:
    if isinstance(space, Palette):
        colors = 'sRGB in [0, 255]' if space.basis == 'rgb' else ', '.join(_AXES[space.basis])
        kept = '' if space.basis == 'rgb' else f'; {_LIGHTNESS}'
        y = f'y - {space.vividness:g} * log(max(space.frequencies, 1e-5))' if space.vividness else 'y'
        if not space.temperature:
            return f'logits: a pixel has the {colors} of space.centers[argmax({y})]{kept}'
        y = f'({y})' if space.vividness else y
        color = f'softmax({y} / {space.temperature:g}) @ space.centers'
        if space.compression:
            c = f'{space.compression:g}'
            color += (
                f', whose lengths C are ln(1 + {c} C) / {c} for the mean, and that of the mean (exp({c} C) - 1) / {c}'
            )
        if space.estimate == 'median':
            color += (
                '; instead of the mean m, where that is after four times m = sum(w centers) / sum(w), '
                'w = softmax(…) / sqrt(|m - centers|^2 + 9)'
            )
        if space.saturation != 1:
            color += f'; {space.estimate} times {space.saturation:g}'
        return f'logits: a pixel has the {colors} of {color}{kept}'
    if isinstance(space, Rgb):
        return f'sRGB in [0, 1] = clip({"(y + 1) / 2" if space.signed else "y"}, 0, 1)'
    first, second = _AXES[space.name]
    scale = space.scale  # type: ignore[attr-defined]
    return f'{first} = {scale:g} * y[..., 0], {second} = {scale:g} * y[..., 1]; {_LIGHTNESS}'
