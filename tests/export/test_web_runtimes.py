"""Where the page's network runs: WebGPU where there is one that is right and faster, else WebAssembly."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip('jax2onnx')
pytest.importorskip('onnxruntime')
pytest.importorskip('selenium')
from helpers import pages
from helpers.site import color, complaints, difference, in_a_browser, symbolic_sizes, untrained
from selenium import webdriver
from selenium.webdriver.common.by import By
from skimage import data

from jaxcolor import Colorizer
from jaxcolor.export import export

pytestmark = in_a_browser

# Chromium's own Vulkan on the processor: a real WebGPU, and a slow one.
WEBGPU = ('--enable-unsafe-webgpu', '--enable-features=Vulkan', '--use-webgpu-adapter=swiftshader')
WASM_WORDS, WEBGPU_WORDS = (
    f"It runs on this device's {where}." for where in ('processor (WebAssembly)', 'graphics processor (WebGPU)')
)
FASTER = ('const SHARE = 1;', 'const SHARE = Infinity;')  # whatever the time it takes


@pytest.fixture(scope='module')
def colorizer() -> Colorizer:
    return untrained('lab', {'scale': 110.0}, 'unet', {'depth': 2, 'filters': 4})


@pytest.fixture(scope='module')
def site(colorizer, onnxruntime_web, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('web') / 'site'
    with symbolic_sizes():
        export(colorizer, folder, 'web', runtime=onnxruntime_web)
    return folder


@pytest.fixture(scope='module')
def browser(tmp_path_factory) -> Iterator[webdriver.Chrome]:
    empty = tmp_path_factory.mktemp('empty') / 'index.html'
    empty.touch()
    with pages.chrome(tmp_path_factory.mktemp('downloads'), *WEBGPU) as browser:
        browser.get(empty.as_uri())
        if not browser.execute_async_script(
            'Promise.resolve(navigator.gpu?.requestAdapter()).then((one) => arguments[0](Boolean(one)))'
        ):
            pytest.skip('this chromium has no WebGPU')
        yield browser


@pytest.fixture
def open_page(browser, site, tmp_path) -> Iterator[Callable[..., webdriver.Chrome]]:
    """Returns a function that opens the page with changes of its scripts, `(before, after)`, and a damaged WebGPU."""
    folder = tmp_path / 'site'
    shutil.copytree(site, folder)

    def open_changed(*changes: tuple[str, str], damage: Callable[[Path], object] = bool) -> webdriver.Chrome:
        content = (folder / 'site.js').read_text()
        for before, after in changes:
            assert content.count(before) == 1
            content = content.replace(before, after)
        (folder / 'site.js').write_text(content)
        damage(folder / 'webgpu.js')
        browser.get((folder / 'index.html').as_uri())
        return browser

    yield open_changed
    browser.execute_async_script(
        "import(jaxcolor.address('store.js')).then((store) => store.forgetAll()).then(arguments[0])"
    )


@pytest.fixture
def photograph(tmp_path) -> Path:
    path = tmp_path / 'astronaut.png'
    Image.fromarray(data.astronaut()[:100, :160]).save(path)
    return path


def _words(page: webdriver.Chrome) -> str:
    return page.find_element(By.ID, 'runtime').text


def _refusal(page: webdriver.Chrome) -> str:
    """What the page says of a WebGPU that it does not use; waits for it."""
    found: list[str] = []

    def look(_: object) -> bool:
        messages = [entry['message'].partition('WebGPU is not used: ') for entry in page.get_log('browser')]
        found.extend(reason for _, known, reason in messages if known)
        return bool(found)

    pages.wait(page, look)
    return found[0]


def _is_coloured(page: webdriver.Chrome, photograph: Path, colorizer: Colorizer) -> bool:
    with Image.open(color(page, photograph)) as image:
        return difference(np.asarray(image.convert('RGB')), np.asarray(colorizer(photograph))) < 0.05


def test_webgpu_takes_over_and_colours_as_python_does(open_page, colorizer, photograph):
    page = open_page(FASTER)
    pages.wait(page, lambda _: _words(page) == WEBGPU_WORDS)
    assert _is_coloured(page, photograph, colorizer)
    assert _words(page) == WEBGPU_WORDS
    assert not complaints(page)


def test_what_it_fails_at_later_webassembly_does(open_page, colorizer, photograph):
    """Its device is lost, as when a computer has slept."""
    lose = "if (provider === 'webgpu' && (lost += 1) > 2) (await env.webgpu.device).destroy();"
    page = open_page(
        FASTER,
        ('    try {\\n      return await session.run(', f'    {lose}\\n    try {{\\n      return await session.run('),
        ('  const run = async (inputs', '  let lost = 0;\\n  const run = async (inputs'),
    )
    pages.wait(page, lambda _: _words(page) == WEBGPU_WORDS)
    assert _is_coloured(page, photograph, colorizer)
    assert _words(page) == WASM_WORDS
    page.get_log('browser')


def test_one_that_is_slower_is_not_used(open_page, colorizer, photograph):
    page = open_page()
    assert _refusal(page).startswith('it takes ')
    assert _is_coloured(page, photograph, colorizer)
    assert _words(page) == WASM_WORDS


def test_one_that_says_something_else_is_not_used(open_page, colorizer, photograph):
    wrong = ".then((said) => { if (provider === 'webgpu') said.chroma.data[7] += 20; return said; })"
    page = open_page(FASTER, ('session.run(feeds, outputs)', f'session.run(feeds, outputs){wrong}'))
    assert _refusal(page).startswith('what the network says is off by ')
    assert _is_coloured(page, photograph, colorizer)
    assert _words(page) == WASM_WORDS


def _break(path: Path) -> None:
    before = '"binary": "'
    path.write_text(path.read_text().replace(before, f'{before}AAAA'))


@pytest.mark.parametrize(
    ('damage', 'reason'),
    [(Path.unlink, 'The model cannot be loaded'), (_break, 'Failed to fetch')],
    ids=['missing', 'broken'],
)
def test_a_build_that_can_not_begin_is_not_used(damage, reason, open_page, colorizer, photograph):
    page = open_page(FASTER, damage=damage)
    assert _refusal(page).startswith(reason)
    assert _is_coloured(page, photograph, colorizer)
    assert _words(page) == WASM_WORDS
