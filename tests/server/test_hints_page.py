"""Colours corrected by a click, in a real browser, and other colourings to choose from."""

import json

import httpx
import numpy as np
import pytest
from helpers.pages import choose, color, downloaded, focus, one, open_anew, visible, wait
from PIL import Image
from skimage.color import rgb2lab

pytest.importorskip('selenium')
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

BLUE = '#2040c0'


@pytest.fixture
def page(browser, hinted):
    """The page of a server whose model does as hints say."""
    return open_anew(browser, hinted[1])


@pytest.fixture
def editor(page, photograph):
    """The editor on a photograph in colour."""
    color(page, photograph)
    _tool(page, 'Correct colours').click()
    wait(page, lambda _: visible(page, 'dialog.hints'))
    _settle(page)
    yield page
    assert not page.get_log('browser')  # nothing is missing, nothing against the security policy


def _tool(page, label):
    button = next(button for button in visible(page, '.actions button') if button.text == label)
    page.execute_script('arguments[0].scrollIntoView({ block: "center" })', button)  # from behind the bar
    return button


def _settle(page):
    """Waits until the preview and the swatches are those of the points as they are."""
    wait(
        page,
        lambda _: (
            not visible(page, '.hints .progress')
            and not page.find_elements(By.CSS_SELECTOR, '.hints .waiting')
            and one(page, '.hints-image').get_attribute('src').startswith('blob:')
            and not page.find_elements(By.CSS_SELECTOR, '.hints-image.grey')
        ),
    )


def _click(page, across, down):
    """Clicks a place of the photograph, in shares of its width and height."""
    surface = one(page, '.hints-surface')
    offset = [round((share - 0.5) * surface.rect[side]) for share, side in ((across, 'width'), (down, 'height'))]
    webdriver.ActionChains(page).move_to_element_with_offset(surface, *offset).click().perform()
    _settle(page)


def _pick(page, value):
    """Chooses a colour as the browser's own dialog does."""
    page.execute_script(
        """
        const input = document.querySelector('.hints-picker input');
        input.value = arguments[0];
        for (const kind of ['input', 'change']) input.dispatchEvent(new Event(kind, { bubbles: true }));
        """,
        value,
    )
    page.execute_async_script('setTimeout(arguments[0], 200)')  # longer than previews of a drag wait
    _settle(page)


def _chroma(page, selector):
    """The mean (a*, b*) of an image of the page."""
    rgb = page.execute_async_script(
        """
        const [selector, done] = arguments;
        const image = document.querySelector(selector);
        image.decode().then(() => {
          const canvas = Object.assign(document.createElement('canvas'), { width: 32, height: 32 });
          const context = canvas.getContext('2d');
          context.drawImage(image, 0, 0, 32, 32);
          done([...context.getImageData(0, 0, 32, 32).data]);
        });
        """,
        selector,
    )
    return rgb2lab(np.array(rgb, np.uint8).reshape(32, 32, 4)[..., :3])[..., 1:].mean((0, 1))


def _assert_as_python(page, selector, colorizer, path, *hints):
    """The image is what the model makes of the photograph with these hints, places being shares of its sides."""
    with Image.open(path) as image:
        given = [(across * image.width, down * image.height, color) for across, down, color in hints]
        wanted, plain = (
            rgb2lab(np.asarray(colorizer(image, hints=some).resize((256, 256))))[..., 1:].mean((0, 1))
            for some in (given, [])
        )
    assert np.linalg.norm(wanted - plain) > 4  # else this shows nothing
    np.testing.assert_allclose(_chroma(page, selector), wanted, atol=1)


def _chroma_of(colors):
    rgb = np.array([list(bytes.fromhex(color[1:])) for color in colors], np.uint8)
    return rgb2lab(rgb[None])[0, :, 1:]


def _points(page, photograph):
    """What 'Save points' saves."""
    name = f'{photograph.stem}-hints.json'
    (page.downloads / name).unlink(missing_ok=True)
    one(page, '.hints-save').click()
    content = json.loads(downloaded(page, name).read_text())
    assert list(content) == [photograph.name]
    return content[photograph.name]


def _markers(page):
    return page.find_elements(By.CSS_SELECTOR, '.hints-point')


def test_from_a_click_to_the_result(editor, photograph, hinted):
    _click(editor, 0.28, 0.53)
    (marker,) = _markers(editor)
    assert 'Point 1 of 1, no colour yet, 28 % from the left, 53 % from the top' in marker.accessible_name
    swatches = editor.find_elements(By.CSS_SELECTOR, '.hints-swatch input')
    with Image.open(photograph) as image:
        width, height = image.size
        wanted = [color for color, _ in hinted[0].likely_colors(image, 0.28 * width, 0.53 * height)]
    assert len(wanted) >= 2
    shown = [swatch.get_attribute('value') for swatch in swatches]
    # Of the preview, a JPEG of another size, whose lightness there may be another.
    np.testing.assert_allclose(_chroma_of(shown), _chroma_of(wanted), atol=6)
    assert 'likely' in swatches[0].accessible_name

    swatches[1].click()
    _settle(editor)
    _pick(editor, BLUE)
    _assert_as_python(editor, '.hints-image', hinted[0], photograph, (0.28, 0.53, BLUE))
    _click(editor, 0.75, 0.25)
    _pick(editor, '#c04020')
    (x, y, blue), (x2, y2, red) = _points(editor, photograph)
    assert (blue, red) == (BLUE, '#c04020')
    assert (x / width, y / height) == pytest.approx((0.28, 0.53), abs=0.01)
    assert (x2 / width, y2 / height) == pytest.approx((0.75, 0.25), abs=0.01)

    preview = _chroma(editor, '.hints-image')
    one(editor, '.hints-done').click()
    assert not visible(editor, 'dialog')
    wait(editor, lambda _: one(editor, '.note').text.startswith('In colour') and not visible(editor, '.progress'))
    assert editor.switch_to.active_element.text == 'Correct colours'
    np.testing.assert_allclose(_chroma(editor, '.after'), preview, atol=3)
    assert one(editor, '.after').get_property('naturalWidth') == width

    _tool(editor, 'Correct colours').click()  # its points are there again
    wait(editor, lambda _: len(_markers(editor)) == 2)
    _settle(editor)


def test_undo_redo_and_cancel(editor, photograph, hinted):
    before = one(editor, '.after').get_attribute('src')
    undo, redo = one(editor, '.hints-undo'), one(editor, '.hints-redo')
    assert (undo.get_attribute('aria-disabled'), redo.get_attribute('aria-disabled')) == ('true', 'true')
    _click(editor, 0.5, 0.5)
    _pick(editor, BLUE)
    one(editor, '.hints-swatch input').click()
    _settle(editor)
    first, second = _points(editor, photograph)[0][2], one(editor, '.hints-swatch input').get_attribute('value')
    assert first == second != BLUE
    undo.click()
    _settle(editor)
    assert _points(editor, photograph)[0][2] == BLUE
    _assert_as_python(editor, '.hints-image', hinted[0], photograph, (0.5, 0.5, BLUE))
    undo.click()
    assert not _markers(editor)
    webdriver.ActionChains(editor).key_down(Keys.CONTROL).key_down(Keys.SHIFT).send_keys('z').perform()
    webdriver.ActionChains(editor).key_up(Keys.SHIFT).key_up(Keys.CONTROL).perform()
    assert _points(editor, photograph)[0][2] == BLUE
    _settle(editor)
    one(editor, '.hints-cancel').click()
    assert not editor.find_elements(By.CSS_SELECTOR, 'dialog.hints')
    assert one(editor, '.after').get_attribute('src') == before
    _tool(editor, 'Correct colours').click()
    wait(editor, lambda _: visible(editor, 'dialog.hints'))
    assert not _markers(editor)
    _settle(editor)


def test_by_keyboard_alone(editor, photograph):
    """The focus is always somewhere, and every step of it is said."""

    def press(*keys):
        webdriver.ActionChains(editor).send_keys(*keys).perform()
        assert focus(editor) != 'body'
        return editor.switch_to.active_element

    status = one(editor, '.hints-status')
    assert focus(editor) == 'hints-surface'
    assert photograph.name in editor.switch_to.active_element.accessible_name
    press(*[Keys.ARROW_LEFT] * 5)
    assert status.text.endswith('from the left, 50 % from the top')
    press(Keys.ENTER)
    wait(editor, lambda _: editor.switch_to.active_element.get_attribute('name') == 'hints-color')
    press(Keys.SPACE)
    assert status.text.endswith(' chosen')
    _settle(editor)
    press(Keys.ARROW_RIGHT)
    _settle(editor)
    (x, y, chosen) = _points(editor, photograph)[0]
    assert chosen == editor.find_elements(By.CSS_SELECTOR, '.hints-swatch input')[1].get_attribute('value')

    one(editor, '.hints-surface').send_keys(Keys.ESCAPE)  # leaves the point, not the editor
    assert visible(editor, 'dialog.hints')
    marker = press(Keys.TAB)
    assert marker.accessible_name.startswith('Point 1 of 1')
    press(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    _settle(editor)
    ((moved_x, moved_y, _),) = _points(editor, photograph)
    with Image.open(photograph) as image:
        step = 0.02 * max(image.size)
    assert moved_x == pytest.approx(x, abs=2)
    assert moved_y == pytest.approx(y + 2 * step, abs=3)
    marker.send_keys(Keys.CONTROL, 'z')  # both steps are one
    assert _points(editor, photograph) == [[x, y, chosen]]
    _markers(editor)[0].send_keys(Keys.DELETE)
    assert not _markers(editor)
    assert focus(editor) == 'hints-surface'
    _settle(editor)
    press(Keys.ESCAPE)
    assert not editor.find_elements(By.CSS_SELECTOR, 'dialog.hints')
    assert editor.switch_to.active_element.text == 'Correct colours'


def test_points_are_dragged(editor, photograph):
    _click(editor, 0.3, 0.3)
    _pick(editor, BLUE)
    _click(editor, 0.7, 0.7)
    _pick(editor, '#c04020')
    surface = one(editor, '.hints-surface').rect
    drag = webdriver.ActionChains(editor).click_and_hold(_markers(editor)[0])
    for _ in range(5):
        drag.move_by_offset(round(surface['width'] / 25), 0)
    drag.release().perform()
    _settle(editor)
    with Image.open(photograph) as image:
        width = image.width
    (x, _, color_of_first), second = _points(editor, photograph)
    assert (x / width, color_of_first) == (pytest.approx(0.5, abs=0.02), BLUE)
    assert one(editor, '.hints-colors legend').text == 'Colour of point 1'
    one(editor, '.hints-undo').click()
    first, unmoved = _points(editor, photograph)
    assert first[0] / width == pytest.approx(0.3, abs=0.01)
    assert unmoved == second
    _settle(editor)


def test_points_are_loaded_or_it_says_why_not(editor, photograph, tmp_path):
    def load(content: str) -> str:
        path = tmp_path / 'points.json'
        path.write_text(content)
        say = one(editor, '.hints-status')
        editor.execute_script('arguments[0].textContent = ""', say)
        one(editor, '.hints-load input').send_keys(str(path))
        wait(editor, lambda _: say.text)
        return say.text

    points = [[10, 20, '#8A5A3C'], [30.5, 40, BLUE]]
    assert load(json.dumps({'other.jpg': [], photograph.name: points})) == '2 points loaded'
    _settle(editor)
    assert _points(editor, photograph) == [[10, 20, '#8a5a3c'], [30.5, 40, BLUE]]
    for content, reason in (
        ('{', 'This is no file of points: it is not JSON.'),
        ('[1]', 'This is no file of points: it has no photographs by their names.'),
        ('{"a": [], "b": []}', f'This file has no points for {photograph.name}.'),
        (json.dumps({photograph.name: [[1, 2]]}), 'Point 1 is not of the form [x, y, "#rrggbb"].'),
        (json.dumps({photograph.name: [[1, 2, BLUE], [1, 99999, BLUE]]}), 'Point 2 is outside this photograph of'),
        (json.dumps({photograph.name: [[1, 2, BLUE]] * 10_000}), 'These are 10,000 points; 1,000 can be taken.'),
    ):
        assert load(content).startswith(reason)
        assert len(_markers(editor)) == 2  # as before
    assert load('{"scan.jpg": [[1, 2, "#102030"]]}') == '1 point loaded, which were saved for scan.jpg'
    _settle(editor)


def test_on_a_phone(browser, page, photograph):
    """At 320 pixels, by touch: nothing has to be scrolled sideways, and fingers find what they look for."""
    metrics = {'width': 320, 'height': 640, 'deviceScaleFactor': 2, 'mobile': True}
    page.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', metrics)
    page.execute_cdp_cmd('Emulation.setTouchEmulationEnabled', {'enabled': True})
    try:
        color(page, photograph)
        _tool(page, 'Correct colours').click()
        wait(page, lambda _: visible(page, 'dialog.hints'))
        _settle(page)
        where = 'return document.querySelector(".hints-surface").getBoundingClientRect().toJSON()'
        box = page.execute_script(where)
        point = {'x': box['x'] + box['width'] / 2, 'y': box['y'] + box['height'] / 2}
        page.execute_cdp_cmd('Input.dispatchTouchEvent', {'type': 'touchStart', 'touchPoints': [point]})
        page.execute_cdp_cmd('Input.dispatchTouchEvent', {'type': 'touchEnd', 'touchPoints': []})
        wait(page, lambda _: page.find_elements(By.CSS_SELECTOR, '.hints-swatch'))
        _settle(page)
        sizes = 'const d = document.querySelector("dialog.hints"); return [d.scrollWidth, d.clientWidth, innerWidth]'
        assert page.execute_script(sizes) == [320, 320, 320]
        assert box['width'] >= 200
        for element in visible(page, '.hints-bar > *, .hints-end > *, .hints-picker input, .hints-swatch span'):
            assert element.rect['height'] >= 44, element.get_attribute('class')
        one(page, '.hints-cancel').click()
    finally:
        page.execute_cdp_cmd('Emulation.setTouchEmulationEnabled', {'enabled': False})
        page.execute_cdp_cmd('Emulation.clearDeviceMetricsOverride', {})


def test_what_the_browser_cannot_show_is_corrected_once_it_is_in_color(page, tmp_path, hinted):
    scan = tmp_path / 'scan.tif'
    Image.linear_gradient('L').save(scan)
    choose(page, scan)
    wait(page, lambda _: visible(page, '.placeholder'))
    labels = [button.text for button in visible(page, '.actions button')]
    assert 'Correct colours' not in labels
    assert 'Other colourings' not in labels
    one(page, '#submit').click()
    wait(page, lambda _: visible(page, '.download'))
    _tool(page, 'Correct colours').click()
    wait(page, lambda _: visible(page, 'dialog.hints'))
    _click(page, 0.5, 0.5)
    _pick(page, BLUE)
    before = one(page, '.after').get_attribute('src')
    one(page, '.hints-done').click()
    wait(page, lambda _: one(page, '.after').get_attribute('src') != before and not visible(page, '.progress'))
    _assert_as_python(page, '.after', hinted[0], scan, (0.5, 0.5, BLUE))


def test_other_colourings(page, photograph, hinted):
    """One is chosen by keys, the whole photograph has it, and keeps it at another strength."""
    color(page, photograph)
    _tool(page, 'Other colourings').send_keys(Keys.ENTER)
    names = list(httpx.get(f'{hinted[1]}/v1/model').json()['variants'])
    strip = one(page, '.variants')
    assert 1 < len(names) <= 6
    assert [label.text for label in strip.find_elements(By.CSS_SELECTOR, '.variant')] == [n.capitalize() for n in names]
    assert photograph.name in one(strip, 'legend').get_property('textContent')
    wait(page, lambda _: len(strip.find_elements(By.CSS_SELECTOR, 'img[src]')) == len(names))
    first = page.switch_to.active_element
    assert (first.get_attribute('type'), first.is_selected(), first.accessible_name) == ('radio', True, 'Default')
    plain, before = _chroma(page, '.after'), one(page, '.after').get_attribute('src')
    radios = strip.find_elements(By.CSS_SELECTOR, 'input')
    first.send_keys(*[Keys.ARROW_RIGHT] * names.index('warm'))
    assert radios[names.index('warm')].is_selected()
    wait(page, lambda _: one(page, '.after').get_attribute('src') != before)
    warm = _chroma(page, '.after')
    assert warm[1] > plain[1] + 3
    assert page.switch_to.active_element == radios[names.index('warm')]

    before = one(page, '.after').get_attribute('src')
    one(page, '#saturation').send_keys(Keys.ARROW_LEFT)
    one(page, '#submit').click()
    wait(page, lambda _: one(page, '.after').get_attribute('src') != before)
    assert plain[1] < _chroma(page, '.after')[1] < warm[1]
    _tool(page, 'Other colourings').click()
    assert not page.find_elements(By.CSS_SELECTOR, '.variants')
    assert _tool(page, 'Other colourings').get_attribute('aria-expanded') == 'false'
    assert not page.get_log('browser')


def test_colours_in_words(page):
    named = page.execute_async_script(
        """
        const done = arguments[0];
        import('./color_name.js').then(({ colorName }) => done(
          ['#8a5a3c', '#ffffff', '#000000', '#808080', '#3c5a8a', '#a03020', '#87ceeb', '#506030'].map(colorName)));
        """
    )
    assert named == ['brown', 'white', 'black', 'grey', 'blue', 'red', 'light blue', 'dark green']


def test_a_model_that_takes_no_hints_is_asked_for_none(browser, server, photograph):
    browser.get('about:blank')
    browser.execute_cdp_cmd('Storage.clearDataForOrigin', {'origin': server.url, 'storageTypes': 'indexeddb'})
    browser.get(server.url)
    wait(browser, lambda _: one(browser, '#model').text)
    color(browser, photograph)
    labels = [button.text for button in visible(browser, '.actions button')]
    assert 'Correct colours' not in labels
    assert 'Other colourings' in labels
