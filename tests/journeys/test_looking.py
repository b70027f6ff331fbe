"""That those who look at our pages would see a fault: each is put before them once."""

import pytest
from playwright.sync_api import Page

from tests.journeys.browser import ON_SQLITE, in_a_browser
from tests.journeys.looking import Eyes, complaints_of, faults_of, faults_on_the_way_round
from tests.journeys.test_pages_in_a_browser import Site, site  # noqa: F401 - a fixture

pytestmark = in_a_browser
_PAGE = """<!doctype html><html lang=en><title>t</title>
<style>
  :focus-visible, input:focus-within {{ outline: 2px solid #00f }}
  button, input {{ min-width: 24px; min-height: 24px }}
</style>
<main><h1>t</h1>{}</main>"""
_HOLDS = "<button onkeydown='event.preventDefault()'>a</button><button>b</button>"


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("<img src='data:,'>", "critical image-alt"),
        ("<p style='color: #bbb'>pale</p>", "serious color-contrast"),
        ("<button style='padding: 0; min-width: 9px; min-height: 9px'>a</button>" * 2, "serious target-size"),
        ("<p style='width: 800px'>wide</p>", "wider than 390"),
    ],
)
def test_a_fault_is_seen(page: Page, body: str, fault: str) -> None:
    page.set_content(_PAGE.format(body))

    assert any(fault in each for each in faults_of(page))


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("<a href='#' style='outline: none'>a</a>", 'no focus to be seen at a "a"'),
        ("<a href='#' style='position: fixed; left: -9rem'>a</a>", 'no focus to be seen at a "a"'),
        (_HOLDS, "the tabulator comes to 1 of 2"),
        ("<button tabindex=-1>a</button><button>b</button>", "the tabulator comes to 1 of 2"),
    ],
)
def test_a_fault_is_met_by_the_tabulator(page: Page, body: str, fault: str) -> None:
    page.set_content(_PAGE.format(body))

    assert [each.partition(": ")[2] for each in faults_on_the_way_round(page)] == [fault]


def test_a_page_without_fault_has_none(page: Page) -> None:
    page.set_content(_PAGE.format("<p><a href='#'>a</a></p><button>b</button><input type=date aria-label=c>"))

    assert faults_of(page) + faults_on_the_way_round(page) == []


@ON_SQLITE
@pytest.mark.parametrize(
    "script",
    [
        "document.head.append(Object.assign(document.createElement('script'), {textContent: '1'}))",
        "document.body.append(Object.assign(document.createElement('img'), {src: 'https://www.example.jp/a.png'}))",
        "setTimeout(() => nobody.is.here)",
        "console.error('no')",
        "document.body.append(Object.assign(document.createElement('img'), {src: '/assets/none.svg'}))",
    ],
)
def test_what_the_browser_has_against_a_page_is_heard(
    site: Site,  # noqa: F811 - a fixture
    page: Page,
    script: str,
) -> None:
    complaints = complaints_of(page)
    page.goto(f"{site.url}/s/fred")
    assert complaints == []

    page.evaluate(f"() => {{ {script} }}")
    page.wait_for_timeout(300)

    assert len(complaints) == 1


@ON_SQLITE
def test_a_page_is_seen_in_both_languages(
    site: Site,  # noqa: F811 - a fixture
    page: Page,
) -> None:
    said: list[str] = []
    page.on("load", lambda seen: said.append(seen.locator("html").get_attribute("lang") or ""))

    Eyes(page, site.url).see("/s/fred/call")

    assert said == ["ja", "en"]
