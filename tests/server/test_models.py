"""Several models behind one server: chosen by name, never mixed; on the page by a select."""

import io
import re
import time

import httpx
import numpy as np
import pytest
from helpers.hinted_palette import obedient_palette
from helpers.serving import serve_app
from PIL import Image

from jaxcolor import cli, weights
from jaxcolor.cli.serve import restore
from jaxcolor.errors import UserError
from jaxcolor.inference.options import Options
from jaxcolor.server import models
from jaxcolor.server.app import create_app
from jaxcolor.server.batching import Batcher
from jaxcolor.server.metrics import Metrics
from jaxcolor.server.models import ServedModel
from jaxcolor.server.settings import Settings


@pytest.fixture(scope='module')
def two(colorizer):
    """A small model without hints, one that takes them, and the address of a server that has both."""
    hinted = obedient_palette()
    app = create_app(
        [ServedModel(colorizer, 'plain', weights.card('photos')), ServedModel(hinted, 'hinted')], Settings()
    )
    with serve_app(app) as (_, url):
        while httpx.get(f'{url}/readyz').status_code != 200:
            time.sleep(0.02)
        yield colorizer, hinted, url


def test_names_are_short_unique_and_fit_an_address():
    sources = ['photos', 'runs/cifar_dcgan/', 'hf:someone/Old.Photos@main', 'hf:other/Old.Photos', 'x/ein Lauf!', '///']
    sources += [
        '~/best.safetensors',
        'gs://bucket/runs/cifar_dcgan',
        f'{"long" * 30}',
        '.hidden',
        'photos-2',
        'a/photos',
    ]
    names = models.names(sources)
    assert names[:6] == ['photos', 'cifar_dcgan', 'Old.Photos', 'Old.Photos-2', 'ein-Lauf', 'model']
    assert names[6:8] == ['best', 'cifar_dcgan-2']
    assert names[9:] == ['hidden', 'photos-2', 'photos-3']
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r'[A-Za-z0-9._-]{1,43}', name) for name in names)
    with pytest.raises(UserError, match="model='photos' is given twice; leave one of them out"):
        models.names(['photos', 'photos'])


def test_the_first_is_taken_where_none_is_named(two, picture):
    colorizer, hinted, url = two
    answer = httpx.get(f'{url}/v1/models').json()['models']
    assert [one['name'] for one in answer] == ['plain', 'hinted']
    assert [one['takes_hints'] for one in answer] == [False, True]
    assert [one['render_size'] for one in answer] == [colorizer.render_size, hinted.render_size]
    assert answer[0]['card']['name'] == 'photos' and answer[1]['card'] is None
    assert 'calm' in answer[1]['variants'] and 'calm' not in answer[0]['variants']
    assert httpx.get(f'{url}/v1/model').json() == answer[0]
    assert httpx.get(f'{url}/v1/model?model=hinted').json() == answer[1]
    content = picture()
    results = {}
    for name in (None, 'plain', 'hinted'):
        data = {'format': 'png'} | ({'model': name} if name else {})
        sent = httpx.post(f'{url}/v1/colorize', files={'image': content}, data=data, timeout=60)
        results[name] = np.asarray(Image.open(io.BytesIO(sent.content)))
    grey = np.asarray(Image.open(io.BytesIO(content)))
    np.testing.assert_array_equal(results[None], colorizer(grey))
    np.testing.assert_array_equal(results['plain'], colorizer(grey))
    np.testing.assert_array_equal(results['hinted'], hinted(grey))
    assert (results['plain'] != results['hinted']).any()


@pytest.mark.parametrize(
    ('path', 'data', 'detail'),
    [
        ('colorize', {'model': 'best'}, "model='best' is not here; use plain, hinted"),
        ('colorize', {'model': 'x' * 100}, f"model='{'x' * 40}' is not here; use plain, hinted"),
        ('colors', {'model': 'best', 'x': '1', 'y': '1'}, "model='best' is not here; use plain, hinted"),
        ('colorize', {'hints': '[[1, 1, "#8a5a3c"]]'}, 'hints: generator.name=unet takes none'),
        ('colors', {'x': '1', 'y': '1'}, 'likely_colors: only palettes'),
        ('colorize', {'vividness': '0.5'}, 'vividness=0.5'),
    ],
)
def test_what_the_chosen_model_has_not_is_refused_in_a_line(two, picture, path, data, detail):
    answer = httpx.post(f'{two[2]}/v1/{path}', files={'image': picture()}, data=data, timeout=60)
    assert answer.status_code == 422
    assert answer.json()['detail'].startswith(detail) and '\n' not in answer.json()['detail']
    assert httpx.get(f'{two[2]}/v1/model?model=best').json() == {
        'detail': "model='best' is not here; use plain, hinted"
    }


def test_batches_do_not_mix_models(two):
    """All come at once, of one shape; each result is that of its own model, and all programs are compiled ahead."""
    metrics = Metrics()
    both = two[:2]
    batcher = Batcher(both, 4, metrics)
    try:
        batcher.programs.ready.result(60)
        pixels = np.random.default_rng(0).integers(0, 256, (24, 24, 1), np.uint8)
        sent = [(one, batcher.submit(one, pixels, Options(), one.small_copies(pixels, Options()))) for one in both * 4]
        for one, result in sent:
            np.testing.assert_allclose(result.result(60).pixels.astype(int), one(pixels), atol=1)
        while 'jaxcolor_programs_left 0.0' not in metrics.exposition().decode():
            time.sleep(0.02)
        for one in both:
            assert all(program.is_compiled for program in batcher.programs.networks(one, one.shapes.all(), 4))
    finally:
        assert batcher.close(60.0)


def test_an_option_that_does_not_fit_one_names_it(model, capsys):
    with pytest.raises(UserError, match="checkpoint='best': photos has one alone"):
        restore([str(model), 'photos'], 'best', None)
    with pytest.raises(UserError, match=r'^model=photos: render_size=9999 is out of range'):
        restore(['photos', str(model)], None, 9999)
    assert cli.main(['serve', f'--model={model}', '--model=nowhere']) == 1
    assert capsys.readouterr().err.startswith('error: ')
    served = restore([str(model), 'photos'], None, None)
    assert [one.name for one in served] == [model.name, 'photos']
    assert [one.card is None for one in served] == [True, False]


class TestPage:
    @pytest.fixture
    def page(self, browser, two):
        pytest.importorskip('selenium')
        from helpers.pages import open_anew

        return open_anew(browser, two[2])

    def test_a_select_says_which(self, page, photograph):
        from helpers.pages import color, focus, one, visible, wait
        from selenium.webdriver.common.keys import Keys
        from selenium.webdriver.support.ui import Select

        def tools():
            return [tool.text for tool in visible(page, '.tool')]

        select = Select(one(page, '#which-model'))
        assert [option.text for option in select.options] == ['plain', 'hinted']
        assert one(page, '#which-model').accessible_name == 'Model'
        assert 'What it is bad at' in one(page, '#model').text
        color(page, photograph)
        assert one(page, '.note').text.startswith('In colour by plain, ')
        assert tools() == ['Other colourings']
        assert one(page, '#submit').text == 'All in colour'

        visible(page, '.tool')[0].send_keys(Keys.ENTER)
        wait(page, lambda _: visible(page, '.variants'))
        select.select_by_visible_text('hinted')
        assert not visible(page, '.variants')  # they were those of the other
        assert 'What it is bad at' not in one(page, '#model').text
        assert sorted(tools()) == ['Correct colours', 'Other colourings']
        assert one(page, '#submit').text == 'Colour again'
        one(page, '#submit').send_keys(Keys.ENTER)
        wait(page, lambda _: one(page, '.note').text.startswith('In colour by hinted, '))

        page.refresh()  # the choice stays, as results do
        wait(page, lambda _: visible(page, '.download') and one(page, '#submit').text == 'All in colour')
        assert Select(one(page, '#which-model')).first_selected_option.text == 'hinted'
        assert one(page, '.note').text.startswith('In colour by hinted, ')
        one(page, '#forget').send_keys(Keys.ENTER)
        page.switch_to.alert.accept()
        wait(page, lambda _: focus(page) == 'files')
        page.refresh()
        wait(page, lambda _: one(page, '#model').text)
        assert Select(one(page, '#which-model')).first_selected_option.text == 'plain'
        assert not page.get_log('browser')

    def test_of_one_model_there_is_no_choice(self, browser, hinted):
        from helpers.pages import one, wait

        browser.get(hinted[1])
        wait(browser, lambda _: one(browser, '#model').text)
        assert not one(browser, '#which').is_displayed()
