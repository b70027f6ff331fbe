"""What is wrong with a page for whoever sees it on some screen, listens to it, or has nothing but a keyboard.

It knows no page of ours: it finds faults, each with the path on which it is, and leaves it to tests to want none.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it has no stubs
from playwright.sync_api import Locator, Page, ViewportSize, expect

from api.pages.reader import Reader
from tests.journeys.browser import (
    DESKTOP_SCREEN,
    MOST_TABS,
    PHONE_SCREEN,
    SMALL_SCREEN,
    is_too_wide,
    opened_beside,
)

_AXE = Axe()
# All rules that axe has by default, of whatever weight, and one of WCAG 2.2 that it has not.
_RULES = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
_SECRET = re.compile(r"[\w-]{30,}")

# An outline of two pixels that is on the screen, about something that has a size (WCAG 2.4.7 and 2.4.13).
_FOCUS = """
function unseen() {
  const at = document.activeElement, style = getComputedStyle(at), box = at.getBoundingClientRect();
  const drawn = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 &&
    !/^rgba\\(.*, 0\\)$|^transparent$/.test(style.outlineColor);
  const shown = box.width > 4 && box.height > 4 && box.right > 0 && box.left < innerWidth &&
    box.bottom > 0 && box.top < innerHeight;
  return drawn && shown ? "" : `${at.tagName.toLowerCase()} "${at.textContent.trim().slice(0, 40)}"`;
}
"""
_STOPS = """() => {
  const groups = new Set();
  window.stops = [...document.querySelectorAll(
    "a[href], button, input, select, textarea, summary, [tabindex='0']"
  )].filter((each) => {
    if (each.disabled || each.type === "hidden" || !each.checkVisibility()) return false;
    if (each.type !== "radio") return true;
    const first = !groups.has(each.name);
    groups.add(each.name);
    return first;
  });
  // Chromium stops at each part of a date.
  return [stops.length, stops.filter((each) => each.type === "date").length * 3];
}"""
_STOP = f"""() => {{
  {_FOCUS}
  const at = document.activeElement;
  const place = stops.findIndex((each) => each === at || each.type === "radio" && each.name === at.name);
  return [place, at === document.body ? "" : unseen()];
}}"""
_THERE = f"""(element) => {{
  {_FOCUS}
  const at = document.activeElement;
  return [element === at, at === document.body ? "" : unseen()];
}}"""


def path_of(page: Page) -> str:
    """Return where a page is, without the tokens of this one run."""
    return _SECRET.sub("…", page.url.partition("://")[2].partition("/")[2])


def complaints_of(page: Page) -> list[str]:
    """Return a list that grows by what the browser has against a page: errors, refused loads, its own policy broken."""
    found: list[str] = []

    def say(what: str) -> None:
        found.append(f"{path_of(page)}: {what}")

    # A page that says no has its status; only what pages load by themselves must always be there.
    page.on(
        "console",
        lambda said: say(said.text) if said.type == "error" and "Failed to load resource" not in said.text else None,
    )
    page.on("pageerror", lambda error: say(str(error)))
    page.on(
        "response",
        lambda answer: (
            say(f"{answer.status} {_SECRET.sub('…', answer.url)}")
            if answer.status >= 400 and not answer.request.is_navigation_request()
            else None
        ),
    )
    return found


def breaks_rules(page: Page) -> list[str]:
    """Return the rules of axe that a page breaks, each with the first place at which it does."""
    broken: Sequence[dict[str, Any]] = _AXE.run(page, options=_RULES).response["violations"]
    return [f"{path_of(page)}: {each['impact']} {each['id']} at {each['nodes'][0]['target']}" for each in broken]


def faults_of(page: Page) -> list[str]:
    """Return what is wrong with a page as it is shown now, on the screen that it is shown on."""
    wide = [f"{path_of(page)}: wider than {page.evaluate('innerWidth')}"] if is_too_wide(page) else []
    return wide + breaks_rules(page)


def faults_on_the_way_round(page: Page) -> list[str]:
    """Go round a page by the tabulator; return what shows no focus, and what it does not come to.

    Whoever comes to everything was held nowhere: it goes round, so a trap leaves the rest out.
    """
    count, more = page.evaluate(_STOPS)
    reached, faults = set(), set()
    # Once more than there are: it may begin anywhere, and between the last and the first the page lets go.
    for _ in range(count + more + 2):
        page.keyboard.press("Tab")
        place, unseen = page.evaluate(_STOP)
        reached.add(place)
        if unseen:
            faults.add(f"no focus to be seen at {unseen}")
    if missed := set(range(count)) - reached:
        faults.add(f"the tabulator comes to {count - len(missed)} of {count}")
    return [f"{path_of(page)}: {fault}" for fault in sorted(faults)]


@dataclass
class Eyes:
    """They see a page in both languages and on every screen, go round it by the tabulator, and let axe listen to it."""

    page: Page
    url: str
    faults: list[str] = field(init=False)

    def __post_init__(self) -> None:
        """Hear from now on what the browser complains of."""
        self.faults = complaints_of(self.page)

    def see(self, *paths: str, press: str = "", write: Mapping[str, str] = MappingProxyType({})) -> None:
        """Look at the pages at some paths.

        Args:
            paths: with or without a query.
            press: names a button there by a selector; then what comes of it is looked at instead.
            write: by selector, what stands in fields before it is pressed.
        """
        for path in paths:
            for language in ("ja", "en"):
                self.page.goto(f"{self.url}{path}{'&' if '?' in path else '?'}lang={language}")
                if press:
                    self._send(press, write)
                self.look()

    def _send(self, button: str, write: Mapping[str, str]) -> None:
        for summary in self.page.locator("details:not([open]) > summary").all():
            summary.press("Enter")
        for field_, text in write.items():
            self.page.locator(field_).fill(text)
        with self.page.expect_navigation():
            self.page.locator(button).press("Enter")

    def look(self) -> None:
        """Look at the page that is open."""
        self._on(SMALL_SCREEN)
        if is_too_wide(self.page):
            self.faults.append(f"{path_of(self.page)}: wider than a small phone")
        self._on(PHONE_SCREEN)
        self.faults += faults_of(self.page)
        # A page has the same stops in either language.
        if self.page.locator("html[lang=ja]").count():
            self.faults += faults_on_the_way_round(self.page)
        self._on(DESKTOP_SCREEN)
        self.faults += faults_of(self.page)

    def _on(self, screen: ViewportSize) -> None:
        self.page.set_viewport_size(screen)


@dataclass
class Hands:
    """Somebody at a keyboard without a mouse, who reads one language. `faults` keeps what is wrong on their way."""

    page: Page
    language: str
    faults: list[str] = field(init=False)

    def __post_init__(self) -> None:
        """Hear from now on what the browser complains of."""
        self.faults = complaints_of(self.page)

    def says(self, key: str, **values: object) -> str:
        """Return our words in their language."""
        return str(Reader(self.language).says(key, **values))

    def at(self, key: str, **values: object) -> None:
        """Arrive at the page with this heading, and look at it."""
        expect(self.page.get_by_role("heading", level=1)).to_have_text(self.says(key, **values))
        self.look()

    def told(self, key: str, **values: object) -> None:
        """Wait until the page, by itself or after a press, says something; and look at it."""
        expect(self.page.get_by_role("main").get_by_text(self.says(key, **values), exact=True)).to_be_visible()
        self.look()

    def look(self) -> None:
        """Look at the page that is open."""
        self.faults += faults_of(self.page)

    def reach(self, target: Locator) -> None:
        """Press the tabulator until something has the focus, which is to be seen all the way."""
        for _ in range(MOST_TABS):
            there, unseen = target.evaluate(_THERE)
            if unseen:
                self.faults.append(f"{path_of(self.page)}: no focus to be seen at {unseen}")
            if there:
                return
            self.page.keyboard.press("Tab")
        pytest.fail(f"the keyboard does not reach {target}")

    def press(self, role: Any, key: str) -> None:
        """Reach a link, a button, a choice, and press it: by Enter what leads on, by the space bar all else."""
        self.reach(self.page.get_by_role("main").get_by_role(role, name=self.says(key), exact=role != "group"))
        self.page.keyboard.press("Enter" if role == "link" else "Space")

    def press_beside(self, key: str) -> Page:
        """Press a button that opens a room beside the page; return the room."""
        return opened_beside(self.page, lambda: self.press("button", key))

    def write(self, key: str, text: str) -> None:
        """Reach a field and write into it."""
        self.reach(self.page.get_by_role("main").get_by_role("textbox", name=self.says(key)))
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)
