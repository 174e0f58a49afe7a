"""How the page looks and is used: large and small screens, one picture and many, all of the screen, the focus."""

import contextlib

import pytest
from PIL import Image

pytest.importorskip('selenium')
from helpers.pages import choose, color, focus, one, resize, visible, wait
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

WIDTHS = 'return [document.documentElement.scrollWidth, innerWidth]'


@contextlib.contextmanager
def screen(page, width, height):
    metrics = {'width': width, 'height': height, 'deviceScaleFactor': 2, 'mobile': True}
    page.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', metrics)
    try:
        yield
    finally:
        page.execute_cdp_cmd('Emulation.clearDeviceMetricsOverride', {})


@pytest.fixture
def awkward(tmp_path):
    """Files of which a browser shows nothing: a TIFF, and what is no picture, under a long name."""
    scan, broken = tmp_path / 'scan.tif', tmp_path / f'{"letter" * 20}.jpg'
    Image.linear_gradient('L').resize((300, 200)).save(scan)
    broken.write_text('dear photograph')
    return scan, broken


@pytest.mark.parametrize('width', [320, 390])
def test_nothing_is_wider_than_a_phone(page, photograph, awkward, width):
    with screen(page, width, 700):
        assert page.execute_script(WIDTHS) == [width, width]
        choose(page, photograph, *awkward)
        wait(page, lambda _: len(visible(page, '.placeholder')) == 2)
        assert page.execute_script(WIDTHS) == [width, width]
        one(page, '#submit').click()
        wait(page, lambda _: one(page, '#submit').text == 'Done')
        assert page.execute_script(WIDTHS) == [width, width]
        choose(page, *[photograph] * 4)
        assert page.execute_script(WIDTHS) == [width, width]


def test_thirteen_pictures_are_a_grid(page, photograph):
    choose(page, *[photograph] * 3)
    large = one(page, '.frame').rect['width']
    choose(page, *[photograph] * 10)
    assert page.execute_script('return document.documentElement.scrollHeight') < 2000  # it was 7,542
    tops = {card.rect['y'] for card in page.find_elements(By.CSS_SELECTOR, '.picture')}
    assert len(tops) == 4
    assert one(page, '.frame').rect['width'] < 0.6 * large
    with screen(page, 390, 844):
        assert page.execute_script('return document.documentElement.scrollHeight') < 3000


def test_the_bar_is_beside_the_picture_on_a_phone_on_its_side(page, photograph):
    with screen(page, 844, 390):
        color(page, photograph)
        page.execute_script('arguments[0].scrollIntoView({ block: "center" })', one(page, '.frame'))
        inside = 'const box = arguments[0].getBoundingClientRect(); return [box.top, box.bottom];'
        top, bottom = page.execute_script(inside, one(page, '.frame'))
        assert top >= 0
        assert bottom <= min(390, page.execute_script(inside, one(page, '#controls'))[0])


@pytest.mark.parametrize('height', [900, 757])
def test_nothing_moves_as_a_picture_is_coloured(page, photograph, awkward, tmp_path, height):
    Image.linear_gradient('L').resize((512, 512)).save(square := tmp_path / 'square.jpg')
    resize(page, 1280, height)
    try:
        choose(page, square, photograph, awkward[0])
        wait(page, lambda _: visible(page, '.placeholder'))
        boxes = [frame.rect for frame in page.find_elements(By.CSS_SELECTOR, '.frame')]
        page.execute_script("""
        window.shifts = [];
        new PerformanceObserver((list) => window.shifts.push(...list.getEntries().map(({ value }) => value)))
          .observe({ type: 'layout-shift' });""")
        one(page, '#submit').click()
        wait(page, lambda _: one(page, '#submit').text == 'All in colour')
        assert [frame.rect for frame in page.find_elements(By.CSS_SELECTOR, '.frame')] == boxes
        assert sum(page.execute_script('return window.shifts')) < 0.01
    finally:
        resize(page, 1280, 900)


def test_the_focus_stays_where_it_was(page, photograph):
    choose(page, photograph)
    one(page, '#submit').send_keys(Keys.ENTER)
    assert focus(page) == 'submit'
    wait(page, lambda _: visible(page, '.download'))
    assert focus(page) == 'submit'
    one(page, '#submit').send_keys(Keys.ENTER)  # there is nothing to do
    assert one(page, '#submit').text == 'All in colour'
    page.set_network_conditions(offline=True, latency=0, throughput=0)
    try:
        one(page, '#saturation').send_keys(Keys.ARROW_RIGHT)
        one(page, '#submit').click()
        wait(page, lambda _: visible(page, '.retry'))
    finally:
        page.delete_network_conditions()
    one(page, '.retry').send_keys(Keys.ENTER)
    wait(page, lambda _: one(page, '#submit').text == 'All in colour')
    assert focus(page) == 'download'
    page.get_log('browser')  # of the network that was not there


def test_an_example_is_coloured_by_one_press(page):
    assert [image.get_property('naturalWidth') for image in page.find_elements(By.CSS_SELECTOR, '.examples img')] == [
        512,
        512,
        640,
    ]
    one(page, '.examples button').send_keys(Keys.ENTER)
    wait(page, lambda _: visible(page, '.download'))
    assert one(page, '.name').text == 'photographer.jpg'
    assert focus(page) == 'submit'
    assert not one(page, '#examples').is_displayed()


def test_enlarged_by_keyboard_and_pointer(page, photograph, awkward):
    color(page, photograph, awkward[0])
    one(page, '.expand').send_keys(Keys.ENTER)
    sheet, stage, split = one(page, '#sheet'), one(page, '#stage'), one(page, '#viewer-split')
    fits = sheet.rect
    assert one(page, '#viewer-name').text == photograph.name
    assert fits['width'] == pytest.approx(1280, abs=16) or fits['height'] == pytest.approx(stage.rect['height'], abs=1)

    split.send_keys(Keys.HOME, Keys.ARROW_RIGHT)
    assert split.get_attribute('aria-valuetext') == '99 % in colour'
    webdriver.ActionChains(page).move_to_element(stage).click_and_hold().move_by_offset(10, 0).release().perform()
    assert split.get_attribute('aria-valuetext') in ('49 % in colour', '48 % in colour')

    split.send_keys('+')
    assert sheet.rect['width'] == pytest.approx(1.5 * fits['width'], abs=3)
    at = page.execute_script('return arguments[0].scrollTop', stage)
    webdriver.ActionChains(page).move_to_element(stage).click_and_hold().move_by_offset(0, 30).release().perform()
    assert page.execute_script('return arguments[0].scrollTop', stage) == pytest.approx(at - 30, abs=1)
    split.send_keys('0')
    assert sheet.rect == fits
    webdriver.ActionChains(page).scroll_from_origin(
        webdriver.common.actions.wheel_input.ScrollOrigin.from_element(stage), 0, -200
    ).perform()
    wait(page, lambda _: sheet.rect['width'] == pytest.approx(1.5**2 * fits['width'], abs=3))

    one(page, '#viewer-next').click()
    assert one(page, '#viewer-name').text == 'scan.tif'
    box = page.execute_script('return arguments[0].getBoundingClientRect().toJSON()', sheet)  # `rect` rounds sizes
    assert box['width'] / box['height'] == pytest.approx(1.5)
    assert not one(page, '#viewer-next').is_enabled()
    split.send_keys(Keys.ESCAPE)
    wait(page, lambda _: not visible(page, '#viewer'))
    assert focus(page) == 'expand'


def test_full_screen(page, photograph):
    choose(page, photograph)
    wait(page, lambda _: visible(page, '.expand'))
    one(page, '.expand').click()
    assert not one(page, '#viewer-divider').is_displayed()  # there is nothing to compare yet
    one(page, '#viewer-full').click()
    wait(page, lambda _: page.execute_script('return document.fullscreenElement?.className') == 'view')
    one(page, '#viewer-close').click()
    wait(page, lambda _: page.execute_script('return document.fullscreenElement') is None)
    assert not visible(page, '#viewer')


def test_says_what_it_is_to_search_engines(page):
    assert one(page, 'meta[name=description]').get_attribute('content').startswith('Put colour into')
