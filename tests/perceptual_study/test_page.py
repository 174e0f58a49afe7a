"""The page in a real browser, by keyboard, by finger, and against the clock."""

import contextlib
import io
import time

import pytest
from PIL import Image

pytest.importorskip('selenium')
from helpers.pages import focus, one, visible, wait
from helpers.serving import serve_study
from selenium import webdriver
from selenium.webdriver.common.keys import Keys

from jaxcolor.perceptual_study.answers import Results, Setting
from jaxcolor.perceptual_study.pictures import Pair
from jaxcolor.perceptual_study.study import Study
from jaxcolor.server.settings import Settings

SETTING = Setting('photos, step 9', 64, None)


def bitmap(color):
    file = io.BytesIO()
    Image.new('RGB', (64, 64), color).save(file, 'BMP')
    return file.getvalue()


PAIRS = {f'{number}.jpg': Pair(bitmap('teal'), bitmap('brown')) for number in range(6)}


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path / 'results.jsonl')


@pytest.fixture
def page(browser, results):
    """The page of six pictures, begun by nobody."""
    with serve_study(Study(PAIRS, SETTING, results)) as url:
        browser.get(url)
        wait(browser, lambda _: visible(browser, '#begin'))
        browser.get_log('browser')
        yield browser
        browser.execute_script('sessionStorage.clear()')
        browser.get('about:blank')


@contextlib.contextmanager
def phone(browser):
    metrics = {'width': 320, 'height': 568, 'deviceScaleFactor': 2, 'mobile': True}
    browser.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', metrics)
    try:
        yield
    finally:
        browser.execute_cdp_cmd('Emulation.clearDeviceMetricsOverride', {})


def press(page, key):
    webdriver.ActionChains(page).send_keys(key).perform()


def at(page, number):
    """Wait for a picture's turn; its pixels are there."""
    wait(page, lambda _: one(page, '#place').text == f'{number} of 6')
    wait(page, lambda _: one(page, '#trial').get_attribute('aria-busy') is None)
    assert one(page, '#picture').get_property('naturalWidth') == 64


def test_by_keyboard_to_the_end(page, results):
    assert one(page, '#total').text == '6'
    assert focus(page) == 'start'
    press(page, Keys.ENTER)
    keys = [Keys.ARROW_LEFT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT, Keys.ARROW_LEFT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT]
    for number, key in enumerate(keys, 1):
        at(page, number)
        assert one(page, '#status').text == f'Photograph {number} of 6'
        press(page, key)
    wait(page, lambda _: visible(page, '#end'))
    words = {Keys.ARROW_LEFT: 'true', Keys.ARROW_RIGHT: 'coloured'}
    assert [answer.answer for answer in results.answers] == [words[key] for key in keys]
    fooled = sum((answer.shown, answer.answer) == ('coloured', 'true') for answer in results.answers)
    verdict = f'Coloured photographs that you took for true: {fooled} of 3, {100 * fooled / 3:.0f} %.'
    assert one(page, '#verdict').text == verdict
    assert one(page, '#own-fooled').text == one(page, '#all-fooled').text
    assert focus(page) == 'end-title'
    assert not visible(page, '#on')
    assert not page.get_log('browser')

    one(page, '#again').click()
    wait(page, lambda _: visible(page, '#begin'))
    assert focus(page) == 'start'


def test_tab_and_enter_and_stopping_and_going_on(page, results):
    press(page, Keys.ENTER)
    at(page, 1)
    assert focus(page) == 'true'
    press(page, Keys.TAB)
    assert focus(page) == 'coloured'
    press(page, Keys.ENTER)
    at(page, 2)
    assert focus(page) == 'coloured'  # it stays where it was
    one(page, '#stop').click()
    wait(page, lambda _: visible(page, '#end'))
    press(page, Keys.ARROW_LEFT)  # there is no question
    one(page, '#on').click()
    at(page, 2)
    assert [answer.answer for answer in results.answers] == ['coloured']


def test_a_reload_goes_on(page, results):
    press(page, Keys.ENTER)
    at(page, 1)
    press(page, Keys.ARROW_LEFT)
    at(page, 2)
    page.refresh()
    at(page, 2)
    press(page, Keys.ARROW_LEFT)
    at(page, 3)
    assert len({answer.judge for answer in results.answers}) == 1


def test_on_a_phone_two_large_buttons(page):
    with phone(page):
        one(page, '#start').click()
        at(page, 1)
        assert page.execute_script('return [document.documentElement.scrollWidth, innerWidth]') == [320, 320]
        # all that is asked is seen at once
        assert page.execute_script('return document.getElementById("coloured").getBoundingClientRect().bottom') < 568
        for selector in ('#true', '#coloured'):
            size = one(page, selector).rect
            assert size['height'] >= 64
            assert size['width'] >= 130
        one(page, '#coloured').click()
        at(page, 2)
        one(page, '#stop').click()
        wait(page, lambda _: visible(page, '#end'))
        assert page.execute_script('return [document.documentElement.scrollWidth, innerWidth]') == [320, 320]


def test_an_answer_that_does_not_come_through_is_given_again(page, results):
    press(page, Keys.ENTER)
    at(page, 1)
    page.set_network_conditions(offline=True, latency=0, throughput=0)
    try:
        press(page, Keys.ARROW_LEFT)
        wait(page, lambda _: one(page, '#problem').text.startswith('The server cannot be reached.'))
    finally:
        page.delete_network_conditions()
    assert 'away' not in one(page, '#picture').get_attribute('class')
    press(page, Keys.ARROW_LEFT)
    at(page, 2)
    assert one(page, '#problem').text == ''
    assert len(results.answers) == 1
    page.get_log('browser')  # of the network that was not there


def test_shown_for_a_moment(browser, results):
    with serve_study(Study(PAIRS, SETTING._replace(seconds=0.3), results)) as url:
        browser.get(url)
        wait(browser, lambda _: visible(browser, '#limit'))
        assert one(browser, '#seconds').text == '0.3 seconds'
        one(browser, '#start').click()
        at(browser, 1)
        wait(browser, lambda _: not one(browser, '#picture').is_displayed())
        time.sleep(0.2)
        press(browser, Keys.ARROW_RIGHT)
        at(browser, 2)
        browser.execute_script('sessionStorage.clear()')
    assert [answer.answer for answer in results.answers] == ['coloured']
    assert results.answers[0].setting.seconds == 0.3


def test_a_token_comes_with_the_address(browser, results):
    with serve_study(Study(PAIRS, SETTING, results), Settings(token='grandmother')) as url:
        browser.get(url)
        wait(
            browser, lambda _: one(browser, '#problem').text.startswith('Open the address that the server has printed')
        )
        browser.get_log('browser')
        browser.get('about:blank')
        browser.get(f'{url}/#token=grandmother')
        wait(browser, lambda _: visible(browser, '#begin'))
        assert browser.current_url == f'{url}/'
        browser.execute_script('sessionStorage.clear()')
