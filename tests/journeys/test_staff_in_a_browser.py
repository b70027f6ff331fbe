"""A booked call and a call at once in real browsers: the customer's page and the staff page, beside the rooms."""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from models.booking import Side
from models.staff import PresenceState
from tests.conftest import StoppedTime
from tests.journeys.browser import ON_SQLITE, in_a_browser, opened_beside
from tests.journeys.looking import Eyes, breaks_rules
from tests.journeys.test_pages_in_a_browser import Site, site  # noqa: F401 - a fixture
from tests.worker.desk import SLOT, Desk
from tests.worker.floor import OPEN, Floor
from worker import links
from worker.database import Database
from worker.in_call import entering
from worker.links import LinkRole, token
from worker.video import RoomUnavailable
from worker.video.jitsi import Jitsi

pytestmark = [in_a_browser, ON_SQLITE]

SHOP = "queens-court"


@pytest.fixture
def desk(seeded: Database, time: StoppedTime) -> Desk:
    Floor(seeded).hire("hana")
    return Desk(seeded)


@pytest.fixture
def booked(desk: Desk, time: StoppedTime) -> UUID:
    """A booked call that begins now."""
    booking_id = desk.confirm(name="山田花子", memo="赤いワンピース")
    time.move_to(SLOT)
    return booking_id


@pytest.fixture
def staff_page(site: Site, desk: Desk, open_context: Callable[..., BrowserContext]) -> Page:  # noqa: F811 - a fixture
    """Hana's page, opened by her link."""
    page = open_context().new_page()
    page.goto(f"{site.url}/staff/{links.staff_token(SHOP, 'hana', 0)}")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("heading", level=2, name="Today's bookings")).to_be_visible()
    return page


def come(desk: Desk, booking_id: UUID, side: Side) -> None:
    """Let one side enter a booked call, wherever it is."""
    with desk.locked(booking_id) as (session, booking):
        entering.enter(session, booking, side, now=SLOT)


def opened_by(page: Page, button: str) -> Page:
    """Press a button and return the page that it opens beside this one."""
    return opened_beside(page, page.get_by_role("button", name=button).click)


def test_a_customers_page_that_is_closed_has_left_and_one_that_is_reloaded_has_not(
    site: Site,  # noqa: F811 - a fixture
    desk: Desk,
    booked: UUID,
    page: Page,
    until: Callable[..., Any],
) -> None:
    page.goto(f"{site.url}/c/{token(LinkRole.CUSTOMER_CALL, booked, 1)}?lang=en")
    opened_by(page, "Enter the call")
    come(desk, booked, Side.STAFF)
    expect(page.get_by_text("The call is on")).to_be_visible()

    page.reload()
    until(lambda: desk.trail(booked).count("left") == 1, "the page had told that it went")
    until(lambda: desk.booking(booked).is_there(Side.CUSTOMER), "the page had taken it back")

    page.close(run_before_unload=True)
    until(lambda: not desk.booking(booked).is_there(Side.CUSTOMER), "the page had told that it was closed")


def test_a_tab_that_only_looks_or_that_becomes_the_room_itself_leaves_nothing(
    site: Site,  # noqa: F811 - a fixture
    desk: Desk,
    booked: UUID,
    page: Page,
) -> None:
    for side in Side:
        come(desk, booked, side)
    page.goto(f"{site.url}/c/{token(LinkRole.CUSTOMER_CALL, booked, 1)}?lang=en")
    page.reload()

    # Browsers within apps have one tab: what opens beside a page elsewhere takes its place there.
    page.evaluate("document.querySelector('form.room').target = ''")
    page.get_by_role("button", name="Back to the call").click()
    expect(page).to_have_title("room")

    assert "left" not in desk.trail(booked)
    assert desk.booking(booked).is_there(Side.CUSTOMER)


def test_a_press_that_led_to_no_room_is_not_pressed_again_by_its_page(
    site: Site,  # noqa: F811 - a fixture
    desk: Desk,
    booked: UUID,
    page: Page,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is shown anew when the other side comes, which is no press (B17)."""
    tries: list[object] = []

    def have_no_room(*_: object, **__: object) -> None:
        tries.append(None)
        raise RoomUnavailable("unavailable")

    monkeypatch.setattr(Jitsi, "open_room", have_no_room)
    page.goto(f"{site.url}/c/{token(LinkRole.CUSTOMER_CALL, booked, 1)}?lang=en")
    answer = opened_by(page, "Enter the call")
    expect(answer.get_by_role("alert")).to_be_visible()

    come(desk, booked, Side.STAFF)
    answer.evaluate("ask()")

    expect(answer.get_by_role("alert")).to_have_count(0)
    assert len(tries) == 1
    assert not desk.booking(booked).is_there(Side.CUSTOMER)


def test_a_staff_page_outlives_a_moment_without_network_or_server(
    desk: Desk, time: StoppedTime, staff_page: Page
) -> None:
    """Clause B7: whoever is there, and has not said otherwise, stays available."""
    floor, failures = Floor(desk.database), iter([503, 503])
    time.move_to(OPEN)
    staff_page.get_by_role("button", name="Become available").click()
    expect(staff_page.get_by_text("You are available.")).to_be_visible()

    def fail_twice(route: Route) -> None:
        status = next(failures, None)
        route.fulfill(status=status, body="away") if status else route.continue_()

    staff_page.route(re.compile(r"/staff$"), fail_twice)
    staff_page.context.set_offline(True)
    time.advance(minutes=1)
    staff_page.wait_for_event("requestfailed")
    with staff_page.expect_response("**/do/presence"):
        staff_page.context.set_offline(False)

    assert floor.presence_of("hana").stands_at(time.at) is PresenceState.IDLE
    floor.ask(time.at)
    expect(staff_page.get_by_role("button", name="Answer")).to_be_visible()
    assert next(failures, None) is None


def test_a_device_that_slept_makes_nobody_available(desk: Desk, time: StoppedTime, staff_page: Page) -> None:
    """Clause B7."""
    staff_page.get_by_role("button", name="Become available").click()
    expect(staff_page.get_by_text("You are available.")).to_be_visible()

    staff_page.evaluate("now = Date.now; Date.now = () => now() + 60_000")
    time.advance(minutes=1)

    expect(staff_page.get_by_text("This device was asleep")).to_be_visible()
    assert Floor(desk.database).presence_of("hana").stands_at(time.at) is not PresenceState.IDLE


def test_a_page_that_is_loaded_anew_asks_for_a_press_before_it_can_be_heard(desk: Desk, staff_page: Page) -> None:
    staff_page.get_by_role("button", name="Become available").click()
    expect(staff_page.get_by_text("You are available.")).to_be_visible()
    staff_page.reload()
    wanting = staff_page.get_by_text("This page makes no sound yet")
    expect(wanting).to_be_visible()
    assert breaks_rules(staff_page) == []

    staff_page.get_by_role("heading", level=1).click()

    expect(wanting).to_be_hidden()


def test_the_staff_page_does_without_scripts(
    site: Site,  # noqa: F811 - a fixture
    desk: Desk,
    booked: UUID,
    open_context: Callable[..., BrowserContext],
) -> None:
    page = open_context(java_script_enabled=False).new_page()
    page.goto(f"{site.url}/staff/{links.staff_token(SHOP, 'hana', 0)}")
    page.get_by_role("button", name="Open").click()

    page.get_by_role("button", name="Enter the call").click()

    page.wait_for_url(re.compile(re.escape(site.video_url)))
    assert desk.booking(booked).staff_id == "hana"


def test_every_staff_page_serves_every_reader(
    site: Site,  # noqa: F811 - a fixture
    desk: Desk,
    booked: UUID,
    time: StoppedTime,
    staff_page: Page,
) -> None:
    floor, eyes = Floor(desk.database), Eyes(staff_page, site.url)
    report = f"/staff/report?booking={booked}"
    eyes.see(f"/staff/{links.staff_token(SHOP, 'hana', 0)}", "/staff", report)
    eyes.see(report, press="button.primary", write={"#text": " "})

    floor.hire("yuki")
    floor.beat("hana", "yuki", at=time.at)
    rings = floor.ask(
        time.at, name="山田花子", memo="赤いワンピース\n青い靴", source_url=f"https://www.example.jp/{'x' * 300}"
    )
    eyes.see("/staff")
    floor.accept(rings.id, "hana", at=time.at)
    eyes.see("/staff", f"/staff/report?call={rings.id}")
    floor.hang_up(rings.id, at=time.at)
    eyes.see("/staff")

    assert eyes.faults == []
