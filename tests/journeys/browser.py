"""A real browser before our pages, and the app behind them on a port of its own."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from time import sleep
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright

from tests.one_app import one_app

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A camera that is always there, and somebody who always allows it.
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
PHONE_SCREEN: ViewportSize = {"width": 390, "height": 844}
DESKTOP_SCREEN: ViewportSize = {"width": 1280, "height": 900}
SMALL_SCREEN: ViewportSize = {"width": 320, "height": 640}
MOST_TABS = 80

# A machine that is busy shows late what it shows.
expect.set_options(timeout=30_000)
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what no database has a part in."""

in_a_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium is installed, so no page was seen in a browser: apt-get install chromium"
)


@contextmanager
def served(port: int) -> Iterator[None]:
    """Serve the app on a port. Without its lifespan it starts no relay: what it owes stays in the database."""
    server = uvicorn.Server(
        uvicorn.Config(one_app(), host="127.0.0.1", port=port, lifespan="off", log_config=None, access_log=False)
    )
    thread = Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            sleep(0.02)
        yield
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for all; each test opens a context of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_context(chromium: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Open contexts that are closed afterwards."""
    opened: list[BrowserContext] = []

    def opening(**options: Any) -> BrowserContext:
        opened.append(chromium.new_context(**{"locale": "en-GB", **options}))
        opened[-1].set_default_timeout(15_000)
        return opened[-1]

    yield opening
    for context in opened:
        context.close()


@pytest.fixture
def page(open_context: Callable[..., BrowserContext]) -> Page:
    """A page on a phone whose owner reads English."""
    return open_context(viewport=PHONE_SCREEN).new_page()


def opened_beside(page: Page, press: Callable[[], None]) -> Page:
    """Return the tab that a press opens before the page. A browser that is driven takes every tab of its for seen."""
    with page.context.expect_page() as opening:
        press()
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true })")
    return opening.value


def tab_to(page: Page, selector: str) -> None:
    """Press the tabulator until something has the focus."""
    for _ in range(MOST_TABS):
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"the keyboard does not reach {selector}")


def follow(page: Page, selector: str) -> None:
    """Reach a link or a button by keyboard and press it."""
    tab_to(page, selector)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def is_too_wide(page: Page) -> bool:
    """Whether one has to scroll sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))
