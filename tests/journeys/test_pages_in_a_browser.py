"""The pages in a real browser: on a phone, without scripts, by keyboard alone, and over to the video provider."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from threading import Thread
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import BrowserContext, Dialog, Page, expect

from models.booking import Booking, Side, Status
from models.suspension import Treatment
from tests.journeys.browser import (
    ON_SQLITE,
    PHONE_SCREEN,
    in_a_browser,
    served,
)
from tests.journeys.looking import Eyes
from tests.worker.desk import OTHER_SLOT, Desk
from tests.worker.stopping import BEGINS, Operator, plan, work
from worker import bookings, codes, links
from worker.database import Database
from worker.embedded import free_port
from worker.in_call import entering
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
        return session.get_one(Booking, link.subject_id)


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


def test_a_press_inside_the_window_hands_over_to_the_video_provider_without_scripts(
    site: Site, seeded: Database, time: Any, open_context: Callable[..., BrowserContext]
) -> None:
    page = open_context(viewport=PHONE_SCREEN, java_script_enabled=False).new_page()
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
def test_every_page_of_a_booking_serves_every_reader(site: Site, seeded: Database, time: Any, page: Page) -> None:
    desk, eyes = Desk(seeded), Eyes(page, site.url)
    form = "/s/fred/book?start=2030-06-11T05:00:00Z"
    eyes.see("/s/queens-court", form, "/device-check?shop=fred")
    eyes.see(form, press="button.primary", write={"#phone": "12"})
    eyes.see("/s/fred/book?start=2030-06-11T05:07:00Z")

    given_up, id_ = desk.hold(number=13, starts_at=OTHER_SLOT), desk.hold()
    with desk.locked(given_up) as (session, booking):
        bookings.give_up(session, booking, now=time.at)
    code = f"/v/{token(LinkRole.CODE_PAGE, id_)}"
    eyes.see(code)
    eyes.see(code, press="button.primary", write={"#code": desk.wrong_code(id_)})
    eyes.see(f"/v/{token(LinkRole.CODE_PAGE, given_up)}")
    assert desk.enter(id_) is None
    page_ = f"/b/{token(LinkRole.BOOKING_PAGE, id_)}"
    eyes.see(code, f"{page_}?done=1", page_, f"{page_}/change", f"{page_}/cancel", f"{page_}/ask")
    eyes.see(f"{page_}/change?start=2030-06-11T05:00:00Z")
    eyes.see(f"{page_}/ask", press="button.primary")
    eyes.see(f"{page_}/ask", press="button.primary", write={"#text": "いつまで変更できますか。"})

    earlier, call, staff = (
        f"/c/{token(role, id_, revision)}"
        for role, revision in (
            (LinkRole.CUSTOMER_CALL, 1),
            (LinkRole.CUSTOMER_CALL, 2),
            (LinkRole.STAFF_CALL, 2),
        )
    )
    eyes.see(earlier)
    desk.change(id_)
    eyes.see(earlier)
    time.move_to(desk.booking(id_).starts_at)
    eyes.see(call, staff, page_)
    with desk.locked(id_) as (session, booked):
        entering.enter(session, booked, Side.STAFF, now=time.at)
    eyes.see(call, staff)
    eyes.see(call, press="details button")
    time.move_to(desk.booking(id_).entry_closes_at)
    eyes.see(call, staff, page_)

    assert eyes.faults == []


@ON_SQLITE
def test_the_pages_of_a_cancelled_booking_serve_every_reader(site: Site, seeded: Database, page: Page) -> None:
    desk, eyes = Desk(seeded), Eyes(page, site.url)
    id_ = desk.confirm()
    desk.cancel(id_)

    eyes.see(f"/b/{token(LinkRole.BOOKING_PAGE, id_)}", f"/c/{token(LinkRole.CUSTOMER_CALL, id_, 1)}")

    assert eyes.faults == []


@ON_SQLITE
def test_pages_that_speak_of_a_suspension_serve_every_reader(
    site: Site, seeded: Database, time: Any, page: Page
) -> None:
    import_module("tasks.suspensions")
    desk, eyes = Desk(seeded), Eyes(page, site.url)
    id_ = desk.confirm()
    booking, call = f"/b/{token(LinkRole.BOOKING_PAGE, id_)}", f"/c/{token(LinkRole.CUSTOMER_CALL, id_, 1)}"
    Operator(desk).suspend(plan(treatment=Treatment.MOVE))
    work(desk)

    eyes.see("/s/queens-court", booking, f"{booking}/change")
    time.move_to(BEGINS)
    work(desk)
    eyes.see("/s/queens-court", "/s/queens-court/call", booking, call)
    eyes.see("/s/fred/book?start=2030-06-11T05:00:00Z", press="button.primary", write={"#phone": "09000000099"})

    assert eyes.faults == []


@ON_SQLITE
def test_pages_that_say_no_serve_every_reader(site: Site, page: Page) -> None:
    eyes = Eyes(page, site.url)

    eyes.see("/s/nowhere", "/b/unknown", "/n/unknown", "/staff", "/staff/report?booking=1", "/case/unknown")

    assert eyes.faults == []


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
