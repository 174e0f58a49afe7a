"""A folder for any web server, or none: the server's page, with the network in the browser and nothing behind it."""

import base64
import dataclasses
import functools
import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import onnx
from jax import export
from jaxtyping import Array, Float
from onnx import numpy_helper

from jaxcolor.color.hints import STRIDE
from jaxcolor.color.palette import Palette
from jaxcolor.color.spaces import Lab
from jaxcolor.errors import UserError
from jaxcolor.export import example, runtime
from jaxcolor.export.network import Network
from jaxcolor.export.onnx import translate
from jaxcolor.inference import render, variants
from jaxcolor.inference.colorizer import Colorizer
from jaxcolor.inference.network import decode
from jaxcolor.weights import Card

_PAGE = Path(__file__).parents[1] / 'server/page'
_OFFLINE = Path(__file__).parent / 'offline'
_LARGE = 1024  # numbers of a kernel that is worth rounding

# Nothing is sent anywhere: `connect-src` lets the examples in, which are in the page itself.
_POLICY = (
    "default-src 'none'; script-src 'self' blob: 'wasm-unsafe-eval'; worker-src 'self' blob:; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src data:; base-uri 'none'; form-action 'none'"
)
_README = """\
Old photographs, in colour: a page that needs no server behind it, and sends nothing anywhere.

Open index.html, or put this folder on any web server. To try that, say here: python -m http.server

With it come parts of jaxcolor (Apache-2.0) and {name} {version} (MIT, see onnxruntime-LICENSE.txt and
onnxruntime-third-party.txt).
"""


def write(
    network: Network, colorizer: Colorizer, folder: Path, path: Path | None = None, card: Card | None = None
) -> dict[str, Any]:
    """Write the files of the site; return what to add to its description.

    Args:
      network: for pictures of any size.
      colorizer: whose network it is.
      folder: that is there.
      path: of onnxruntime-web, see `runtime.find`.
      card: the model's, if it has one.

    Raises:
      UserError: no onnxruntime-web, or a space that the page can't show.
    """
    found = runtime.find(path)
    content = graph(network, colorizer)
    model = describe(colorizer, network) | {'card': card and card._asdict()}
    files = {
        'site.js': _site(model | {'example': example.of(content, network, model['palette'])}),
        **{f'{name}.js': _runtime(name, build) for name, build in found.builds.items()},
        'model.js': f'jaxcolor.graph = "{_packed(content)}";\n'.encode(),
        'index.html': _index((_PAGE / 'index.html').read_text(encoding='utf-8')).encode(),
        **{path.name: path.read_bytes() for kind in ('*.css', '*.svg') for path in sorted(_PAGE.glob(kind))},
    }
    worker = (_OFFLINE / 'sw.js').read_text(encoding='utf-8')
    version = hashlib.sha256(b''.join(files.values()) + worker.encode()).hexdigest()[:16]
    kept = json.dumps(['./', *files])
    files['sw.js'] = f'const VERSION = "{version}";\nconst FILES = {kept};\n{worker}'.encode()
    files['README.txt'] = _README.format(name=runtime.NAME, version=runtime.VERSION).encode()
    for name, content in (files | found.licenses).items():
        (folder / name).write_bytes(content)
    return {'model': model, 'runtime': f'{runtime.NAME} {runtime.VERSION}'}


def describe(colorizer: Colorizer, network: Network) -> dict[str, Any]:
    """Return what the page knows of the model: the server's `/v1/model`, and what rendering needs."""
    space, shapes = colorizer.space, colorizer.shapes
    palette: dict[str, Any] | None = None
    if isinstance(space, Palette):
        palette = {'temperature': space.temperature, 'vividness': space.vividness}
        if space.basis == 'lab':
            palette['centers'] = space.centers
    if network.shrinks > 1 and not (isinstance(space, Lab) or (palette and 'centers' in palette)):
        raise UserError(
            f'--format=web: space.name={space.name!r} of a network that says 1/{network.shrinks} of the size is not '
            'known to the page; use a model in Lab, or with a palette of it'
        )
    return {
        **colorizer.describe(),
        'variants': variants.of(colorizer),
        'shapes': {'side': shapes.side, 'step': shapes.step},
        'palette': palette,
        'shrinks': network.shrinks,
    }


def graph(network: Network, colorizer: Colorizer) -> bytes:
    """Return the network as ONNX, for one picture of any size: x, hints and a palette's numbers in, (a*, b*) out.

    Hints come at the corners of their patches; and with them `near`, of the output's size or at the same corners, how
    much each place goes by them.
    """
    space, takes_hints = colorizer.space, colorizer.takes_hints
    is_palette = isinstance(space, Palette)
    if isinstance(space, Palette):
        space = dataclasses.replace(space, temperature=1.0, vividness=0.0)

    def predict(x: Float[Array, '1 h w 1'], *more: Array) -> Any:
        left = list(more)
        h, w = (side // network.step * network.step for side in x.shape[1:3])
        x = jax.lax.slice(x, (0, 0, 0, 0), (1, h, w, 1))

        def corners(image: Array, stride: int) -> Array:
            image = jax.lax.slice(image, (0, 0, 0, 0), (1, h, w, image.shape[-1]))
            if stride == 1:
                return image
            return image.reshape(1, h // stride, stride, w // stride, stride, image.shape[-1])[:, :, 0, :, 0]

        y: Any
        near: Any = None
        apply: Any = functools.partial(network.generator.apply, network.variables, train=False)
        if takes_hints:
            hints, near = corners(left.pop(0), STRIDE), corners(left.pop(0), network.shrinks)
            # Together, or the graph would hold the weights twice; no hints are all zeros.
            both, given = jnp.concatenate([x, x]), jnp.concatenate([jnp.zeros_like(hints), hints])
            without, logits = jnp.split(apply(both, hints=given), 2)
            y = without + near * (logits - without)
        else:
            y = logits = network(x)
        if not isinstance(space, Palette):
            return render.chroma(space, x, y)
        temperature, vividness = left
        logits = logits.astype(jnp.float32)

        def color(space: Palette, y: Array) -> Array:
            return space.color(y) if space.basis == 'lab' else render.chroma(space, x, y)

        return decode(space, y, temperature, vividness, near, color), logits

    sides = export.symbolic_shape('h, w', constraints=[f'{side} >= {network.least}' for side in 'hw'])
    inputs = {'x': jax.ShapeDtypeStruct((1, *sides, 1), jnp.float32)}
    if takes_hints:
        inputs['hints'] = jax.ShapeDtypeStruct((1, *sides, 3), jnp.float32)
        inputs['near'] = jax.ShapeDtypeStruct((1, *sides, 1), jnp.float32)
    if is_palette:
        inputs |= dict.fromkeys(('temperature', 'vividness'), jax.ShapeDtypeStruct((), jnp.float32))
    model = translate(predict, inputs, ['chroma', 'logits'][: 1 + is_palette])
    _round_kernels(model)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def _round_kernels(model: onnx.ModelProto) -> None:
    """Keep kernels in float16, as `weights_file` does; the runtime widens them as it begins."""
    for initializer in list(model.graph.initializer):
        array = numpy_helper.to_array(initializer)
        if array.dtype != 'float32' or array.size < _LARGE:
            continue
        name = initializer.name
        model.graph.initializer.remove(initializer)
        model.graph.initializer.append(numpy_helper.from_array(array.astype('float16'), f'{name}_float16'))
        cast = onnx.helper.make_node('Cast', [f'{name}_float16'], [name], to=onnx.TensorProto.FLOAT)
        model.graph.node.insert(0, cast)


def _site(model: dict[str, Any]) -> bytes:
    """Return the script that starts all: the modules of the page and those in place of its server, and `load.js`."""
    paths = [*_PAGE.glob('*.js'), *_OFFLINE.glob('*.js')]  # the latter's backend.js, not the former's
    sources = {path.name: path.read_text(encoding='utf-8') for path in paths if path.name not in ('load.js', 'sw.js')}
    content = json.dumps({'sources': sources, 'runtimes': {}, 'model': model}, ensure_ascii=False)
    return f'globalThis.jaxcolor = {content};\n{(_OFFLINE / "load.js").read_text(encoding="utf-8")}'.encode()


def _runtime(name: str, build: runtime.Build) -> bytes:
    content = {'script': build.script, 'binary': _packed(build.binary)}
    return f'jaxcolor.runtimes.{name} = {json.dumps(content)};\n'.encode()


def _index(page: str) -> str:
    """Return the server's page as one that has no server."""
    page = re.sub(r' *<link rel="modulepreload"[^>]*>\n', '', page)
    for before, after in (
        (
            r'<meta charset="utf-8">',
            f'<meta charset="utf-8">\n    <meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        ),
        (r'<script type="module" src="page.js"></script>', '<script src="site.js" defer></script>'),
        (r'<span id="model"></span>', '<span id="model"></span> <span id="runtime"></span>'),
        (r' *<a href="docs">[^<]*</a>\n', ''),
        (r"coloured in this server's\s+memory[^.]*\.", 'coloured in this browser, and sent nowhere.'),
    ):
        page, count = re.subn(before, after, page)
        assert count == 1, before
    # The page fetches them, which from file:// would be refused.
    return re.sub(r'src="(examples/[^"]+\.jpg)"', lambda match: f'src="{_inline(match[1])}"', page)


def _inline(name: str) -> str:
    """Return a picture as an address, which ends with its name as others do."""
    return f'data:image/jpeg;base64,{base64.b64encode((_PAGE / name).read_bytes()).decode()}#/{Path(name).name}'


def _packed(content: bytes) -> str:
    """Return content as a script can carry it: browsers unpack it faster than they load what it saves."""
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()
