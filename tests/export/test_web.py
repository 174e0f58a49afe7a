"""The page without a server, in a real browser and without a network: beside what `Colorizer` and the command make."""

import dataclasses
import functools
import http.server
import json
import os
import shutil
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

pytest.importorskip('jax2onnx')
pytest.importorskip('onnxruntime')
pytest.importorskip('selenium')
import onnxruntime
from helpers import pages
from helpers.site import color, complaints, difference, in_a_browser, symbolic_sizes, untrained
from selenium import webdriver
from selenium.webdriver.common.by import By
from skimage import data

from jaxcolor import Colorizer, cli
from jaxcolor.color.palette import Palette
from jaxcolor.errors import UserError
from jaxcolor.export import export, runtime, web
from jaxcolor.export.network import Network
from jaxcolor.inference import render
from jaxcolor.inference.network import near


@pytest.fixture(scope='module')
def colorizer() -> Colorizer:
    return Colorizer()


@pytest.fixture(scope='module')
def graph(colorizer) -> bytes:
    """That of the model that comes with the package, of which the folder is made as well: it takes a while."""
    with symbolic_sizes():
        return web.graph(Network.of(colorizer), colorizer)


@pytest.fixture(scope='module')
def site(onnxruntime_web, graph, colorizer, tmp_path_factory) -> Path:
    """The model that comes with the package, by the command."""
    folder = tmp_path_factory.mktemp('web') / 'site'

    def known(network: Network, other: Colorizer) -> bytes:
        assert other.describe() == colorizer.describe()
        jax.tree.map(np.testing.assert_array_equal, network.variables, colorizer.variables)
        return graph

    with symbolic_sizes(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(web, 'graph', known)
        assert cli.main(['export', '--format=web', f'--output={folder}', f'--runtime={onnxruntime_web}']) == 0
    return folder


@pytest.fixture(scope='module')
def browser(tmp_path_factory) -> Iterator[webdriver.Chrome]:
    no_network = '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'
    with pages.chrome(tmp_path_factory.mktemp('downloads'), no_network) as browser:
        browser.set_script_timeout(120)
        yield browser


@pytest.fixture
def opened(browser, site) -> webdriver.Chrome:
    """The page, opened as a file; with what other tests have left on it."""
    address = (site / 'index.html').as_uri()
    if browser.current_url != address:
        browser.get(address)
        pages.wait(browser, lambda _: browser.find_element(By.ID, 'model').text)
    return browser


@pytest.fixture
def page(opened) -> webdriver.Chrome:
    """The page with nothing on it."""
    if opened.find_elements(By.CSS_SELECTOR, '.picture'):
        opened.execute_async_script(
            "import(jaxcolor.address('store.js')).then((store) => store.forgetAll()).then(arguments[0])"
        )
        opened.refresh()
        pages.wait(opened, lambda _: opened.find_element(By.ID, 'model').text)
    return opened


def _ask(page: webdriver.Chrome, code: str, *arguments: object):
    """What an asynchronous function of the page's `backend` returns."""
    found = page.execute_async_script(
        f"""
        const [...args] = arguments;
        const done = args.pop();
        const numbers = async (blob) => {{
          const bitmap = await createImageBitmap(blob);
          const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
          context.drawImage(bitmap, 0, 0);
          return [...context.getImageData(0, 0, bitmap.width, bitmap.height).data];
        }};
        import(jaxcolor.address('backend.js')).then(async (backend) => {{ {code} }})
          .then(done, (error) => done({{ error: error.message }}));
        """,
        *arguments,
    )
    assert not (isinstance(found, dict) and 'error' in found), found
    return found


def _upright(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert('RGB'))


@in_a_browser
def test_a_photograph_without_server_or_network(page, colorizer, tmp_path):
    """A PNG is what `Colorizer` makes of it, but for rounding."""
    path = tmp_path / 'astronaut.png'
    Image.fromarray(data.astronaut()[:400]).save(path)
    result = color(page, path)
    assert result.name == 'astronaut-colour.png'
    colored = _upright(result)
    assert np.ptp(colored.astype(int), axis=-1).max() > 40
    assert difference(colored, np.asarray(colorizer(path))) < 0.05
    assert page.find_element(By.CSS_SELECTOR, '.note').text.startswith('In colour, 512')
    assert page.find_element(By.ID, 'runtime').text == "It runs on this device's processor (WebAssembly)."
    assert page.execute_script('return Object.keys(jaxcolor.runtimes)') == ['wasm']  # the other is not even loaded
    assert not complaints(page)  # nothing against the security policy


@in_a_browser
def test_a_jpeg_turned_by_its_exif_is_what_the_command_makes_of_it(page, tmp_path):
    path = tmp_path / 'camera.jpg'
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(data.camera()[100:]).save(path, exif=exif, quality=95)
    assert cli.main(['colorize', str(path), f'--output={tmp_path / "out"}']) == 0
    (wanted,) = (tmp_path / 'out').iterdir()
    result = color(page, path)
    with Image.open(result) as image:
        assert (result.name, image.format, image.size) == ('camera-colour.jpg', 'JPEG', (412, 512))
    with Image.open(wanted) as image:
        assert image.size == (412, 512)
    assert difference(_upright(result), _upright(wanted)) < 1


OPTIONS = [
    {'saturation': '1.4', 'warmth': 0.6},
    {'vividness': 0.5, 'temperature': 0.6, 'warmth': -0.6},
    {'hints': [[10, 12, '#b03020'], [130.5, 70, '#2040a0']]},
    {'hints': [[10, 12, '#b03020'], [30.5, 40, '#2040a0']], 'saturation': 1.3, 'warmth': 0.5},
]


@in_a_browser
@pytest.mark.parametrize('options', OPTIONS, ids=lambda options: '-'.join(options))
@pytest.mark.parametrize('shape', [(120, 150), (60, 50)], ids=['larger', 'smaller'])
def test_options_and_hints_do_what_they_do_in_python(opened, colorizer, options, shape):
    pixels = np.asarray(Image.fromarray(data.camera()).resize(shape[::-1]))
    options = {**options, 'hints': [hint for hint in options.get('hints', []) if hint[0] < shape[1]]}
    found = _ask(
        opened,
        """
        const [bytes, height, width, options] = args;
        const rgba = Uint8ClampedArray.from(bytes.flatMap((byte) => [byte, byte, byte, 255]));
        const canvas = new OffscreenCanvas(width, height);
        canvas.getContext('2d').putImageData(new ImageData(rgba, width, height), 0, 0);
        const { blob } = await backend.colorize(await canvas.convertToBlob(), options);
        return numbers(blob);
        """,
        *(pixels.ravel().tolist(), *shape, options),
    )
    colored = np.array(found, np.uint8).reshape(*shape, 4)[..., :3]
    known = {name: float(value) for name, value in options.items() if name != 'hints'}
    plain = colorizer(pixels)
    wanted = colorizer(pixels, hints=[tuple(hint) for hint in options['hints']], **known)
    assert difference(wanted, plain) > 0.5  # else this shows nothing
    assert difference(colored, wanted) < 0.05


@in_a_browser
def test_likely_colours_are_those_of_python(opened, colorizer):
    pixels = np.asarray(Image.fromarray(data.astronaut()).resize((150, 120)))
    found = _ask(
        opened,
        """
        const [bytes, height, width] = args;
        const rgba = Uint8ClampedArray.from({ length: bytes.length / 3 * 4 }, (_, i) => (
          i % 4 === 3 ? 255 : bytes[3 * Math.floor(i / 4) + i % 4]));
        const canvas = new OffscreenCanvas(width, height);
        canvas.getContext('2d').putImageData(new ImageData(rgba, width, height), 0, 0);
        return backend.likelyColors(await canvas.convertToBlob(), 130.5, 40, [[3, 4, '#336699']]);
        """,
        *(pixels.ravel().tolist(), 120, 150),
    )
    wanted = colorizer.likely_colors(pixels, 130.5, 40, [(3, 4, '#336699')])
    assert len(found) == len(wanted) > 2
    for one, (wanted_color, share) in zip(found, wanted, strict=True):
        assert one['share'] == pytest.approx(share, abs=2e-3)
        pairs = zip(bytes.fromhex(one['color'][1:]), bytes.fromhex(wanted_color[1:]), strict=True)
        assert max(abs(first - second) for first, second in pairs) <= 3


@in_a_browser
def test_what_is_no_picture_is_said_to_be_none(page, tmp_path):
    path = tmp_path / 'letter.png'
    path.write_text('dear photograph')
    page.find_element(By.ID, 'files').send_keys(str(path))
    page.find_element(By.ID, 'submit').click()
    note = page.find_element(By.CSS_SELECTOR, '.note')
    pages.wait(page, lambda _: note.text.startswith('This browser cannot open this file'))
    page.get_log('browser')


@in_a_browser
def test_from_a_web_server_it_works_without_one_the_next_time(browser, site, tmp_path):
    handler = functools.partial(_Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        browser.get(f'http://127.0.0.1:{server.server_port}/')
        browser.execute_async_script('navigator.serviceWorker.ready.then(() => arguments[0]())')
        server.shutdown()
        thread.join()
    browser.refresh()
    path = tmp_path / 'moon.png'
    Image.fromarray(data.camera()[:96, :128]).save(path)
    assert _upright(color(browser, path)).shape == (96, 128, 3)
    assert not complaints(browser)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


SPACES = [
    ('lab', {'scale': 110.0}, 'unet', {'depth': 2, 'filters': 4}),
    ('luv', {}, 'dcgan', {'filters': 4}),
    ('rgb', {'signed': True}, 'dcgan', {'filters': 4}),
    ('palette', {'size': 2, 'centers': ((0.0, 60.0, 0.0), (255.0, 90.0, 20.0))}, 'dcgan', {'filters': 4}),
]


@pytest.mark.parametrize(('name', 'space', 'generator', 'fields'), SPACES, ids=['lab', 'luv', 'rgb', 'rgb24'])
def test_the_graph_says_the_chroma_that_rendering_takes(name, space, generator, fields):
    colorizer = untrained(name, space, generator, fields)
    with symbolic_sizes():
        _compare(web.graph(Network.of(colorizer), colorizer), colorizer)


def test_so_does_that_of_a_palette_of_chroma_and_of_hints(graph, colorizer):
    assert colorizer.takes_hints
    assert colorizer.space.basis == 'lab'
    assert colorizer.space.frequencies
    _compare(graph, colorizer)


def _compare(graph: bytes, colorizer: Colorizer) -> None:
    """A graph beside the network and the space in JAX."""
    network = Network.of(colorizer)
    session = onnxruntime.InferenceSession(graph)
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (1, 32, 64, 1)).astype(np.float32)
    feed, given, space = {'x': x}, {}, colorizer.space
    if colorizer.takes_hints:
        corners = jnp.zeros((1, 8, 16, 3))
        corners = corners.at[0, 2, 5].set(jnp.array([0.3, -0.2, 1])).at[0, 7, 0].set(jnp.array([-0.5, 0.1, 1]))
        feed['hints'] = np.zeros((1, 32, 64, 3), np.float32)
        feed['hints'][:, ::4, ::4] = corners
        given['hints'] = corners
        reach = np.asarray(near(corners, (8, 16)))
        feed['near'] = np.zeros((1, 32, 64, 1), np.float32)
        feed['near'][:, ::4, ::4] = reach
    if isinstance(space, Palette):
        vividness = 0.3 if space.frequencies else 0.0
        feed |= {'temperature': np.array(0.7, np.float32), 'vividness': np.array(vividness, np.float32)}
        space = dataclasses.replace(space, temperature=0.7, vividness=0.0 if given else vividness)
    feed = {one.name: feed[one.name] for one in session.get_inputs()}
    forward = jax.jit(lambda variables, x, given: colorizer.generator.apply(variables, x, train=False, **given))
    plain = forward(colorizer.variables, x, jax.tree.map(jnp.zeros_like, given))  # hints of zeros are none
    hinted = forward(colorizer.variables, x, given)
    y = plain + reach * (hinted - plain) if given else plain
    if given:  # vividness and the median end where a colour is known
        y = y - 0.3 * (1 - reach) * space.log_frequencies()[None, None, None]
    wanted = space.color(y) if network.shrinks > 1 else render.chroma(space, jnp.asarray(x), y)
    if given:
        wanted = wanted + reach * (dataclasses.replace(space, estimate='mean').color(y) - wanted)
    chroma = session.run(['chroma'], feed)[0]
    assert np.ptp(wanted) > 1
    assert np.abs(chroma - wanted).max() < 0.02 * np.ptp(wanted)  # kernels in float16
    if isinstance(space, Palette):
        np.testing.assert_allclose(session.run(['logits'], feed)[0], hinted, atol=0.02 * float(np.ptp(hinted)))


def test_the_folder_has_what_it_needs_and_no_more(site):
    names = {path.name for path in site.iterdir()}
    sources = json.loads((site / 'site.js').read_text().partition(' = ')[2].partition(';\n')[0])['sources']
    assert names >= {'index.html', 'site.js', 'wasm.js', 'webgpu.js', 'model.js', 'sw.js', 'jaxcolor.json'}
    assert names >= {'README.txt', 'onnxruntime-LICENSE.txt', 'onnxruntime-third-party.txt'}
    assert 'v1/colorize' not in sources['backend.js']
    assert sum(path.stat().st_size for path in site.iterdir()) < 22e6
    page = (site / 'index.html').read_text()
    assert 'server' not in page.partition('</header>')[0]
    assert 'href="docs"' not in page
    kept = json.loads((site / 'sw.js').read_text().splitlines()[1].removeprefix('const FILES = ').rstrip(';'))
    assert all((site / name).exists() for name in kept)


def test_what_is_there_is_replaced_only_on_demand(site, tmp_path):
    (tmp_path / 'mine').mkdir()
    colorizer = untrained(*SPACES[0])
    with pytest.raises(UserError, match='mine is there and no export of this format'):
        export(colorizer, tmp_path / 'mine', 'web', overwrite=True)
    with pytest.raises(UserError, match='is there; choose another --output, or add --overwrite'):
        export(colorizer, site, 'web')
    with pytest.raises(UserError, match='--size=32 does not go with --format=web'):
        export(colorizer, tmp_path / 'new', 'web', size=32)
    with pytest.raises(UserError, match='--runtime=here does not go with --format=onnx'):
        export(colorizer, tmp_path / 'new', 'onnx', runtime='here')


def test_another_runtime_is_refused(tmp_path):
    tarball = tmp_path / 'onnxruntime-web.tgz'
    with pytest.raises(UserError, match='No such file'):
        runtime.find(tarball)
    tarball.write_bytes(b'another')
    with pytest.raises(UserError, match=r'onnxruntime-web\.tgz is not onnxruntime-web .*, by its SHA-512'):
        runtime.find(tarball)
    with pytest.raises(UserError, match=r'has no package\.json'):
        runtime.find(tmp_path)
    (tmp_path / 'package.json').write_text('{"name": "onnxruntime-web", "version": "1.0.0"}')
    with pytest.raises(UserError, match=r'is onnxruntime-web 1\.0\.0; use'):
        runtime.find(tmp_path)
    (tmp_path / 'package.json').write_text(f'{{"name": "onnxruntime-web", "version": "{runtime.VERSION}"}}')
    with pytest.raises(UserError, match=r'lacks dist/ort'):
        runtime.find(tmp_path)


@pytest.mark.parametrize(
    ('script', 'reason'),
    [
        (None, 'there is no npm to get it; install npm, or use --runtime'),
        ('echo "npm error code E404" >&2; exit 1', 'npm can not get it: npm error code E404; use --runtime'),
        ('echo damaged > "${@: -1}/onnxruntime-web-1.tgz"', 'is not onnxruntime-web .*, by its SHA-512'),
    ],
)
def test_npm_may_be_missing_refuse_or_bring_something_else(script, reason, tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setenv('PATH', str(tmp_path))
    if script:
        npm = tmp_path / 'npm'
        npm.write_text(f'#!{shutil.which("bash", path=os.defpath)}\n{script}\n')
        npm.chmod(0o755)
    with pytest.raises(UserError, match=reason):
        runtime.find()
    assert not (tmp_path / 'cache').exists()


def test_a_folder_of_npm_serves_as_well(onnxruntime_web, tmp_path):
    builds = ('ort.wasm.bundle.min.mjs', 'ort-wasm-simd-threaded.wasm', 'ort.jspi.bundle.min.mjs')
    needed = ('package.json', *(f'dist/{name}' for name in (*builds, 'ort-wasm-simd-threaded.jspi.wasm')))
    with tarfile.open(onnxruntime_web) as archive:
        members = [one for one in archive if one.name.removeprefix('package/') in needed]
        archive.extractall(tmp_path, members, filter='data')
    assert runtime.find(tmp_path / 'package') == runtime.find(onnxruntime_web)
