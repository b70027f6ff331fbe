"""A call at once as its caller sees it, in a real browser: with a script and without, by keyboard, on small screens."""

import re
from collections.abc import Callable
from uuid import UUID

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy.exc import OperationalError

from models.booking import Side
from tests.conftest import StoppedTime
from tests.journeys.browser import ON_SQLITE, PHONE_SCREEN, in_a_browser
from tests.journeys.looking import Eyes, breaks_rules
from tests.journeys.test_pages_in_a_browser import Site, site  # noqa: F401 - a fixture
from tests.worker.floor import NIGHT, OPEN, SHOP, Floor
from worker import links
from worker.database import Database
from worker.in_call import entering

pytestmark = [in_a_browser, ON_SQLITE]


@pytest.fixture
def floor(seeded: Database, time: StoppedTime) -> Floor:
    time.move_to(OPEN)
    floor = Floor(seeded)
    floor.staff("hana")
    return floor


def call_of(page: Page) -> UUID:
    """Return the call whose page is open."""
    link = links.read(re.split(r"[/?#]", page.url)[4])
    assert link is not None
    return link.subject_id


def test_a_call_goes_without_scripts(
    site: Site,  # noqa: F811 - a fixture
    floor: Floor,
    open_context: Callable[..., BrowserContext],
) -> None:
    page = open_context(viewport=PHONE_SCREEN, java_script_enabled=False, locale="ja-JP").new_page()
    page.goto(f"{site.url}/s/{SHOP}")
    page.get_by_role("link", name="今すぐビデオ通話で相談").click()
    page.get_by_role("button", name="開始").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("呼び出し中")
    call_id = call_of(page)

    floor.accept(call_id, "hana")
    expect(page.get_by_role("heading", level=1)).to_have_text("コンシェルジュが応答しました", timeout=15_000)
    page.get_by_role("button", name="通話に入る").click()

    expect(page).to_have_title("room")
    assert floor.call(call_id).entered_at(Side.CUSTOMER) is not None


def test_an_open_page_tells_of_itself(
    site: Site,  # noqa: F811 - a fixture
    floor: Floor,
    page: Page,
) -> None:
    page.goto(f"{site.url}/s/{SHOP}/call")
    with page.expect_response("**/seen"):
        page.get_by_role("button", name="Start").click()

    assert floor.call(call_of(page)).caller_seen_at == OPEN


def test_a_page_outlives_a_server_that_is_away_for_a_moment(
    site: Site,  # noqa: F811 - a fixture
    floor: Floor,
    page: Page,
) -> None:
    page.goto(f"{site.url}/s/{SHOP}/call")
    page.get_by_role("button", name="Start").click()
    expect(page).to_have_title(re.compile("Calling"))
    page.route(re.compile(r"/n/[^/]+$"), lambda route: route.fulfill(status=503, body="away"), times=1)

    floor.accept(call_of(page), "hana")

    expect(page.get_by_role("button", name="Enter")).to_be_visible(timeout=15_000)


def test_a_page_that_could_not_be_shown_is_shown_as_soon_as_it_can_be(
    site: Site,  # noqa: F811 - a fixture
    floor: Floor,
    page: Page,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page.clock.install()
    with monkeypatch.context() as away:
        away.setattr(Database, "snapshot", lambda _: (_ for _ in ()).throw(OperationalError("", {}, Exception())))
        page.goto(f"{site.url}/s/{SHOP}/call")
        expect(page.get_by_role("heading", level=1)).to_have_text("One moment, please")
        assert breaks_rules(page) == []

    page.clock.fast_forward(8000)

    expect(page.get_by_role("button", name="Start")).to_be_visible()


def test_every_page_of_a_call_serves_every_reader(
    site: Site,  # noqa: F811 - a fixture
    floor: Floor,
    time: StoppedTime,
    page: Page,
) -> None:
    eyes = Eyes(page, site.url)
    choice = f"/s/{SHOP}/call"
    floor.hire("yuki")
    floor.beat("yuki")
    eyes.see(choice)
    eyes.see(choice, press="button.primary", write={"#phone": "12"})

    ringing, answered = floor.ask(), floor.ask()
    waits, talks = (links.caller_page_url(call.id)[len(site.url) :] for call in (ringing, answered))
    enters, entered = (links.call_now_url(answered.id, side)[len(site.url) :] for side in (Side.CUSTOMER, Side.STAFF))
    eyes.see(choice, waits, enters)
    floor.accept(answered.id, "yuki")
    eyes.see(talks, enters)
    with floor.the(answered.id) as (session, call):
        entering.enter_at_once(session, call, Side.CUSTOMER, now=time.at)
        entering.enter_at_once(session, call, Side.STAFF, now=time.at)
    time.advance(minutes=1)
    eyes.see(talks, enters, entered)
    floor.hang_up(ringing.id)
    floor.hang_up(answered.id)
    eyes.see(waits, talks, enters)
    time.move_to(NIGHT)
    eyes.see(choice)

    assert eyes.faults == []
