"""The pages as a browser without JavaScript meets them: every state, and that looking changes nothing."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import delete, func, select
from sqlalchemy.exc import OperationalError

from models.base import Base
from models.booking import Booking, Cause, Side, Status
from models.customer import DataKey
from models.job import Job
from models.shop import Shop
from tests.one_app import one_app
from worker import bookings, codes, links
from worker.database import Database
from worker.links import LinkRole, token
from worker.recipients import second_contact_of

# The clock stands at Monday 2030-06-03 10:00 in Tokyo.
WEDNESDAY = "2030-06-05T05:00:00Z"
THURSDAY = "2030-06-06T05:00:00Z"
TODAY = "2030-06-03T09:00:00Z"
PHONE = "090-0000-0012"

# The journeys go the same ways on both databases.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def browser(seeded: Database, time: Any) -> TestClient:
    """Somebody's browser, which follows no redirect by itself."""
    return TestClient(one_app(), client=("192.0.2.7", 50000), follow_redirects=False)


@pytest.fixture
def held(browser: TestClient) -> str:
    """The code page of a booking at VICKY on Wednesday at 14:00 that waits for its code."""
    return hold(browser).headers["location"]


@pytest.fixture
def booked(browser: TestClient, seeded: Database, held: str) -> UUID:
    """The same booking, complete."""
    browser.post(held, data={"code": code_of(seeded, held)})
    return booking_id(held)


def hold(browser: TestClient, *, start: str = WEDNESDAY, query: str = "", **fields: str) -> Response:
    """Send the contact form as a browser would."""
    contact = {} if {"phone", "email"} & set(fields) else {"phone": PHONE}
    return browser.post(f"/s/vicky/book{query}", data={"start": start, **contact, **fields})


def booking_id(address: str) -> UUID:
    """Return whose page this is."""
    link = links.read(re.split(r"[/?]", address)[2])
    assert link
    return link.subject_id


def booking_at(database: Database, id_: UUID) -> Booking:
    """Return the row as it is now."""
    with database.snapshot() as session:
        return session.get_one(Booking, id_)


def code_of(database: Database, address: str) -> str:
    """Return the code that the customer would find on the phone."""
    with database.snapshot() as session:
        booking = session.get_one(Booking, booking_id(address))
        return codes.code(bookings.verification_of(session, booking))


def wrong(code: str) -> str:
    """Return six other digits."""
    return f"{(int(code) + 1) % 1_000_000:06}"


def page_of(id_: UUID) -> str:
    """Return the booking page."""
    return f"/b/{token(LinkRole.BOOKING_PAGE, id_)}"


def call_of(id_: UUID, revision: int = 1, role: LinkRole = LinkRole.CUSTOMER_CALL) -> str:
    """Return the call page that was sent for a revision."""
    return f"/c/{token(role, id_, revision)}"


def everything(database: Database) -> dict[str, list[Any]]:
    """Return every row of every table."""
    with database.snapshot() as session:
        return {
            table.name: sorted(map(repr, session.execute(select(table)).all())) for table in Base.metadata.sorted_tables
        }


# --- the shop page --------------------------------------------------------------------------------


def test_the_shop_page_offers_free_times_in_the_named_zone_of_the_shop(browser: TestClient) -> None:
    page = browser.get("/s/vicky", params={"day": "2030-06-05"})

    assert page.status_code == 200
    assert "日本時間" in page.text
    assert "/s/vicky/book?start=2030-06-05T05%3A00%3A00Z" in page.text


@pytest.mark.parametrize(
    ("policy", "language", "said"),
    [
        pytest.param({"days_before": 1, "at": "24:00"}, "ja", "予約日前日までお手続き", id="the phrase of B20"),
        pytest.param({"days_before": 1, "at": "24:00"}, "en", "until the end of the day before.", id="the same"),
        pytest.param({"hours_before": 72}, "ja", "ご予約の開始72時間前までお手続き", id="in hours"),
        pytest.param({"hours_before": 72}, "en", "until 72 hours before it starts.", id="in hours, English"),
    ],
)
def test_the_shop_page_promises_the_shops_own_deadline(
    browser: TestClient, seeded: Database, policy: dict[str, Any], language: str, said: str
) -> None:
    with seeded.transaction() as session:
        session.get_one(Shop, "vicky").deadline_rules = policy

    page = browser.get("/s/vicky", params={"lang": language})

    assert said in page.text


def test_a_week_on_is_a_link_away_and_the_past_is_not(browser: TestClient) -> None:
    first = browser.get("/s/vicky").text
    second = browser.get("/s/vicky?from=2030-06-10").text

    assert "from=2030-06-10" in first
    assert 'rel="prev"' not in first
    assert "from=2030-06-03" in second


@pytest.mark.parametrize("begins", ["2020-01-01", "nonsense", "9999-12-31", "0001-01-01"])
def test_a_week_that_cannot_be_shown_becomes_one_that_can(browser: TestClient, begins: str) -> None:
    assert browser.get("/s/vicky", params={"from": begins, "day": begins}).status_code == 200


def test_a_day_without_free_times_names_the_next_one(browser: TestClient, seeded: Database) -> None:
    with seeded.transaction() as session:
        shop = session.get_one(Shop, "vicky")
        closed: dict[str, list[object]] = {
            (datetime(2030, 6, 3, tzinfo=UTC) + timedelta(days=n)).date().isoformat(): [] for n in range(7)
        }
        shop.calendar_rules = {**shop.calendar_rules, "exceptions": closed}

    page = browser.get("/s/vicky?lang=en").text

    assert "Next free time: Monday, June 10, 2030, 14:00 (Japan time)" in page


def test_a_taken_time_is_not_offered(browser: TestClient, seeded: Database) -> None:
    address = "/s/fred?day=2030-06-06&from=2030-06-03"
    assert "start=2030-06-06T05" in browser.get(address).text

    browser.post("/s/fred/book", data={"start": "2030-06-06T05:00:00Z", "phone": PHONE})

    assert "start=2030-06-06T05" not in browser.get(address).text


def test_a_shop_that_takes_no_part_is_said_on_a_page_with_a_contact(browser: TestClient, seeded: Database) -> None:
    with seeded.transaction() as session:
        session.get_one(Shop, "vicky").enabled = False

    page = browser.get("/s/vicky")

    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert "https://www.example.jp/contact/vicky" in page.text


def test_whoever_finds_no_shop_is_shown_every_contact(browser: TestClient) -> None:
    page = browser.get("/s/nowhere")

    assert page.status_code == 404
    assert "https://www.example.jp/contact/fred" in page.text


# --- languages ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "accepted", "language"),
    [
        ("", "", "ja"),  # the shop's own
        ("", "en-GB,en;q=0.9", "en"),
        ("", "fr,ja;q=0.4,en;q=0.8", "en"),  # the better liked of those we speak
        ("", "en;q=0,ja", "ja"),  # q=0 says "not this one"
        ("", "en;q=x", "ja"),
        ("?lang=ja", "en", "ja"),  # a choice goes before everything
        ("?lang=tlh", "en", "en"),
    ],
)
def test_the_language_is_chosen_then_accepted_then_the_shops(
    browser: TestClient, query: str, accepted: str, language: str
) -> None:
    page = browser.get(f"/s/vicky{query}", headers={"Accept-Language": accepted})

    assert f'<html lang="{language}">' in page.text
    assert page.headers["content-language"] == language


def test_the_page_of_a_booking_speaks_the_language_of_the_booking(browser: TestClient) -> None:
    address = hold(browser, query="?lang=en").headers["location"].split("?")[0]

    assert '<html lang="en">' in browser.get(address, headers={"Accept-Language": "ja"}).text


def test_messages_will_speak_the_language_of_the_form(browser: TestClient, seeded: Database) -> None:
    address = hold(browser, query="?lang=en").headers["location"]

    assert booking_at(seeded, booking_id(address)).language == "en"


def test_the_other_language_is_a_link_that_keeps_the_rest_of_the_address(browser: TestClient) -> None:
    page = browser.get("/s/vicky?day=2030-06-05").text

    assert 'href="/s/vicky?day=2030-06-05&amp;lang=en" lang="en"' in page


def test_a_chosen_language_travels_with_every_link_of_the_page(browser: TestClient) -> None:
    page = browser.get("/s/vicky/book", params={"start": WEDNESDAY, "lang": "en"}).text

    assert 'action="/s/vicky/book?lang=en"' in page


# --- the contact form -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "https://www.example.jp/terms/platform-terms/2021-09-28",  # B27
        "https://www.example.jp/terms/provider-terms-jitsi/development-1",  # B27
        "https://vicky.example.jp/privacy",  # B36
        "https://www.example.jp/contact/vicky",  # B30
    ],
)
def test_terms_and_privacy_policy_stand_before_the_button_that_sends(browser: TestClient, address: str) -> None:
    page = browser.get("/s/vicky/book", params={"start": WEDNESDAY}).text

    form = page[page.index("<form") : page.index('<button type="submit"')]
    assert address in form


def test_the_form_can_be_filled_in_by_the_browser(browser: TestClient) -> None:
    page = browser.get("/s/vicky/book", params={"start": WEDNESDAY}).text

    assert 'autocomplete="tel"' in page
    assert 'autocomplete="email"' in page


def test_a_phone_number_gets_the_slot_held_and_leads_to_the_code_page(browser: TestClient, seeded: Database) -> None:
    answer = hold(browser)

    assert answer.status_code == 303
    assert booking_at(seeded, booking_id(answer.headers["location"])).status is Status.HELD


def test_a_mail_address_does_too(browser: TestClient, seeded: Database) -> None:
    answer = hold(browser, channel="mail", email="Hanako@EXAMPLE.jp")

    assert "H***@example.jp" in browser.get(answer.headers["location"]).text


def test_a_mailbox_in_reserve_may_stand_beside_the_number(browser: TestClient, seeded: Database) -> None:
    answer = hold(browser, second_email=" hanako@EXAMPLE.jp ")

    with seeded.snapshot() as session:
        booking = session.get_one(Booking, booking_id(answer.headers["location"]))
        assert second_contact_of(session, booking) == "hanako@example.jp"


def test_the_form_says_what_the_mailbox_in_reserve_is_used_for_before_it_is_sent(browser: TestClient) -> None:
    """B37."""
    page = browser.get("/s/vicky/book", params={"start": WEDNESDAY, "lang": "en"}).text

    form = page[page.index('name="phone"') : page.index('<button type="submit"')]
    assert "Used only if an SMS cannot bring you your links. Your code never goes there." in form


def test_whoever_chose_mail_has_no_mailbox_in_reserve(browser: TestClient, seeded: Database) -> None:
    answer = hold(browser, channel="mail", email="hanako@example.jp", second_email="left from before")

    assert booking_at(seeded, booking_id(answer.headers["location"])).sealed_second_contact is None


def test_what_is_wrong_is_kept_in_its_own_field(browser: TestClient) -> None:
    answer = hold(browser, query="?lang=en", phone="12", second_email="nobody")

    assert answer.status_code == 422
    assert re.findall(r'<li><a href="#([a-z_]+)">', answer.text) == ["phone", "second_email"]
    assert 'value="nobody"' in answer.text


def test_the_form_sent_twice_makes_one_booking_and_owes_one_code(browser: TestClient, seeded: Database) -> None:
    first, second = hold(browser), hold(browser)

    assert first.headers["location"] == second.headers["location"]
    with seeded.snapshot() as session:
        assert session.scalar(select(func.count()).where(Job.name == "verification.dispatch_code")) == 1


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"channel": "sms", "phone": ""}, "phone", "Enter your mobile number."),
        ({"channel": "sms", "phone": "12"}, "phone", "not a valid phone number"),
        ({"channel": "sms", "phone": "03-1234-5678"}, "phone", "landlines"),
        ({"channel": "sms", "phone": "+33 6 00 00 00 00"}, "phone", "this country"),
        ({"channel": "mail", "email": "nobody"}, "email", "not a valid e-mail"),
        ({"channel": "mail", "email": ""}, "email", "Enter your e-mail"),
        ({"phone": PHONE, "second_email": "nobody"}, "second_email", "not a valid e-mail"),
        ({"phone": PHONE, "name": "x" * 101}, "name", "at most 100"),
        ({"phone": PHONE, "memo": "x" * 1001}, "memo", "at most 1,000"),
        ({"phone": PHONE, "memo": "a\x00b"}, "memo", "at most 1,000"),
    ],
)
def test_what_is_wrong_is_summed_up_with_a_link_to_the_field(
    browser: TestClient, fields: dict[str, str], field: str, said: str
) -> None:
    answer = hold(browser, query="?lang=en", **{"phone": "", **fields})

    assert answer.status_code == 422
    assert re.search(rf'<li><a href="#{field}">[^<]*{re.escape(said)}', answer.text)
    assert 'aria-invalid="true"' in answer.text
    assert "<title>Error: " in answer.text


def test_what_was_written_is_kept_and_cannot_become_markup(browser: TestClient) -> None:
    answer = hold(browser, phone="12", name='"><script>alert(1)</script>', memo="</textarea><b>&")

    assert "<script>alert" not in answer.text
    assert "&#34;&gt;&lt;script&gt;alert(1)" in answer.text
    assert "&lt;/textarea&gt;&lt;b&gt;&amp;</textarea>" in answer.text


def test_a_time_that_was_taken_meanwhile_offers_others_and_keeps_the_contact(browser: TestClient) -> None:
    taken = {"start": "2030-06-06T05:00:00Z"}
    browser.post("/s/fred/book", data={**taken, "phone": PHONE})

    answer = browser.post("/s/fred/book", data={**taken, "phone": "090-0000-0013"})

    assert answer.status_code == 409
    assert 'type="radio" name="start" value="2030-06-06T06:00:00Z"' in answer.text
    assert 'value="090-0000-0013"' in answer.text


def test_a_time_that_is_past_offers_others_before_anything_is_typed(browser: TestClient) -> None:
    page = browser.get("/s/vicky/book", params={"start": "2030-06-01T05:00:00Z"})

    assert 'type="radio" name="start"' in page.text


@pytest.mark.parametrize("start", ["", "soon", "2030-06-05T14:00:00", "0001-01-01T00:00:00+14:00"])
def test_without_a_time_the_form_leads_back_to_the_calendar(browser: TestClient, start: str) -> None:
    assert browser.get("/s/vicky/book", params={"start": start}).headers["location"] == "/s/vicky"
    assert hold(browser, start=start).headers["location"] == "/s/vicky"


def test_items_and_the_page_the_customer_came_from_travel_to_the_booking(browser: TestClient, seeded: Database) -> None:
    shop = browser.get("/s/vicky?item=AB-1&item=CD-2&entry_point=product_page&day=2030-06-05").text
    assert "item=AB-1&amp;item=CD-2&amp;entry_point=product_page&amp;start=" in shop

    answer = browser.post(
        "/s/vicky/book",
        data={"start": WEDNESDAY, "phone": PHONE, "item": ["AB-1", "CD-2"], "entry_point": "product_page"},
    )

    assert booking_at(seeded, booking_id(answer.headers["location"])).item_codes == ["AB-1", "CD-2"]


def test_what_a_keyboard_leaves_around_a_number_is_forgiven(browser: TestClient) -> None:
    assert hold(browser, phone="０９０ー００００ー００１２\r\n").status_code == 303


def test_an_origin_that_cannot_be_read_is_no_reason_to_refuse(browser: TestClient) -> None:
    assert hold(browser, item="no such/item", entry_point="moon").status_code == 303


# --- the code page --------------------------------------------------------------------------------


def test_the_code_page_shows_where_the_code_went_masked_and_how_long_it_lives(browser: TestClient, held: str) -> None:
    page = browser.get(held).text

    assert "+81 90-****-0012" in page
    assert "10:10まで有効" in page
    assert "あと5回" in page
    assert 'inputmode="numeric" autocomplete="one-time-code"' in page


def test_a_wrong_code_leaves_a_form_in_which_the_right_one_works(
    browser: TestClient, seeded: Database, held: str
) -> None:
    code = code_of(seeded, held)

    refused = browser.post(held, data={"code": wrong(code)})
    accepted = browser.post(held, data={"code": code})

    assert refused.status_code == 422
    assert "あと4回" in refused.text
    assert accepted.status_code == 303


def test_an_empty_code_is_not_counted(browser: TestClient, held: str) -> None:
    answer = browser.post(held, data={"code": " "})

    assert answer.status_code == 422
    assert "あと5回" in answer.text


def test_the_right_code_shows_call_link_booking_page_and_deadline(
    browser: TestClient, seeded: Database, held: str
) -> None:
    answer = browser.post(held, data={"code": code_of(seeded, held)})
    page = browser.get(answer.headers["location"]).text

    booking = booking_at(seeded, booking_id(held))
    assert booking.status is Status.CONFIRMED
    assert links.call_url(booking, Side.CUSTOMER) in page
    assert links.booking_page_url(booking) in page
    assert "2030年6月4日(火)24:00まで(日本時間)" in page


def test_the_link_of_the_code_page_alone_never_shows_call_or_booking_page(
    browser: TestClient, booked: UUID, held: str
) -> None:
    page = browser.get(held)

    assert page.status_code == 200
    assert not re.search(r"/[bc]/[A-Za-z0-9_-]{40}", page.text)


def test_the_right_code_sent_twice_leads_to_the_same_page(browser: TestClient, seeded: Database, held: str) -> None:
    code = {"code": code_of(seeded, held)}

    assert browser.post(held, data=code).headers["location"] == browser.post(held, data=code).headers["location"]


def test_codes_cannot_be_guessed_without_end_after_the_completion(
    browser: TestClient, seeded: Database, booked: UUID, held: str
) -> None:
    code = code_of(seeded, held)
    for _ in range(5):
        browser.post(held, data={"code": wrong(code)})

    answer = browser.post(held, data={"code": code})

    assert answer.status_code == 409
    assert not re.search(r"/[bc]/[A-Za-z0-9_-]{40}", answer.text)


def test_five_wrong_codes_end_the_hold_and_offer_the_time_again(
    browser: TestClient, seeded: Database, held: str
) -> None:
    code = wrong(code_of(seeded, held))

    answers = [browser.post(held, data={"code": code}) for _ in range(5)]

    assert [answer.status_code for answer in answers] == [422] * 4 + [409]
    assert "start=2030-06-05T05%3A00%3A00Z" in answers[-1].text


def test_a_code_that_comes_too_late_says_so_and_offers_the_time_again(
    browser: TestClient, seeded: Database, time: Any, held: str
) -> None:
    code = code_of(seeded, held)
    time.advance(minutes=10, seconds=6)

    answer = browser.post(held, data={"code": code})

    assert answer.status_code == 409
    assert "有効期限が切れた" in answer.text
    assert "start=2030-06-05T05%3A00%3A00Z" in answer.text


def test_a_hold_that_ran_out_and_was_taken_by_another_offers_other_times(browser: TestClient, time: Any) -> None:
    start = "2030-06-06T05:00:00Z"
    lost = browser.post("/s/fred/book", data={"start": start, "phone": PHONE}).headers["location"]
    time.advance(minutes=11)
    browser.post("/s/fred/book", data={"start": start, "phone": "090-0000-0013"})

    page = browser.get(lost).text

    assert "ほかのお客様" in page
    assert "start=2030-06-06T06%3A00%3A00Z" in page


def test_the_code_can_be_sent_again_after_a_minute_and_not_before(browser: TestClient, time: Any, held: str) -> None:
    assert "10:01:00から" in browser.get(held).text
    assert browser.post(f"{held}/resend").status_code == 429

    time.advance(seconds=60)

    assert f'action="{held}/resend"' in browser.get(held).text
    assert browser.post(f"{held}/resend").headers["location"] == f"{held}?sent=1"


def test_after_three_more_codes_there_is_no_further_one(browser: TestClient, time: Any, held: str) -> None:
    for _ in range(3):
        time.advance(seconds=60)
        browser.post(f"{held}/resend")
    time.advance(seconds=60)

    assert f"{held}/resend" not in browser.get(held).text
    assert browser.post(f"{held}/resend").status_code == 429


def test_giving_up_gives_the_time_back_at_once(browser: TestClient, seeded: Database, held: str) -> None:
    answer = browser.post(f"{held}/give-up")

    assert answer.headers["location"] == held
    assert booking_at(seeded, booking_id(held)).status is Status.RELEASED
    assert "start=2030-06-05T05%3A00%3A00Z" in browser.get(held).text


def test_giving_up_a_complete_booking_does_nothing(
    browser: TestClient, seeded: Database, booked: UUID, held: str
) -> None:
    browser.post(f"{held}/give-up")

    assert booking_at(seeded, booked).status is Status.CONFIRMED


def test_a_customer_whose_data_was_erased_is_not_an_error(browser: TestClient, seeded: Database, held: str) -> None:
    with seeded.transaction() as session:
        session.execute(delete(DataKey))

    assert browser.get(held).status_code == 200


# --- the booking page -----------------------------------------------------------------------------


def test_name_and_memo_are_shown_as_text(browser: TestClient, seeded: Database) -> None:
    address = hold(browser, name="<b>Hanako</b>", memo="<img src=x onerror=alert(1)>").headers["location"]
    browser.post(address, data={"code": code_of(seeded, address)})

    page = browser.get(page_of(booking_id(address))).text

    assert "&lt;b&gt;Hanako&lt;/b&gt;" in page
    assert "<img" not in page


def test_there_is_no_booking_page_before_the_code(browser: TestClient, held: str) -> None:
    assert browser.get(page_of(booking_id(held))).status_code == 404


def test_a_change_is_confirmed_then_made(browser: TestClient, seeded: Database, booked: UUID) -> None:
    page = page_of(booked)
    asked = browser.get(f"{page}/change", params={"start": THURSDAY}).text
    assert 'name="revision" value="1"' in asked
    assert 'name="final"' not in asked

    answer = browser.post(f"{page}/change", data={"start": THURSDAY, "revision": "1"})

    assert answer.headers["location"] == f"{page}?changed=1"
    assert booking_at(seeded, booked).starts_at == datetime(2030, 6, 6, 5, tzinfo=UTC)


def test_a_change_sent_twice_is_made_once(browser: TestClient, seeded: Database, booked: UUID) -> None:
    wish = {"start": THURSDAY, "revision": "1"}

    answers = [browser.post(f"{page_of(booked)}/change", data=wish) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [303, 303]
    assert booking_at(seeded, booked).revision == 2


def test_the_calendar_of_a_change_leaves_out_the_present_time(browser: TestClient, booked: UUID) -> None:
    page = browser.get(f"{page_of(booked)}/change?day=2030-06-05").text

    assert "start=2030-06-05T05%3A30" in page
    assert "start=2030-06-05T05%3A00" not in page


def test_a_change_to_a_time_whose_deadline_is_past_wants_a_tick(
    browser: TestClient, seeded: Database, booked: UUID
) -> None:
    wish = {"start": TODAY, "revision": "1"}
    address = f"{page_of(booked)}/change"
    assert 'name="final"' in browser.get(address, params={"start": TODAY}).text

    without = browser.post(address, data=wish)
    ticked = browser.post(address, data={**wish, "final": "yes"})

    assert without.status_code == 422
    assert 'href="#final"' in without.text
    assert ticked.status_code == 303


def test_a_change_to_a_time_that_is_gone_changes_nothing_and_offers_others(
    browser: TestClient, seeded: Database, booked: UUID
) -> None:
    answer = browser.post(f"{page_of(booked)}/change", data={"start": "2030-06-01T05:00:00Z", "revision": "1"})

    assert answer.status_code == 409
    assert "ご予約は変わっていません" in answer.text
    assert "/change?start=" in answer.text
    assert booking_at(seeded, booked).revision == 1


def test_a_change_to_a_time_the_customer_has_already_says_so(
    browser: TestClient, seeded: Database, booked: UUID
) -> None:
    other = hold(browser, start=THURSDAY).headers["location"]
    browser.post(other, data={"code": code_of(seeded, other)})

    answer = browser.post(f"{page_of(booked)}/change", data={"start": THURSDAY, "revision": "1"})

    assert answer.status_code == 409
    assert "すでにお客様のご予約があります" in answer.text


def test_a_decision_on_an_old_revision_is_refused_with_the_present_state(
    browser: TestClient, seeded: Database, booked: UUID
) -> None:
    browser.post(f"{page_of(booked)}/change", data={"start": THURSDAY, "revision": "1"})

    answer = browser.post(f"{page_of(booked)}/cancel", data={"revision": "1"})

    assert answer.status_code == 409
    assert "ほかの画面で" in answer.text
    assert "2030年6月6日(木)14:00" in answer.text
    assert booking_at(seeded, booked).status is Status.CONFIRMED


def test_a_cancellation_is_asked_for_then_made_and_stays(browser: TestClient, seeded: Database, booked: UUID) -> None:
    page = page_of(booked)
    assert 'name="revision" value="1"' in browser.get(f"{page}/cancel").text

    answers = [browser.post(f"{page}/cancel", data={"revision": "1"}) for _ in range(2)]

    assert [answer.headers["location"] for answer in answers] == [page, page]
    assert booking_at(seeded, booked).status is Status.CANCELLED
    assert "/s/vicky" in browser.get(page).text


def test_after_the_deadline_there_are_no_buttons_but_the_contact(browser: TestClient, time: Any, booked: UUID) -> None:
    time.move_to(datetime(2030, 6, 4, 15, 0, tzinfo=UTC))

    page = browser.get(page_of(booked)).text

    assert "/cancel" not in page
    assert "/change" not in page
    assert page.index("期限を過ぎています") < page.index("https://www.example.jp/contact/vicky")


@pytest.mark.parametrize(
    ("at", "status"),
    [
        (datetime(2030, 6, 4, 14, 59, 59, 999000, tzinfo=UTC), Status.CANCELLED),  # 23:59:59.999 in Tokyo
        (datetime(2030, 6, 4, 15, 0, tzinfo=UTC), Status.CONFIRMED),  # 00:00 of the day itself
    ],
)
def test_the_instant_of_the_press_decides(
    browser: TestClient, seeded: Database, time: Any, booked: UUID, *, at: datetime, status: Status
) -> None:
    time.move_to(at)

    browser.post(f"{page_of(booked)}/cancel", data={"revision": "1"})

    assert booking_at(seeded, booked).status is status


def test_a_booking_for_today_says_that_it_cannot_be_changed(browser: TestClient, seeded: Database) -> None:
    address = hold(browser, start=TODAY).headers["location"]

    done = browser.post(address, data={"code": code_of(seeded, address)}).headers["location"]

    assert "締切後のご予約のため" in browser.get(done).text


def test_when_the_changes_are_used_up_only_the_cancellation_is_left(
    browser: TestClient, seeded: Database, booked: UUID
) -> None:
    with seeded.transaction() as session:
        session.get_one(Booking, booked).most_changes = 0

    page = browser.get(page_of(booked)).text

    assert "/cancel" in page
    assert "/change" not in page
    assert browser.get(f"{page_of(booked)}/change").status_code == 409


@pytest.mark.parametrize(
    ("entered", "said"),
    [
        ((), "おつなぎできず"),  # nobody came: the shop's fault too
        ((Side.STAFF,), "お客様の入室を確認できません"),
        ((Side.CUSTOMER,), "おつなぎできず"),
        ((Side.CUSTOMER, Side.STAFF), "ご利用ありがとうございました"),
    ],
)
def test_an_ended_booking_says_how_it_ended(
    browser: TestClient, seeded: Database, time: Any, booked: UUID, *, entered: tuple[Side, ...], said: str
) -> None:
    with seeded.transaction() as session:
        booking = session.get_one(Booking, booked)
        for side in entered:
            booking.enter(side, now=booking.starts_at)
        booking.end(now=booking.entry_closes_at, revision=1)
    time.move_to(booking.entry_closes_at)

    page = browser.get(page_of(booked)).text

    assert said in page
    assert 'class="button primary" href="/s/vicky"' in page


def test_a_customer_who_came_is_not_told_that_they_did_not(
    browser: TestClient, seeded: Database, time: Any, booked: UUID
) -> None:
    with seeded.transaction() as session:
        booking = session.get_one(Booking, booked)
        booking.enter(Side.CUSTOMER, now=booking.starts_at)
        booking.see(Side.CUSTOMER, left_at=booking.starts_at + timedelta(seconds=30))
        booking.enter(Side.STAFF, now=booking.starts_at + timedelta(minutes=1))
        booking.end(now=booking.entry_closes_at, revision=1)
    time.move_to(booking.entry_closes_at)

    page = browser.get(page_of(booked)).text

    assert "入室の時間が合わず" in page
    assert "お客様の入室を確認できません" not in page


def test_a_booking_whose_time_has_passed_says_so_before_anybody_has_ended_it(
    browser: TestClient, seeded: Database, time: Any, booked: UUID
) -> None:
    time.move_to(booking_at(seeded, booked).entry_closes_at)

    page = browser.get(f"{page_of(booked)}?done=1").text

    assert "ご予約の時間は終わりました" in page
    assert "/c/" not in page


# --- the call page --------------------------------------------------------------------------------


def test_before_its_window_the_call_page_says_when_it_opens(browser: TestClient, booked: UUID) -> None:
    page = browser.get(call_of(booked))

    assert page.status_code == 200
    assert "2030年6月5日(水)13:50" in page.text
    assert "/enter" not in page.text


def test_inside_its_window_a_press_leads_to_the_room(
    browser: TestClient, seeded: Database, time: Any, booked: UUID
) -> None:
    time.move_to(datetime(2030, 6, 5, 4, 50, tzinfo=UTC))
    assert f'action="{call_of(booked)}/enter"' in browser.get(call_of(booked)).text

    answer = browser.post(f"{call_of(booked)}/enter")

    assert answer.status_code == 303
    assert answer.headers["location"].startswith("https://meet.jit.si/toritsugi-")
    assert booking_at(seeded, booked).customer_entered_at == datetime(2030, 6, 5, 4, 50, tzinfo=UTC)


def test_customer_and_staff_meet_in_one_room(browser: TestClient, seeded: Database, time: Any, booked: UUID) -> None:
    time.move_to(datetime(2030, 6, 5, 5, 0, tzinfo=UTC))

    rooms = [
        browser.post(f"{call_of(booked, role=role)}/enter").headers["location"]
        for role in (LinkRole.CUSTOMER_CALL, LinkRole.STAFF_CALL)
    ]

    assert rooms[0] == rooms[1]
    assert booking_at(seeded, booked).status is Status.IN_CALL


@pytest.mark.parametrize("at", [datetime(2030, 6, 5, 4, 49, 59, tzinfo=UTC), datetime(2030, 6, 5, 5, 45, tzinfo=UTC)])
def test_outside_its_window_a_press_enters_nothing(
    browser: TestClient, seeded: Database, time: Any, booked: UUID, at: datetime
) -> None:
    time.move_to(at)

    assert browser.post(f"{call_of(booked)}/enter").status_code == 409
    assert booking_at(seeded, booked).customer_entered_at is None


def test_after_its_window_the_call_page_says_so_and_offers_another(
    browser: TestClient, time: Any, booked: UUID
) -> None:
    time.move_to(datetime(2030, 6, 5, 5, 45, tzinfo=UTC))

    page = browser.get(call_of(booked)).text

    assert "終了しました" in page
    assert 'href="/s/vicky"' in page


def test_the_call_link_of_an_earlier_time_leads_to_the_new_one(browser: TestClient, booked: UUID) -> None:
    """Fault 15: an old link was a 404, or said "cancelled", and led nowhere."""
    browser.post(f"{page_of(booked)}/change", data={"start": THURSDAY, "revision": "1"})

    page = browser.get(call_of(booked, revision=1))

    assert page.status_code == 200
    assert "2030年6月6日(木)14:00" in page.text
    assert f'href="{call_of(booked, revision=2)}"' in page.text


def test_the_call_link_of_an_earlier_time_enters_nothing_by_itself(
    browser: TestClient, seeded: Database, time: Any, booked: UUID
) -> None:
    browser.post(f"{page_of(booked)}/change", data={"start": THURSDAY, "revision": "1"})
    time.move_to(datetime(2030, 6, 6, 5, 0, tzinfo=UTC))

    assert browser.post(f"{call_of(booked, revision=1)}/enter").status_code == 409
    assert booking_at(seeded, booked).customer_entered_at is None


@pytest.mark.parametrize("cause", list(Cause))
def test_the_call_link_of_a_cancelled_booking_is_gone_and_offers_another(
    browser: TestClient, seeded: Database, booked: UUID, cause: Cause
) -> None:
    """Fault 15: an old link was a 404, or said "cancelled", and led nowhere."""
    with seeded.transaction() as session:
        booking = session.get_one(Booking, booked)
        bookings.withdraw(session, booking, cause, now=booking.created_at, actor="key:test", reason="test")

    page = browser.get(call_of(booked))

    assert page.status_code == 410
    assert 'href="/s/vicky"' in page.text
    assert "キャンセル" in page.text


def test_staff_read_what_the_customer_wants_to_talk_about(browser: TestClient, seeded: Database) -> None:
    address = hold(browser, memo="red <dress>", item="AB-1").headers["location"]
    browser.post(address, data={"code": code_of(seeded, address)})
    id_ = booking_id(address)

    assert "red &lt;dress&gt;" in browser.get(call_of(id_, role=LinkRole.STAFF_CALL)).text
    assert "AB-1" in browser.get(call_of(id_, role=LinkRole.STAFF_CALL)).text
    assert "dress" not in browser.get(call_of(id_)).text


# --- all pages ------------------------------------------------------------------------------------

Pages = Callable[[UUID, str], str]
PAGES: dict[str, Pages] = {
    "shop": lambda _, __: "/s/vicky",
    "form": lambda _, __: f"/s/vicky/book?start={WEDNESDAY}",
    "code": lambda _, held: held,
    "resend": lambda _, held: f"{held}/resend",
    "give up": lambda _, held: f"{held}/give-up",
    "booking": lambda id_, _: page_of(id_),
    "change": lambda id_, _: f"{page_of(id_)}/change",
    "confirm change": lambda id_, _: f"{page_of(id_)}/change?start={THURSDAY}",
    "cancel": lambda id_, _: f"{page_of(id_)}/cancel",
    "call": lambda id_, _: call_of(id_),
    "staff call": lambda id_, _: call_of(id_, role=LinkRole.STAFF_CALL),
    "enter": lambda id_, _: f"{call_of(id_)}/enter",
    "device check": lambda _, __: "/device-check",
}


def test_link_scanners_that_get_everything_change_nothing(
    browser: TestClient, seeded: Database, time: Any, booked: UUID
) -> None:
    """Fault 14: link scanners cancelled by GET."""
    waiting = hold(browser, start=THURSDAY).headers["location"]
    time.move_to(datetime(2030, 6, 3, 1, 1, 30, tzinfo=UTC))
    before = everything(seeded)

    for address in PAGES.values():
        for method in ("GET", "HEAD"):
            answer = browser.request(method, address(booked, waiting))
            assert answer.status_code in {200, 303}, address(booked, waiting)

    assert everything(seeded) == before


def test_get_changes_nothing_inside_the_window_of_the_call(
    browser: TestClient, seeded: Database, time: Any, booked: UUID
) -> None:
    time.move_to(datetime(2030, 6, 5, 5, 0, tzinfo=UTC))
    before = everything(seeded)

    browser.get(call_of(booked))
    browser.get(f"{call_of(booked)}/enter")

    assert everything(seeded) == before


@pytest.mark.parametrize("page", [*PAGES, "nothing"])
def test_every_page_is_protected_by_its_headers(browser: TestClient, booked: UUID, held: str, page: str) -> None:
    answer = browser.get(PAGES[page](booked, held) if page in PAGES else "/b/nothing")

    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("page", ["code", "booking", "change", "cancel", "call", "staff call"])
def test_search_engines_are_kept_from_pages_with_a_token(
    browser: TestClient, booked: UUID, held: str, page: str
) -> None:
    answer = browser.get(PAGES[page](booked, held))

    assert answer.headers["x-robots-tag"] == "noindex, nofollow"
    assert '<meta name="robots" content="noindex, nofollow">' in answer.text


def test_only_the_call_page_may_lead_to_the_video_provider(browser: TestClient, booked: UUID) -> None:
    assert "form-action 'self' https://meet.jit.si;" in browser.get(call_of(booked)).headers["content-security-policy"]
    assert "form-action 'self';" in browser.get(page_of(booked)).headers["content-security-policy"]


FOOT = [
    "https://www.example.jp/contact/vicky",  # B30
    "https://vicky.example.jp/privacy",  # B36
    "https://www.example.jp/terms/platform-terms/2021-09-28",  # B27
    "https://www.example.jp/terms/provider-terms-jitsi/development-1",  # B27
    "Jitsi Meetが運営・提供します",  # B29
]


@pytest.mark.parametrize("page", ["shop", "form", "code", "booking", "change", "cancel", "call"])
def test_every_foot_names_contact_policy_terms_and_who_operates_the_call(
    browser: TestClient, booked: UUID, held: str, page: str
) -> None:
    text = browser.get(PAGES[page](booked, held)).text

    foot = text[text.index("<footer") :]
    assert [said for said in FOOT if said not in foot] == []


def test_the_booking_page_says_which_items_may_go_unanswered(browser: TestClient, booked: UUID) -> None:
    assert "セール品や在庫わずか" in browser.get(page_of(booked)).text


@pytest.mark.parametrize("page", PAGES)
def test_pages_have_one_heading_and_no_inline_script_or_style(
    browser: TestClient, booked: UUID, held: str, page: str
) -> None:
    text = browser.get(PAGES[page](booked, held), follow_redirects=True).text

    assert len(re.findall("<h1", text)) == 1
    assert not re.search(r"<script(?! src=)|<style|style=|\son\w+=", text)


def one_letter_off(genuine: str) -> str:
    return genuine[:-1] + ("B" if genuine.endswith("A") else "A")


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "address",
    [
        lambda id_: f"/b/{token(LinkRole.CODE_PAGE, id_)}/cancel",  # a code page's link opens no booking
        lambda id_: f"/b/{token(LinkRole.CUSTOMER_CALL, id_, 1)}/change",
        lambda id_: f"/c/{token(LinkRole.BOOKING_PAGE, id_)}",
        lambda id_: f"/v/{token(LinkRole.BOOKING_PAGE, id_)}",
        lambda _: f"/b/{token(LinkRole.BOOKING_PAGE, UUID(int=1))}/cancel",  # genuine, of no booking
        lambda id_: f"/v/{one_letter_off(token(LinkRole.CODE_PAGE, id_))}",
        lambda id_: f"/v/{token(LinkRole.CODE_PAGE, id_)[:-1]}",  # cut
    ],
)
def test_a_link_that_opens_nothing_is_a_page_with_contacts(
    browser: TestClient, booked: UUID, method: str, address: Callable[[UUID], str]
) -> None:
    where = address(booked)
    if method == "POST" and where.startswith("/c/"):
        where += "/enter"

    answer = browser.request(method, where, data={"code": "000000", "revision": "1"} if method == "POST" else None)

    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "https://www.example.jp/contact/vicky" in answer.text


@pytest.mark.parametrize("address", ["/s/", "/s/vicky/books", "/b/", "/b/x/y/z", "/v/x/resent", "/c/x/"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_address_that_was_cut_off_is_a_page_too(browser: TestClient, method: str, address: str) -> None:
    answer = browser.request(method, address)

    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")


def test_a_form_that_cannot_be_read_is_answered_with_a_page(browser: TestClient, booked: UUID) -> None:
    answer = browser.post(f"{page_of(booked)}/cancel", data={"revision": "soon"})

    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("text/html")


def test_a_database_that_is_away_is_said_on_a_page(browser: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise OperationalError("SELECT", {}, Exception())

    monkeypatch.setattr(bookings, "shop_open", away)

    answer = browser.get("/s/vicky")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert answer.headers["content-type"].startswith("text/html")


def test_a_mistake_of_ours_is_said_on_a_page_without_its_text(
    browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistaken(*_: object) -> None:
        raise RuntimeError("090-0000-0012")

    monkeypatch.setattr(bookings, "shop_open", mistaken)

    answer = browser.get("/s/vicky")

    assert answer.status_code == 500
    assert "0012" not in answer.text


def test_files_are_kept_for_ever_under_a_name_that_changes_with_them(browser: TestClient) -> None:
    sheet = re.search(r'href="(/assets/pages-[0-9a-f]{12}\.css)"', browser.get("/s/vicky").text)
    assert sheet

    answer = browser.get(sheet[1])

    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]
    assert browser.get("/assets/pages-000000000000.css").status_code == 404


def test_behind_a_path_every_link_of_ours_begins_with_it(
    browser: TestClient, environment: pytest.MonkeyPatch, held: str
) -> None:
    environment.setenv("PUBLIC_URL", "https://www.example.jp/concierge/")
    from worker.settings import settings

    settings.cache_clear()

    page = browser.get(held).text

    assert f'action="/concierge{held}"' in page
    assert 'href="/concierge/assets/pages-' in page


def test_the_device_check_says_what_it_cannot_do_without_scripts(browser: TestClient) -> None:
    page = browser.get("/device-check?shop=vicky&lang=en")

    assert "This check needs JavaScript." in page.text
    assert "camera=(self)" in page.headers["permissions-policy"]
    assert "camera=()" in browser.get("/s/vicky").headers["permissions-policy"]
