"""What becomes of results on the page: kept, forgotten, packed, copied, shared, cancelled."""

import base64
import io
import zipfile

import numpy as np
import pytest
from PIL import Image

pytest.importorskip('selenium')
from helpers.pages import choose, color, downloaded, focus, one, visible, wait
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

# Resolves to a picture's pixels, as PNG in base64; the security policy lets nothing be fetched but from the server.
PIXELS = """
const [picture, done] = [arguments[0], arguments[1]];
const image = new Image();
image.src = picture;
image.decode().then(() => {
  const canvas = Object.assign(document.createElement('canvas'), { width: image.width, height: image.height });
  canvas.getContext('2d').drawImage(image, 0, 0);
  done(canvas.toDataURL('image/png').split(',')[1]);
});
"""

COUNT = """
const done = arguments[arguments.length - 1];
import('./store.js').then(async (store) => done((await store.all()).length));
"""


def pixels(page, selector):
    address = one(page, selector).get_attribute('src')
    file = io.BytesIO(base64.b64decode(page.execute_async_script(PIXELS, address)))
    return np.asarray(Image.open(file).convert('RGB'))


def names(page):
    return [name.text for name in page.find_elements(By.CSS_SELECTOR, '.name')]


@pytest.fixture
def gradients(tmp_path):
    """Two pictures of one name, as of two folders, and a third."""
    paths = [tmp_path / 'a/scan.png', tmp_path / 'b/scan.png', tmp_path / 'other.png']
    for path, size in zip(paths, (32, 48, 64), strict=True):
        path.parent.mkdir(exist_ok=True)
        Image.linear_gradient('L').resize((size, size)).save(path)
    return paths


def test_results_are_there_after_a_reload_until_they_are_removed(page, gradients):
    color(page, *gradients)
    wait(page, lambda _: page.execute_async_script(COUNT) == 3)
    before = pixels(page, '.after')
    page.refresh()
    wait(page, lambda _: len(visible(page, '.download')) == 3)
    assert names(page) == ['scan.png', 'scan.png', 'other.png']
    np.testing.assert_array_equal(pixels(page, '.after'), before)
    assert one(page, '.note').text == 'In colour, 32 × 32 pixels'  # noqa: RUF001
    assert one(page, '#submit').text == 'All in colour'  # at the strength that it was coloured at
    one(page, '.remove').send_keys(Keys.ENTER)
    assert focus(page) == 'remove'  # of the next
    wait(page, lambda _: page.execute_async_script(COUNT) == 2)
    page.refresh()
    wait(page, lambda _: names(page) == ['scan.png', 'other.png'])


def test_forget_everything_forgets_it_in_every_tab(page, gradients, server):
    color(page, *gradients)
    first = page.current_window_handle
    wait(page, lambda _: page.execute_async_script(COUNT) == 3)
    page.switch_to.new_window('tab')
    try:
        page.get(server.url)
        wait(page, lambda _: len(names(page)) == 3)
        one(page, '#forget').click()
        page.switch_to.alert.dismiss()
        assert len(names(page)) == 3
        one(page, '#forget').click()
        assert page.switch_to.alert.text.startswith('Forget all 3 photographs and their results?')
        page.switch_to.alert.accept()
        wait(page, lambda _: one(page, '#status').text == 'Everything is forgotten')
        assert (names(page), focus(page)) == ([], 'files')
        assert page.execute_async_script(COUNT) == 0
    finally:
        page.close()
        page.switch_to.window(first)
    wait(page, lambda _: names(page) == [])


def test_says_so_where_the_browser_has_no_room(page, gradients, server):
    page.execute_cdp_cmd('Storage.overrideQuotaForOrigin', {'origin': server.url, 'quotaSize': 1})
    try:
        color(page, gradients[0])
        wait(page, lambda _: 'no room to keep' in one(page, '#kept').text)
    finally:
        page.execute_cdp_cmd('Storage.overrideQuotaForOrigin', {'origin': server.url})


def test_download_all_is_one_archive_with_a_name_for_each(page, gradients):
    color(page, *gradients)
    one(page, '#download-all').click()
    path = downloaded(page, 'in-colour.zip')
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ['scan-colour.png', 'scan-colour (2).png', 'other-colour.png']
        assert archive.testzip() is None  # every CRC
        sizes = [Image.open(archive.open(name)).size[0] for name in archive.namelist()]
    assert sizes == [32, 48, 64]
    path.unlink()


def test_an_archive_of_500_results(page):
    """Of 40 KB each, half of the names equal but for capitals; hardly any of it is on the page's heap."""
    archive, grown = page.execute_async_script("""
    const done = arguments[arguments.length - 1];
    import('./zip.js').then(async ({ zip }) => {
      const files = Array.from({ length: 500 }, (_, index) => ({
        name: `${index % 2 ? 'GRÜN' : 'grün'} ${index >> 1}.jpg`,
        blob: new Blob([new Uint8Array(40_000).fill(index % 251)]),
      }));
      const heap = () => { gc(); return performance.memory.usedJSHeapSize; };
      const before = heap();
      let most = before;
      const archive = await zip(files, (count) => { if (count % 100 === 0) most = Math.max(most, heap()); });
      const reader = new FileReader();
      reader.onload = () => done([reader.result.split(',')[1], most - before]);
      reader.readAsDataURL(archive);
    });""")
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(archive))) as file:
        assert file.testzip() is None
        assert len({name.lower() for name in file.namelist()}) == 500
        assert file.namelist()[:3] == ['grün 0.jpg', 'GRÜN 0 (2).jpg', 'grün 1.jpg']
        assert file.read('GRÜN 100 (2).jpg') == bytes([201]) * 40_000
    assert grown < 2e6


def test_more_than_an_archive_holds_is_refused_in_words(page):
    message = page.execute_async_script("""
    const done = arguments[arguments.length - 1];
    const blob = { size: 2 ** 31 };
    import('./zip.js').then(({ zip }) => zip([{ name: 'a', blob }, { name: 'b', blob }]))
      .catch((error) => done(error.message));
    """)
    assert message == 'They are more than a ZIP file holds (4 GB); download them one by one.'


def test_copy_puts_a_png_of_the_result_on_the_clipboard(page, photograph):
    page.execute_cdp_cmd('Browser.grantPermissions', {'permissions': ['clipboardReadWrite', 'clipboardSanitizedWrite']})
    color(page, photograph)
    one(page, '.copy').click()
    wait(page, lambda _: one(page, '.note').text.startswith('Copied. In colour, '))
    pasted = page.execute_async_script("""
    const done = arguments[arguments.length - 1];
    navigator.clipboard.read().then((items) => items[0].getType('image/png')).then((blob) => {
      const reader = new FileReader();
      reader.onload = () => done(reader.result.split(',')[1]);
      reader.readAsDataURL(blob);
    });""")
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(pasted))).convert('RGB'))
    np.testing.assert_array_equal(image, pixels(page, '.after'))


def test_share_hands_over_the_result_where_the_browser_can(browser, page, gradients, server):
    stub = """
    navigator.canShare = ({ files }) => files.every((file) => file.type === 'image/png');
    navigator.share = async ({ files, title }) => { window.shared = [files[0].name, files[0].size > 0, title]; };
    """
    script = browser.execute_cdp_cmd('Page.addScriptToEvaluateOnNewDocument', {'source': stub})
    try:
        page.refresh()
        color(page, gradients[2])
        one(page, '.share').click()
        wait(page, lambda _: page.execute_script('return window.shared') == ['other-colour.png', True, 'other.png'])
    finally:
        browser.execute_cdp_cmd('Page.removeScriptToEvaluateOnNewDocument', script)
    page.refresh()
    wait(page, lambda _: visible(page, '.download'))
    assert not one(page, '.share').is_displayed()  # this browser has nobody to share with


def test_cancel_ends_an_upload_and_it_can_be_coloured_again(page, photograph, gradients, server):
    choose(page, photograph, gradients[0])
    slow = {'offline': False, 'latency': 0, 'downloadThroughput': -1, 'uploadThroughput': 200}
    page.execute_cdp_cmd('Network.enable', {})
    page.execute_cdp_cmd('Network.emulateNetworkConditions', slow)
    try:
        one(page, '#submit').send_keys(Keys.ENTER)
        assert focus(page) == 'submit'
        wait(page, lambda _: one(page, '.note').text.startswith('Uploading'))
        assert one(page, '#cancel').text == 'Cancel 2'
        one(page, '.cancel').send_keys(Keys.ENTER)
        assert one(page, '.note').text.startswith('Cancelled. ')
        assert focus(page) == 'tool'  # `cancel` is no longer there
        one(page, '#cancel').send_keys(Keys.ENTER)
        assert not visible(page, '.progress')
        assert focus(page) == 'submit'
    finally:
        page.execute_cdp_cmd('Network.emulateNetworkConditions', slow | {'uploadThroughput': -1})
    server.wait_for(lambda: server.metric('jaxcolor_active') == 0)  # nothing is left of them there
    assert one(page, '#submit').text == 'Colour 2 photographs'
    one(page, '#submit').click()
    wait(page, lambda _: one(page, '#submit').text == 'All in colour')
    one(page, '#saturation').send_keys(Keys.ARROW_RIGHT)
    page.execute_cdp_cmd('Network.emulateNetworkConditions', slow)
    try:
        one(page, '#submit').click()
        one(page, '#cancel').click()
    finally:
        page.execute_cdp_cmd('Network.emulateNetworkConditions', slow | {'uploadThroughput': -1})
    assert len(visible(page, '.download')) == 2  # what was there is there still
    assert one(page, '#submit').text == 'Colour 2 photographs again'
