"""A film on the page: how far it is, seen, downloaded, cancelled; by keyboard, and on the smallest phone."""

import time

import httpx
import pytest

pytest.importorskip('selenium')
pytest.importorskip('av')
pytest.importorskip('cv2')
from helpers import films
from helpers.pages import choose, downloaded, focus, one, open_anew, visible, wait
from helpers.serving import serve_app
from selenium import webdriver
from selenium.webdriver.common.keys import Keys

from jaxcolor.server.app import create_app
from jaxcolor.server.models import ServedModel
from jaxcolor.server.settings import Settings


@pytest.fixture(scope='module')
def url(colorizer):
    with serve_app(create_app([ServedModel(colorizer)], Settings(film_seconds=4, batch_size=1))) as (_, url):
        while httpx.get(f'{url}/readyz').status_code != 200:
            time.sleep(0.02)
        yield url


@pytest.fixture
def page(browser, url):
    return open_anew(browser, url)


def test_from_film_to_download(page, tmp_path, slow):
    assert one(page, '.drop-title').text == 'Choose photographs or films'
    assert 'video/*' in one(page, '#files').get_attribute('accept')
    film = films.make(tmp_path / 'walk.mp4', 50, size=(96, 128), audio=True)
    choose(page, film)
    wait(page, lambda _: visible(page, '.video'))  # its first frame
    assert not one(page, '.video').get_property('controls')
    one(page, '#submit').send_keys(Keys.ENTER)
    wait(page, lambda _: one(page, '.note').text.startswith('Colouring, ') and ' left' in one(page, '.note').text)
    bar = one(page, '.progress')
    assert bar.aria_role == 'progressbar' and bar.accessible_name == 'Progress of walk.mp4'
    assert 0 < int(bar.get_attribute('aria-valuenow')) < 100
    wait(page, lambda _: visible(page, '.download'))
    assert one(page, '.note').text == 'In colour, 128 × 96 pixels, 2 s'  # noqa: RUF001
    assert one(page, '#submit').text == 'All in colour'
    video = one(page, '.video')
    assert video.get_property('controls') and video.get_attribute('src').startswith('blob:')
    one(page, '.download').send_keys(Keys.ENTER)
    path = downloaded(page, 'walk-colour.mp4')
    assert len(films.decoded(path)) == 50
    assert films.packets(path, 'audio') == films.packets(film, 'audio')
    page.refresh()  # results stay
    wait(page, lambda _: one(page, '.note').text == 'In colour, 128 × 96 pixels, 2 s')  # noqa: RUF001
    assert not page.get_log('browser')  # nothing is missing, nothing against the security policy


def test_cancelled_by_keyboard(page, url, tmp_path, slow):
    choose(page, films.make(tmp_path / 'walk.mp4', 90))
    one(page, '#submit').send_keys(Keys.ENTER)
    wait(page, lambda _: one(page, '.note').text.startswith('Colouring, '))
    one(page, '.picture .cancel').send_keys(Keys.ENTER)
    assert one(page, '.note').text.startswith('Cancelled. ')
    assert (focus(page), one(page, '#submit').text) == ('remove', 'Colour')
    while 'jaxcolor_films 0.0' not in httpx.get(f'{url}/metrics').text:
        time.sleep(0.2)
    one(page, '.remove').send_keys(Keys.ENTER)
    assert focus(page) == 'files'


def test_what_the_server_would_refuse_is_said_before_it_is_sent(page, tmp_path):
    choose(page, films.make(tmp_path / 'long.mp4', 150))
    wait(page, lambda _: 'failed' in one(page, '.picture').get_attribute('class'))
    assert one(page, '.note').text == 'This film is too long: it has 6 s, the server takes 4 s.'
    assert not visible(page, '.retry')


def test_what_is_broken_is_said_in_a_line(page, tmp_path):
    film = tmp_path / 'broken.mp4'
    film.write_bytes(bytes(1000))
    choose(page, film)
    one(page, '#submit').click()
    wait(page, lambda _: 'failed' in one(page, '.picture').get_attribute('class'))
    assert one(page, '.note').text.startswith('This file cannot be coloured: broken.mp4: it can not be read as a film')


def test_a_server_that_takes_none_says_so(browser, hinted, tmp_path):
    browser.get(hinted[1])
    wait(browser, lambda _: one(browser, '#model').text)
    assert one(browser, '.drop-title').text == 'Choose photographs'
    choose(browser, films.make(tmp_path / 'walk.mp4', 5))
    assert one(browser, '.note').text == 'Films are not coloured here.'


def test_on_the_smallest_phone(page, tmp_path, photograph):
    page.execute_cdp_cmd(
        'Emulation.setDeviceMetricsOverride', {'width': 320, 'height': 568, 'deviceScaleFactor': 1, 'mobile': True}
    )
    try:
        unplayable = films.make(tmp_path / 'a-name-without-any-place-to-break-it-at-all.avi', 5, codec='mpeg4')
        choose(page, films.make(tmp_path / 'walk.mp4', 20), unplayable)
        one(page, '#submit').send_keys(Keys.ENTER)
        wait(page, lambda _: len(visible(page, '.download')) == 2)
        assert one(page, '#submit').text == 'All in colour'
        assert page.execute_script('return document.documentElement.scrollWidth') == 320
        one(page, 'h1').click()
        reached = []
        while 'submit' not in reached:
            webdriver.ActionChains(page).send_keys(Keys.TAB).perform()
            assert page.switch_to.active_element.accessible_name
            reached.append(focus(page))
        assert reached.count('download') == 2 and reached.count('remove') == 2
    finally:
        page.execute_cdp_cmd('Emulation.clearDeviceMetricsOverride', {})
