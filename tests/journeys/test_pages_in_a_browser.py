"""The pages in a real browser: on a phone, without scripts, by keyboard alone, and over to the video provider."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import BrowserContext, Dialog, Page, expect

from models.booking import Booking, Status
from tests.journeys.browser import (
    ON_SQLITE,
    PHONE_SCREEN,
    SMALL_SCREEN,
    follow,
    in_a_browser,
    is_too_wide,
    served,
    tab_to,
)
from worker import bookings, codes, links
from worker.database import Database
from worker.embedded import free_port
from worker.links import LinkRole, token
from worker.settings import settings

pytestmark = in_a_browser


class Site(NamedTuple):
    """What the browser meets."""

    url: str
    video_url: str


class Room(BaseHTTPRequestHandler):
    """Every address of the video provider's server is a room."""

    def do_GET(self) -> None:
        body = b"<!doctype html><title>room</title>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def site(environment: pytest.MonkeyPatch, seeded: Database, time: Any) -> Iterator[Site]:
    """The app on a port, and a server that stands for the video provider's. The clock stands as `time` puts it."""
    port = free_port()
    rooms = ThreadingHTTPServer(("127.0.0.1", 0), Room)
    made = Site(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{rooms.server_port}")
    environment.setenv("PUBLIC_URL", made.url)
    environment.setenv("VIDEO_URL", made.video_url)
    settings.cache_clear()
    thread = Thread(target=rooms.serve_forever)
    thread.start()
    with served(port):
        yield made
    rooms.shutdown()
    thread.join()
    rooms.server_close()


def code_for(database: Database, page: Page) -> str:
    """Return the code that the customer would find on the phone."""
    with database.snapshot() as session:
        return codes.code(bookings.verification_of(session, session.get_one(Booking, booking_of(page).id)))


def booking_of(page: Page) -> Booking:
    """Return the booking whose page is open."""
    from worker.database import database

    link = links.read(re.split(r"[/?#]", page.url)[4])
    assert link
    with database().snapshot() as session:
        return session.get_one(Booking, link.booking_id)


def book(page: Page, site: Site, seeded: Database) -> None:
    """Book FRED's first time of next week and stop at the page that says so."""
    page.goto(f"{site.url}/s/fred?from=2030-06-10")
    page.locator(".times a").first.click()
    page.get_by_label("Mobile number", exact=True).fill("090-0000-0012")
    page.get_by_role("button", name="Send me a code").click()
    page.get_by_label("Six-digit code").fill(code_for(seeded, page))
    page.get_by_role("button", name="Complete booking").click()


def test_a_customer_books_changes_and_cancels_without_scripts(
    site: Site, seeded: Database, open_context: Callable[..., BrowserContext]
) -> None:
    page = open_context(viewport=PHONE_SCREEN, java_script_enabled=False, locale="ja-JP").new_page()

    page.goto(f"{site.url}/s/vicky")
    page.get_by_role("link", name="次の週").click()
    page.get_by_role("link", name="2030年6月11日(火)").first.click()
    page.get_by_role("link", name="2030年6月11日(火)14:30").click()
    page.get_by_label("Eメール", exact=True).check()
    page.get_by_label("メールアドレス").fill("hanako@example.jp")
    page.get_by_label("ご相談内容").fill("赤いワンピース")
    page.get_by_role("button", name="認証コードを送る").click()
    code = code_for(seeded, page)
    page.get_by_label("認証コード(6桁)").fill(f"{(int(code) + 1) % 1_000_000:06}")
    page.get_by_role("button", name="予約を完了する").click()
    expect(page.get_by_role("alert")).to_contain_text("認証コードが違います")
    page.get_by_label("認証コード(6桁)").fill(code)
    page.get_by_role("button", name="予約を完了する").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("ご予約が完了しました")

    page.get_by_role("link", name="日時を変更する").click()
    page.get_by_role("link", name="次の週").click()
    page.get_by_role("link", name="2030年6月12日(水)").first.click()
    page.get_by_role("link", name="2030年6月12日(水)15:00").click()
    page.get_by_role("button", name="この内容で変更する").click()
    expect(page.get_by_text("2030年6月12日(水)15:00").first).to_be_visible()

    page.get_by_role("link", name="キャンセルする").click()
    page.get_by_role("button", name="キャンセルを確定する").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("ご予約はキャンセルされました")
    assert booking_of(page).status is Status.CANCELLED


@ON_SQLITE
def test_the_whole_way_can_be_gone_by_keyboard_alone(site: Site, seeded: Database, page: Page) -> None:
    page.goto(f"{site.url}/s/fred?from=2030-06-10")
    follow(page, ".times a")
    tab_to(page, "#channel-sms")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    tab_to(page, "#phone")
    page.keyboard.type("12")
    follow(page, "button.primary")
    # The summary of what is wrong has the focus; its link leads to the field.
    expect(page.get_by_role("alert")).to_be_focused()
    tab_to(page, ".notice a")
    page.keyboard.press("Enter")
    page.keyboard.press("Control+A")
    page.keyboard.type("09000000012")
    follow(page, "button.primary")
    expect(page.get_by_label("Six-digit code")).to_be_focused()
    page.keyboard.type(code_for(seeded, page))
    with page.expect_navigation():
        page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("Your booking is complete")


def test_a_press_inside_the_window_hands_over_to_the_video_provider(
    site: Site, seeded: Database, time: Any, page: Page
) -> None:
    book(page, site, seeded)
    booking = booking_of(page)
    page.locator("dd a[href*='/c/']").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your video call has not opened yet")

    time.move_to(booking.entry_opens_at)
    page.get_by_role("link", name="Reload this page").click()
    page.get_by_role("button", name="Enter the call").click()

    page.wait_for_url(re.compile(re.escape(site.video_url)))
    assert page.title() == "room"


@ON_SQLITE
def test_only_the_field_of_the_chosen_way_is_shown(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/s/fred?from=2030-06-10")
    page.locator(".times a").first.click()

    page.get_by_label("E-mail", exact=True).check()

    expect(page.get_by_label("E-mail address")).to_be_visible()
    expect(page.get_by_label("Mobile number", exact=True)).to_be_hidden()


@ON_SQLITE
def test_a_message_in_a_name_stays_text(site: Site, seeded: Database, page: Page) -> None:
    dialogs: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)
    page.goto(f"{site.url}/s/fred?from=2030-06-10")
    page.locator(".times a").first.click()
    page.get_by_label("Mobile number", exact=True).fill("090-0000-0012")
    page.get_by_label("Name").fill("<script>alert(1)</script>")
    page.get_by_role("button", name="Send me a code").click()
    page.get_by_label("Six-digit code").fill(code_for(seeded, page))
    page.get_by_role("button", name="Complete booking").click()

    expect(page.get_by_text("<script>alert(1)</script>")).to_be_visible()
    assert dialogs == []


@ON_SQLITE
def test_no_page_is_wider_than_a_small_phone_or_breaks_its_own_policy(
    site: Site, seeded: Database, open_context: Callable[..., BrowserContext]
) -> None:
    page = open_context(viewport=SMALL_SCREEN).new_page()
    complaints: list[str] = []
    book(page, site, seeded)
    id_ = booking_of(page).id
    booking_page = f"/b/{token(LinkRole.BOOKING_PAGE, id_)}"
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)

    wide = []
    for address in (
        "/s/queens-court",
        "/s/fred/book?start=2030-06-11T05:00:00Z",
        f"/v/{token(LinkRole.CODE_PAGE, id_)}",
        f"{booking_page}?done=1",
        f"{booking_page}/change",
        f"{booking_page}/change?start=2030-06-11T05:00:00Z",
        f"{booking_page}/cancel",
        f"/c/{token(LinkRole.CUSTOMER_CALL, id_, 1)}",
        "/device-check",
    ):
        for language in ("ja", "en"):
            page.goto(f"{site.url}{address}{'&' if '?' in address else '?'}lang={language}")
            if is_too_wide(page):
                wide.append(page.url)

    assert (wide, complaints) == ([], [])


@ON_SQLITE
def test_the_device_check_finds_camera_and_microphone(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/device-check")

    page.get_by_role("button", name="Try camera and microphone").click()

    expect(page.get_by_role("status")).to_have_text("Camera and microphone work.")


@ON_SQLITE
def test_the_device_check_says_what_is_missing_without_scripts(
    site: Site, open_context: Callable[..., BrowserContext]
) -> None:
    page = open_context(java_script_enabled=False).new_page()

    page.goto(f"{site.url}/device-check")

    expect(page.get_by_text("This check needs JavaScript.")).to_be_visible()
    expect(page.get_by_role("button")).to_have_count(0)


@ON_SQLITE
def test_after_the_deadline_the_page_names_the_contact_and_no_button(
    site: Site, seeded: Database, time: Any, page: Page
) -> None:
    book(page, site, seeded)
    booking = booking_of(page)

    time.move_to(booking.change_deadline_at)
    page.reload()

    expect(page.get_by_role("main").get_by_role("link", name="Contact form")).to_be_visible()
    expect(page.get_by_role("link", name="Cancel the booking")).to_have_count(0)
    assert booking.change_deadline_at > datetime(2030, 6, 3, tzinfo=UTC)
