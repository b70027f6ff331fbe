"""A call at once and a booked call, from the shop page to the end, by customers and staff who have only a keyboard.

Each page on the way is looked at: axe has nothing against it, it is no wider than its screen, the focus is always seen.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from playwright.sync_api import BrowserContext, ViewportSize, expect

from models.booking import Booking, Side, Status
from models.call import EndReason
from models.call import Status as CallStatus
from tests.conftest import StoppedTime
from tests.journeys.browser import DESKTOP_SCREEN, ON_SQLITE, PHONE_SCREEN, in_a_browser
from tests.journeys.looking import Hands
from tests.journeys.test_pages_in_a_browser import Site, booking_of, code_for, site  # noqa: F401 - a fixture
from tests.worker.floor import OPEN, SHOP, Floor
from worker import links
from worker.database import Database

pytestmark = [
    in_a_browser,
    ON_SQLITE,
    # On the other two of the four `Eyes` see page by page, in the files beside this one.
    pytest.mark.parametrize(
        ("language", "screen"), [("ja", PHONE_SCREEN), ("en", DESKTOP_SCREEN)], ids=["ja-phone", "en-desktop"]
    ),
]


@dataclass
class Both:
    """The two sides of a call, each in a browser of its own."""

    customer: Hands
    staff: Hands
    url: str

    def faults(self) -> list[str]:
        """Return what either met."""
        return self.customer.faults + self.staff.faults

    def come_in(self) -> None:
        """Let Hana open her page by her link."""
        self.staff.page.goto(f"{self.url}/staff/{links.staff_token(SHOP, 'hana', 0)}")
        self.staff.at("staff.title")
        self.staff.press("button", "staff.come_in")
        self.staff.told("staff.presence")


@pytest.fixture
def floor(seeded: Database, time: StoppedTime) -> Floor:
    floor = Floor(seeded)
    floor.hire("hana")
    return floor


@pytest.fixture
def both(
    site: Site,  # noqa: F811 - a fixture
    floor: Floor,
    open_context: Callable[..., BrowserContext],
    language: str,
    screen: ViewportSize,
) -> Both:
    locale = {"ja": "ja-JP", "en": "en-GB"}[language]
    customer, staff = (Hands(open_context(locale=locale, viewport=screen).new_page(), language) for _ in range(2))
    return Both(customer, staff, site.url)


def book(customer: Hands, floor: Floor, url: str) -> Booking:
    """Book the first time of next week, with a slip on the way, and go on to the call's page, which is not open yet."""
    customer.page.goto(f"{url}/s/{SHOP}")
    customer.at("shop.title")
    customer.press("link", "calendar.later")
    customer.at("shop.title")
    customer.reach(customer.page.locator(".times a").first)
    customer.page.keyboard.press("Enter")

    customer.at("book.title")
    customer.reach(customer.page.get_by_role("radio", name=customer.says("book.sms")))
    customer.page.keyboard.press("ArrowDown")
    customer.look()
    customer.page.keyboard.press("ArrowUp")
    customer.write("book.phone", "12")
    customer.write("book.memo", "赤いワンピース")
    customer.press("button", "book.send")
    # The summary of what is wrong has the focus; its link leads to the field.
    expect(customer.page.get_by_role("alert")).to_be_focused()
    customer.look()
    customer.reach(customer.page.locator(".notice a"))
    customer.page.keyboard.press("Enter")
    customer.page.keyboard.press("Control+A")
    customer.page.keyboard.type("09000000012")
    customer.page.keyboard.press("Enter")

    customer.at("code.title")
    expect(customer.page.get_by_role("textbox", name=customer.says("code.label"))).to_be_focused()
    customer.page.keyboard.type(code_for(floor.database, customer.page))
    customer.page.keyboard.press("Enter")
    customer.at("booking.done")
    booking = booking_of(customer.page)
    customer.reach(customer.page.locator("dd a[href*='/c/']"))
    customer.page.keyboard.press("Enter")
    customer.at("call.early")
    return booking


def test_a_call_at_once(both: Both, floor: Floor, time: StoppedTime) -> None:
    customer, staff = both.customer, both.staff
    time.move_to(OPEN)
    both.come_in()
    staff.press("button", "staff.go_idle")
    staff.told("staff.is_idle")
    # Whoever pressed a button is where they were, though the page was shown anew.
    expect(staff.page.get_by_role("button", name=staff.says("staff.go_away"))).to_be_focused()

    customer.page.goto(f"{both.url}/s/{SHOP}")
    customer.at("shop.title")
    customer.press("link", "shop.consult")
    customer.at("call_now.title")
    customer.reach(customer.page.locator("summary"))
    customer.page.keyboard.press("Space")
    customer.look()
    customer.write("book.memo", "赤いワンピース")
    customer.press("button", "call_now.start")
    customer.at("calling.ringing")

    expect(staff.page.get_by_role("alert")).to_have_text(staff.says("staff.rings"))
    expect(staff.page).to_have_title(f"● {staff.says('staff.rings')}")
    staff.look()
    [call] = floor.calls()
    expect(staff.press_beside("staff.answer")).to_have_title("room")
    staff.told("staff.current")
    # The button is gone with the ringing: its reader is at the heading that it was under.
    expect(staff.page.get_by_role("heading", name=staff.says("staff.ringing"))).to_be_focused()
    customer.at("calling.connected")
    expect(customer.press_beside("calling.enter")).to_have_title("room")
    customer.told("calling.inside")
    assert floor.call(call.id).status is CallStatus.CONNECTED

    # Whoever goes to another page has left, until they come back.
    customer.press("link", "base.device_check")
    customer.at("device.title")
    customer.press("button", "device.start")
    customer.told("device.good")
    assert floor.call(call.id).customer_left_at is not None
    customer.page.go_back()
    customer.told("calling.inside")

    staff.press("button", "staff.end")
    staff.told("staff.answered")
    customer.at("calling.ended")
    assert floor.call(call.id).end_reason is EndReason.STAFF_ENDED
    assert both.faults() == []


def test_a_call_at_once_that_its_caller_gives_up(both: Both, floor: Floor, time: StoppedTime) -> None:
    customer = both.customer
    time.move_to(OPEN)
    floor.beat("hana")
    customer.page.goto(f"{both.url}/s/{SHOP}/call")
    customer.press("button", "call_now.start")
    customer.at("calling.ringing")

    customer.press("button", "calling.hang_up")

    customer.at("calling.abandoned")
    [call] = floor.calls()
    assert call.status is CallStatus.ABANDONED
    customer.press("link", "call_now.book")
    customer.at("shop.title")
    assert both.faults() == []


def test_a_booked_call(both: Both, floor: Floor, time: StoppedTime) -> None:
    customer, staff = both.customer, both.staff
    booking = book(customer, floor, both.url)

    time.move_to(booking.entry_opens_at)
    customer.press("link", "call.reload")
    customer.at("call.open")
    expect(customer.press_beside("call.enter")).to_have_title("room")
    customer.told("call.wait")
    both.come_in()
    staff.told("call.awaited_staff")
    customer.press("button", "call.leave")
    expect(customer.page.get_by_role("button", name=customer.says("call.leave"))).to_have_count(0)
    assert not floor.booking(booking.id).is_there(Side.CUSTOMER)

    # Neither page is loaded anew by its reader: both learn by themselves who waits.
    expect(staff.page.get_by_text(staff.says("call.awaited_staff"))).to_have_count(0)
    expect(staff.press_beside("staff.enter")).to_have_title("room")
    customer.told("call.awaited")
    expect(customer.press_beside("call.enter_again")).to_have_title("room")
    customer.told("call.in_call")
    staff.told("staff_state.in_call")
    assert floor.booking(booking.id).status is Status.IN_CALL

    staff.press("button", "staff.end")
    staff.told("staff_state.completed")
    customer.at("call.ended")
    assert floor.booking(booking.id).status is Status.COMPLETED
    assert both.faults() == []


def test_staff_tell_a_customer_who_does_not_come_and_report_one_who_misbehaves(
    both: Both, floor: Floor, time: StoppedTime
) -> None:
    staff = both.staff
    booking_id = floor.confirm(name="山田花子", memo="赤いワンピース")
    time.move_to(floor.booking(booking_id).starts_at)
    both.come_in()

    staff.press("button", "staff.nudge")
    staff.told("staff.done_nudged")
    # It is said once: not when the page is loaded anew.
    expect(staff.page).to_have_url(f"{both.url}/staff")
    staff.reach(staff.page.locator("a[href*='/staff/report']"))
    staff.page.keyboard.press("Enter")
    staff.at("staff.report")
    staff.reach(staff.page.get_by_role("combobox", name=staff.says("staff.category")))
    staff.page.keyboard.press("ArrowDown")
    staff.write("staff.what_happened", "shouting")
    staff.press("button", "staff.send_report")

    staff.told("staff.done_reported")
    assert both.faults() == []
