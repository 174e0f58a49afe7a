"""The page in a browser: what tests of it look for, and wait for."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

CHROMIUM, DRIVER = shutil.which('chromium'), shutil.which('chromedriver')


@contextlib.contextmanager
def chrome(downloads: Path, *switches: str) -> Iterator[webdriver.Chrome]:
    """Yields a browser without a window, whose log is kept; it downloads to a folder, which it has as `downloads`."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    ours = ('--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage')
    for switch in (*ours, *switches):
        options.add_argument(switch)
    options.add_experimental_option('prefs', {'download.default_directory': str(downloads)})
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    browser = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    resize(browser, 1280, 900)
    browser.downloads = downloads
    yield browser
    browser.quit()


def resize(browser: webdriver.Chrome, width: int, height: int) -> None:
    """Give the page so many pixels, scroll bar included; the window's frame, of newer versions, comes on top."""
    browser.set_window_size(width, height)
    browser.set_window_size(width, height + browser.execute_script('return outerHeight - innerHeight'))


def open_anew(browser: webdriver.Chrome, url: str) -> webdriver.Chrome:
    """The page as it opens, with nothing kept from before."""
    browser.get('about:blank')
    browser.execute_cdp_cmd('Storage.clearDataForOrigin', {'origin': url, 'storageTypes': 'indexeddb,local_storage'})
    browser.get(url)
    wait(browser, lambda _: one(browser, '#model').text)  # its script has run, which `get` does not always wait for
    browser.get_log('browser')  # what other tests have left
    return browser


def one(page: webdriver.Chrome | WebElement, selector: str) -> WebElement:
    """The first element of a CSS selector."""
    return page.find_element(By.CSS_SELECTOR, selector)


def visible(page: webdriver.Chrome, selector: str) -> list[WebElement]:
    """The elements of a CSS selector that can be seen, all looked at in one moment: the page goes on meanwhile."""
    return page.execute_script(
        """
        return [...document.querySelectorAll(arguments[0])].filter((element) =>
          element.checkVisibility({ opacityProperty: true, visibilityProperty: true })
          && element.getBoundingClientRect().width > 0);
        """,
        selector,
    )


def wait(page: webdriver.Chrome, ready: Callable[[webdriver.Chrome], object]) -> None:
    """Wait until something is so; what the page replaces while it is looked at is looked for again."""
    WebDriverWait(page, 60, poll_frequency=0.1, ignored_exceptions=[StaleElementReferenceException]).until(ready)


def choose(page: webdriver.Chrome, *paths: Path) -> None:
    """Choose files."""
    one(page, '#files').send_keys('\n'.join(map(str, paths)))


def downloaded(page: webdriver.Chrome, name: str) -> Path:
    """Wait for a download, and return its file: it is empty at first, while its content is in another."""
    path = page.downloads / name
    wait(page, lambda _: path.exists() and path.stat().st_size)
    return path


def color(page: webdriver.Chrome, *paths: Path) -> None:
    """Choose files, press the button, and wait until as many more are in colour."""
    count = len(visible(page, '.download')) + len(paths)
    choose(page, *paths)
    one(page, '#submit').click()
    wait(page, lambda _: len(visible(page, '.download')) == count)


def focus(page: webdriver.Chrome) -> str:
    """What has the focus: its id, else its class, else the name of its tag."""
    element = page.switch_to.active_element
    name = element.get_attribute('id') or (element.get_attribute('class') or '').split(' ')[0]
    return name or element.tag_name
