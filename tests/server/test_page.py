"""The page in a real browser: from the choice of a photograph to the file that was downloaded."""

import base64
import io
import time

import numpy as np
import pytest
from PIL import Image

pytest.importorskip('selenium')
from helpers.pages import choose, downloaded, focus, one, visible, wait
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from jaxcolor import weights
from jaxcolor.server.app import create_app
from jaxcolor.server.models import ServedModel
from jaxcolor.server.settings import Settings


def test_from_photograph_to_download(page, photograph):
    choose(page, photograph)
    before = one(page, '.before')
    wait(page, lambda _: before.get_property('naturalWidth') > 0)  # the preview
    assert not one(page, '.after').is_displayed()

    one(page, '#submit').click()
    wait(page, lambda _: one(page, '.download').is_displayed())
    with Image.open(photograph) as original:
        size = original.size
    after = one(page, '.after')
    assert (after.get_property('naturalWidth'), after.get_property('naturalHeight')) == size
    assert after.rect == before.rect
    assert one(page, '#status').text == f'{photograph.name} is in colour'
    assert one(page, '#submit').text == 'All in colour'

    one(page, '.download').click()
    with Image.open(downloaded(page, f'{photograph.stem}-colour.jpg')) as result:
        assert (result.format, result.size) == ('JPEG', size)
        assert np.ptp(np.asarray(result).astype(int), axis=-1).max() > 8  # in colour
    assert not page.get_log('browser')  # nothing is missing, nothing against the security policy


def test_slider_by_keyboard_and_pointer(page, photograph):
    choose(page, photograph)
    one(page, '#submit').click()
    wait(page, lambda _: one(page, '.divider').is_displayed())
    split, compare = one(page, '.split'), one(page, '.compare')

    def place() -> str:
        return page.execute_script('return getComputedStyle(arguments[0]).getPropertyValue("--split")', compare)

    assert (place(), split.get_attribute('aria-valuetext')) == ('50%', '50 % in colour')
    assert photograph.name in split.accessible_name
    split.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert (place(), split.get_attribute('aria-valuetext')) == ('52%', '48 % in colour')
    split.send_keys(Keys.HOME)
    assert place() == '0%'
    assert not one(page, '.tag-before').is_displayed()

    quarter = round(split.rect['width'] / 4)  # from the centre
    actions = webdriver.ActionChains(page).move_to_element_with_offset(split, -quarter, 0).click_and_hold()
    actions.move_by_offset(2 * quarter, 0).release().perform()
    assert 74 <= int(place().rstrip('%')) <= 76


def test_everything_by_keyboard(page, photograph):
    """Tab reaches each control in the order in which it is needed, with a name and a visible focus."""
    choose(page, photograph)
    one(page, '#submit').click()
    wait(page, lambda _: one(page, '.download').is_displayed())
    one(page, 'h1').click()  # where Tab begins
    reached = []
    for _ in range(11):
        webdriver.ActionChains(page).send_keys(Keys.TAB).perform()
        assert page.switch_to.active_element.accessible_name
        reached.append(focus(page))
    card = ['split', 'expand', 'download', 'tool', 'copy', 'remove']  # the tool is for other colourings
    assert reached == ['files', 'forget', *card, 'saturation', 'submit', 'a']
    one(page, '.remove').send_keys(Keys.ENTER)
    assert not page.find_elements(By.CSS_SELECTOR, '.picture')
    assert focus(page) == 'files'


def test_several_with_a_bad_one(page, photograph, tmp_path):
    """Each has its own fate; a kind that browsers don't show is coloured all the same."""
    bad, unshown = tmp_path / 'letter.txt', tmp_path / 'scan.tif'
    bad.write_text('dear photograph')
    Image.linear_gradient('L').save(unshown)
    choose(page, photograph, bad, unshown)
    assert one(page, '#submit').text == 'Colour 3 photographs'
    one(page, '#submit').click()
    wait(page, lambda _: len(visible(page, '.download')) == 2)
    cards = page.find_elements(By.CSS_SELECTOR, '.picture')
    wait(page, lambda _: 'failed' in cards[1].get_attribute('class'))
    assert one(cards[1], '.note').text.startswith('This file cannot be coloured: not a JPEG, PNG')
    assert not one(cards[1], '.retry').is_displayed()  # it would not help
    assert one(cards[2], '.before').get_property('naturalWidth') == 256
    assert one(cards[2], '.download').get_attribute('download') == 'scan-colour.png'

    saturation = one(page, '#saturation')
    saturation.send_keys(Keys.ARROW_RIGHT)
    assert saturation.get_attribute('aria-valuetext') == 'more vivid, 110 %'
    assert one(page, '#submit').text == 'Colour 2 photographs again'


def test_says_that_pages_are_left_out(page, tmp_path):
    scans = tmp_path / 'album.tif'
    image = Image.linear_gradient('L')
    image.save(scans, save_all=True, append_images=[image.rotate(90), image.rotate(180)])
    choose(page, scans)
    one(page, '#submit').click()
    wait(page, lambda _: one(page, '.download').is_displayed())
    assert one(page, '.note').text.endswith('. The first picture alone: 2 more in this file are left out')


def test_a_token_is_asked_for_or_taken_from_the_address(browser, model, serve, photograph):
    token = 'gr4ndm0ther+s/album=='
    with serve(model, f'--token={token}', '--batch-size=1') as server:
        browser.get(server.url)
        wait(browser, lambda _: one(browser, '#sign-in').is_displayed())
        assert not one(browser, '.drop').is_displayed()
        field = one(browser, '#token')
        field.send_keys('gr4ndfather', Keys.ENTER)
        wait(browser, lambda _: one(browser, '#sign-in-note').text == 'That is not its token.')
        field.clear()
        field.send_keys(token, Keys.ENTER)
        wait(browser, lambda _: one(browser, '#model').text)
        assert not one(browser, '#sign-in').is_displayed()
        assert browser.switch_to.active_element.get_attribute('id') == 'files'
        choose(browser, photograph)
        one(browser, '#submit').click()
        wait(browser, lambda _: one(browser, '.download').is_displayed())

        browser.execute_script('sessionStorage.clear()')  # as after another start, whose token is another
        one(browser, '#saturation').send_keys(Keys.ARROW_RIGHT)
        one(browser, '#submit').click()
        wait(browser, lambda _: one(browser, '.note').text == 'This server wants its token.')
        assert one(browser, '#sign-in').is_displayed()
        browser.get(f'{server.url}/#token={token}')  # where the page is open already
        wait(browser, lambda _: not one(browser, '#sign-in').is_displayed())
        assert browser.current_url == f'{server.url}/'
        one(browser, '.retry').click()
        wait(browser, lambda _: one(browser, '#submit').text == 'All in colour')
        browser.get_log('browser')  # of the answers 401, which are none of other tests' business


def test_says_which_model_it_is_and_what_that_is_bad_at(browser, page, colorizer, start):
    """In the words of its card, where it has one."""
    assert one(page, '#model').text.startswith('The model: unet, 0.0 million parameters, step ')
    _, url = start(create_app([ServedModel(colorizer, 'photos', weights.card('photos'))], Settings()))
    browser.get(url)
    wait(browser, lambda _: one(browser, '#model').text)
    text = one(browser, '#model').text
    assert text.startswith('The model: photos, photographs of any kind, a U-Net on EfficientNet-Lite0; ')
    assert 'What it is bad at: Interiors, crowds and dark pictures come out brown, as if in sepia; strong' in text
    assert text.endswith('.')


def test_dropped_and_pasted_photographs_are_chosen(page):
    """The events are made up; what they carry is a real file."""
    file = io.BytesIO()
    Image.linear_gradient('L').save(file, 'PNG')
    cancelled = page.execute_script(
        """
        const bytes = Uint8Array.from(atob(arguments[0]), (letter) => letter.charCodeAt(0));
        const kinds = [['drop', DragEvent, 'dataTransfer'], ['paste', ClipboardEvent, 'clipboardData']];
        return kinds.map(([kind, type, field]) => {
          const carried = new DataTransfer();
          carried.items.add(new File([bytes], `${kind}.png`, { type: 'image/png' }));
          return !document.body.dispatchEvent(new type(kind, { [field]: carried, bubbles: true, cancelable: true }));
        });
        """,
        base64.b64encode(file.getvalue()).decode(),
    )
    assert cancelled[0]  # or the browser would leave the page for the file
    assert [name.text for name in page.find_elements(By.CSS_SELECTOR, '.name')] == ['drop.png', 'paste.png']
    one(page, '#submit').click()
    wait(page, lambda _: one(page, '#submit').text == 'All in colour')


def test_offers_another_try_where_it_may_help(page, photograph):
    choose(page, photograph)
    page.set_network_conditions(offline=True, latency=0, throughput=0)
    try:
        one(page, '#submit').click()
        wait(page, lambda _: one(page, '.retry').is_displayed())
        assert one(page, '.note').text == 'The server cannot be reached. Is the network there?'
    finally:
        page.delete_network_conditions()
    one(page, '.retry').click()
    wait(page, lambda _: one(page, '.download').is_displayed())


def test_fits_a_phone(page, photograph):
    """At 360 pixels nothing has to be scrolled sideways, and fingers find what they look for."""
    metrics = {'width': 360, 'height': 740, 'deviceScaleFactor': 2, 'mobile': True}
    page.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', metrics)
    try:
        page.refresh()
        assert page.execute_script('return document.documentElement.scrollWidth') == 360
        choose(page, photograph)
        one(page, '#submit').click()
        wait(page, lambda _: one(page, '.download').is_displayed())
        time.sleep(0.3)  # transitions
        assert page.execute_script('return [document.documentElement.scrollWidth, innerWidth]') == [360, 360]
        for selector in ('.drop', '.download', '.remove', '#submit', '#saturation'):
            assert one(page, selector).rect['height'] >= 44, selector
    finally:
        page.execute_cdp_cmd('Emulation.clearDeviceMetricsOverride', {})
