"""The page: whole in one file, each picture and drawing in words, and no wider than a phone."""

import base64
import contextlib
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from helpers.records import write_run
from PIL import Image

from jaxcolor import cli
from jaxcolor.compare import curves, runs
from jaxcolor.compare.comparison import compare


def losses(scale, count=3):
    return [
        {'step': 10 * k, 'reconstruction': scale / k, 'generator_loss': 9.0, 'images_per_second': 10.0}
        for k in range(1, count + 1)
    ]


@pytest.fixture(scope='module')
def page(tmp_path_factory):
    """Of two seeds and a run of another config, which is called as no element should be; of pictures of 32 px."""
    folder = tmp_path_factory.mktemp('compare')
    pictures = np.random.default_rng(0).integers(0, 256, (10, 32, 32, 3), np.uint8)
    paths = [
        write_run(folder / f'lab_seed{seed}', [{'step': 30}], losses(seed + 1), {'seed': seed}, pictures)
        for seed in (0, 1)
    ]
    paths.append(write_run(folder / '<b>', [{'step': 30, 'psnr': 20.0}], losses(3), {'ema_decay': 0.9}, pictures))
    assert cli.main(['compare', *map(str, paths), '--output', str(folder / 'out' / 'page.html')]) == 0
    return folder / 'out' / 'page.html', pictures


class Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def named(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def test_it_needs_nothing_beside_it(page):
    text = page[0].read_text()
    elements = Elements(text)
    assert not {'script', 'link', 'iframe', 'b'} & {tag for tag, _ in elements.found}
    assert all(attributes['src'].startswith('data:image/') for attributes in elements.named('img'))
    assert not re.search(r'https?://|url\((?!#)|@import', text)
    ids = [attributes['id'] for _, attributes in elements.found if 'id' in attributes]
    assert len(ids) == len(set(ids))
    for reference in re.findall(r'(?:href="|url\()#([\w-]+)', text):
        assert reference in ids


def test_pictures_are_those_that_the_runs_drew(page):
    path, pictures = page
    images = Elements(path.read_text()).named('img')
    rows = {}
    for attributes in images:
        number, label = re.fullmatch(r'picture (\d), (.*)', attributes['alt']).groups()
        with Image.open(io.BytesIO(base64.b64decode(attributes['src'].partition(',')[2]))) as image:
            rows.setdefault(label, []).append(np.asarray(image))
        assert int(number) == len(rows[label])
    assert list(rows) == ['true', 'left grey', 'lab_seed0', 'lab_seed1', '<b>']
    np.testing.assert_array_equal(rows['true'], pictures[:8])
    np.testing.assert_array_equal(rows['lab_seed1'], pictures[:8] // 2)


def test_the_table_beside_it(page):
    text = page[0].with_suffix('.md').read_text()
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in text.splitlines() if line[:1] == '|']
    psnr = rows[0].index('PSNR (dB, more is better)')
    found = {row[0]: row[psnr] for row in rows if len(row) > psnr}
    assert found['lab'] == '**25.00 ± 0.00**'
    assert found['<b>'] == '20.00 (worse than grey)'
    assert found['left grey'] == '24.00'
    assert rows[-3:] == [['field', 'lab', '<b>'], ['---'] * 3, ['ema_decay', '0.0', '0.9']]


def test_curves_are_means_of_seeds(page):
    folder = page[0].parents[1]
    groups = compare(runs.read([folder / 'lab_seed0', folder / 'lab_seed1'])).groups
    found = curves.curve(groups[0], 'reconstruction')
    np.testing.assert_allclose(found.steps, [10, 20, 30])
    np.testing.assert_allclose(found.mean, [1.5, 0.75, 0.5])
    np.testing.assert_allclose(found.spread, np.sqrt(0.5) / np.array([1, 2, 3]))
    np.testing.assert_allclose(found.seconds, [10, 20, 30])  # steps of ten pictures, at ten a second


def test_what_is_no_page(tmp_path, capsys):
    path = write_run(tmp_path / 'run', [{'step': 1}])
    assert cli.main(['compare', str(path), '--output', 'compare.md']) == 1
    assert 'error: --output=compare.md is no page; use a name that ends in .html' in capsys.readouterr().err
    assert cli.main(['compare', str(tmp_path), '--output', str(tmp_path / 'a.html')]) == 1
    assert 'holds no run' in capsys.readouterr().err
    assert not (tmp_path / 'a.html').exists()


def test_in_a_browser_it_fits_a_phone(page, tmp_path):
    pytest.importorskip('selenium')
    from helpers import pages

    if not pages.CHROMIUM or not pages.DRIVER:
        pytest.skip('there is no Chromium')
    with contextlib.ExitStack() as resources:
        browser = resources.enter_context(pages.chrome(tmp_path))
        browser.get(page[0].as_uri())
        for width in (320, 1280):
            screen = {'width': width, 'height': 800, 'deviceScaleFactor': 1, 'mobile': True}
            browser.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', screen)
            assert browser.execute_script('return document.documentElement.scrollWidth') == width
        grounds = set()
        for scheme in ('light', 'dark'):
            features = {'features': [{'name': 'prefers-color-scheme', 'value': scheme}]}
            browser.execute_cdp_cmd('Emulation.setEmulatedMedia', features)
            grounds.add(browser.execute_script('return getComputedStyle(document.body).backgroundColor'))
        assert grounds == {'rgb(255, 255, 255)', 'rgb(22, 24, 27)'}
        assert not browser.get_log('browser')
