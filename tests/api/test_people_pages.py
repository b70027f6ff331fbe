"""Pages on which a customer asks something about a booking, or is told that none is taken (B30, B34, B38, B39)."""

import re
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from models.block import Because
from models.booking import Booking
from models.customer import Channel
from models.inquiry import Inquiry, Topic
from models.job import Name
from models.limit import Counter
from tests.one_app import one_app
from tests.worker.desk import NOW, OTHER_SLOT, Desk, phone, sqlite_only
from worker import blocking, bookings, links
from worker import settings as settings_module
from worker.customers import Contact
from worker.database import Database

pytestmark = sqlite_only

SLOT = "2030-06-05T05:00:00Z"
CONTACT = "https://www.example.jp/contact/vicky"


@pytest.fixture
def desk(seeded: Database, time: object) -> Desk:
    return Desk(seeded)


@pytest.fixture
def browser(desk: Desk) -> TestClient:
    """Somebody's browser, which follows no redirect by itself."""
    return TestClient(one_app(), client=("192.0.2.7", 50000), follow_redirects=False)


@pytest.fixture
def page(desk: Desk) -> str:
    """The booking page of a booking at QUEENS COURT."""
    return path_of(desk.booking(desk.confirm()))


def path_of(booking: Booking) -> str:
    return "/b/" + links.booking_page_url(booking).rpartition("/")[2]


def inquiries(desk: Desk) -> list[Inquiry]:
    with desk.database.snapshot() as session:
        return list(session.scalars(select(Inquiry)))


def block(desk: Desk, number: int = 12, *, shop: str = "vicky") -> None:
    with desk.database.transaction() as session:
        contact = Contact(Channel.SMS, phone(number))
        blocking.block(
            session, contact, Because.DEFAMATION, "暴言", shop_id=shop, report_id=None, by="person:sato", now=NOW
        )


def hold(browser: TestClient, number: str = "090-0000-0012") -> Response:
    return browser.post("/s/vicky/book", data={"start": SLOT, "phone": number})


# Asking


def test_the_booking_page_leads_to_the_form(browser: TestClient, page: str) -> None:
    assert f'href="{page}/ask' in browser.get(page).text


def test_the_form_says_before_it_is_sent_who_may_read_it(
    browser: TestClient, page: str, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("PROVIDER_SUPPORT_EMAIL", "support@video.example.com")
    settings_module.settings.cache_clear()

    told = browser.get(f"{page}/ask").text

    assert "Jitsi Meetへお伝えします" in told
    assert "プライバシーポリシー" in told
    assert "連絡先はお伝えしません" in told


def test_where_the_provider_has_no_mailbox_the_form_names_the_brand_alone(browser: TestClient, page: str) -> None:
    told = browser.get(f"{page}/ask").text

    assert "QUEENS COURTの窓口へお繋ぎします" in told
    assert "お伝えします" not in told
    assert "プライバシーポリシー" in told


def test_what_is_sent_is_taken_and_its_handing_over_owed(browser: TestClient, desk: Desk, page: str) -> None:
    answer = browser.post(f"{page}/ask", data={"topic": "video_call", "text": "音が\r\n聞こえません。"})

    [asked] = inquiries(desk)
    assert (answer.status_code, asked.topic) == (303, Topic.VIDEO_CALL)
    assert len(desk.jobs(Name.ROUTE_INQUIRY)) == 1
    assert "承りました" in browser.get(answer.headers["location"]).text


def test_looking_at_the_form_asks_nothing(browser: TestClient, desk: Desk, page: str) -> None:
    browser.get(f"{page}/ask")
    browser.get(f"{page}/ask?sent=1")

    assert inquiries(desk) == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"topic": "item", "text": "  "}, "お問い合わせ内容を入力してください。"),
        ({"topic": "item", "text": "あ" * 1001}, "1000文字以内"),
        ({"topic": "item", "text": "a\x07b"}, "1000文字以内"),
        ({"topic": "weather", "text": "はい"}, "お問い合わせの種類をお選びください。"),
    ],
)
def test_what_cannot_be_taken_is_said_beside_the_field(
    browser: TestClient, desk: Desk, page: str, fields: dict[str, str], said: str
) -> None:
    answer = browser.post(f"{page}/ask", data=fields)

    assert answer.status_code == 422
    assert said in answer.text
    assert inquiries(desk) == []


def test_a_sixth_question_a_day_leads_to_the_contact_form(browser: TestClient, page: str) -> None:
    for _ in range(5):
        browser.post(f"{page}/ask", data={"topic": "item", "text": "色は何色ですか。"})

    answer = browser.post(f"{page}/ask", data={"topic": "item", "text": "色は何色ですか。"})

    assert answer.status_code == 429
    assert "https://www.example.jp/contact/queens-court" in answer.text


def test_a_hold_has_no_such_form(browser: TestClient, desk: Desk) -> None:
    booking = desk.booking(desk.hold())

    assert browser.get(f"{path_of(booking)}/ask").status_code == 404


def test_the_form_is_there_in_english(browser: TestClient, page: str) -> None:
    assert "Ask about your booking" in browser.get(f"{page}/ask?lang=en").text


# Being refused


def test_who_is_blocked_is_told_beside_the_contact_where_to_ask_and_not_why(browser: TestClient, desk: Desk) -> None:
    block(desk)

    answer = hold(browser)

    assert answer.status_code == 403
    assert "ご予約を承ることができません" in answer.text
    assert CONTACT in answer.text
    assert "暴言" not in answer.text
    assert desk.bookings() == []


def test_who_is_blocked_after_the_hold_is_told_so_where_the_code_is_asked_for(browser: TestClient, desk: Desk) -> None:
    code_page = hold(browser).headers["location"].partition("?")[0]
    code = desk.code(desk.bookings()[0].id)
    block(desk)

    entered = browser.post(code_page, data={"code": code})
    again = browser.post(f"{code_page}/resend")

    assert (entered.status_code, again.status_code) == (409, 409)
    assert "ご予約を承ることができません" in entered.text
    assert "ご予約を承ることができません" in again.text


def test_who_is_blocked_after_booking_is_told_that_the_booking_stands(browser: TestClient, desk: Desk) -> None:
    page = path_of(desk.booking(desk.confirm(shop="queens-court")))
    block(desk, shop="queens-court")

    refused = browser.post(f"{page}/change", data={"start": OTHER_SLOT.isoformat(), "revision": "1"})

    assert refused.status_code == 409
    assert "ご予約はそのままです" in refused.text


def test_who_has_as_many_as_one_may_is_told_so(browser: TestClient, desk: Desk) -> None:
    desk.set_shop("vicky", fair_use_rules={"open_bookings": 1})
    held = hold(browser).headers["location"]
    link = links.read(re.split(r"[/?]", held)[2])
    assert link is not None
    desk.enter(UUID(str(link.subject_id)))

    answer = browser.post("/s/vicky/book", data={"start": "2030-06-06T05:00:00Z", "phone": "090-0000-0012"})

    assert answer.status_code == 409
    assert "これ以上ご予約を承ることができません" in answer.text


def test_refusals_are_counted_though_they_refuse(browser: TestClient, desk: Desk) -> None:
    block(desk)

    hold(browser)
    hold(browser)

    with desk.database.snapshot() as session:
        counts = {row.key.split(":")[0]: row.count for row in session.scalars(select(Counter))}
    assert counts["refusals"] == 2


# The database is away


def test_while_the_database_is_away_the_page_still_says_whom_to_ask(
    browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser.get("/s/vicky")

    def away(*_: object) -> None:
        raise OperationalError("SELECT", {}, Exception())

    monkeypatch.setattr(bookings, "shop_open", away)
    answer = browser.get("/s/vicky")

    assert answer.status_code == 503
    assert CONTACT in answer.text
