"""Operators and customers over HTTP: find, look, ask, hand out, erase, block, inquire; who may, and what it leaves."""

from typing import Any
from uuid import UUID

import pytest
from httpx2 import Response
from sqlalchemy import select

from models.access import IdempotentRequest, Scope
from models.booking import Cause
from models.job import Name
from models.message import Kind
from tests.api.calling import OTHER_SLOT, PHONE, Caller
from tests.conftest import StoppedTime
from tests.worker.desk import NOW, phone, sqlite_only
from worker import bookings, inquiries
from worker.chance import new_id
from worker.clock import unix_ms
from worker.database import Database

pytestmark = sqlite_only

REASON = "お電話でのご依頼"
SHOP = "queens-court"


@pytest.fixture
def caller(seeded: Database, time: StoppedTime) -> Caller:
    return Caller.of(seeded, time)


@pytest.fixture
def customer(caller: Caller) -> UUID:
    """A customer of QUEENS COURT with a booking and everything one can say."""
    booking_id = caller.booked(name="山田花子", memo="canary memo")
    return caller.booking(booking_id).customer_id


def act(caller: Caller, path: str, *, headers: Any = None, **body: Any) -> Response:
    return caller.http.post(f"/v1/{path}", json={"reason": REASON, **body}, headers=headers)


def end_all(caller: Caller) -> None:
    """Let the shop cancel whatever is open."""
    for booking in caller.bookings():
        with caller.locked(booking.id) as (session, locked):
            bookings.withdraw(session, locked, Cause.SHOP, now=NOW, actor="key:desk", reason="staff_ill")


# One customer


def test_who_knows_a_contact_finds_the_customer_and_reads_the_trail(caller: Caller, customer: UUID) -> None:
    found = act(caller, "customers/find", shop=SHOP, contact={"phone": PHONE})
    trail = act(caller, f"customers/{customer}/trail")

    assert found.json() == {"customer": str(customer)}
    assert [booking["status"] for booking in trail.json()["bookings"]] == ["confirmed"]
    assert "canary" not in trail.text
    assert phone(12) not in trail.text


def test_an_export_is_opened_and_nobody_may_keep_it(caller: Caller, customer: UUID) -> None:
    answer = act(caller, f"customers/{customer}/export", headers={"Idempotency-Key": "export-1"})

    told = answer.json()
    assert (told["customer"]["contact"], told["bookings"][0]["memo"]) == (phone(12), "canary memo")
    assert answer.headers["Cache-Control"] == "no-store"
    with caller.database.snapshot() as session:
        kept = session.scalars(select(IdempotentRequest.key)).all()
    assert "export-1" not in kept


def test_a_reason_is_asked_for(caller: Caller, customer: UUID) -> None:
    answer = caller.http.post(f"/v1/customers/{customer}/trail", json={})

    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/reason"]


def test_a_request_for_help_is_owed_to_the_customer(caller: Caller, customer: UUID) -> None:
    answer = act(caller, f"customers/{customer}/requests", text="端末の機種をお知らせください。")

    assert answer.status_code == 201
    assert len(caller.messages(Kind.CUSTOMER_REQUEST)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com をご覧ください",
        "bit.ly/x をご覧ください",
        "ｂｉｔ．ｌｙをご覧ください",
        "bit。lyをご覧ください",
        "192.0.2.1 をご覧ください",
        "一行目\n二行目",
        "短",
        "あ" * 121,
    ],
)
def test_a_request_is_one_short_line_without_links(caller: Caller, customer: UUID, text: str) -> None:
    assert act(caller, f"customers/{customer}/requests", text=text).status_code == 422


def test_erasing_is_refused_while_a_booking_is_open_and_then_for_ever(caller: Caller, customer: UUID) -> None:
    refused = act(caller, f"customers/{customer}/erase")
    end_all(caller)
    erased = act(caller, f"customers/{customer}/erase")
    again = act(caller, f"customers/{customer}/erase")

    assert (refused.status_code, refused.json()["code"]) == (409, "still_open")
    assert refused.json()["contact_url"] == "https://www.example.jp/contact/queens-court"
    assert (erased.status_code, erased.json()["erased_because"]) == (200, "asked")
    assert again.json() == erased.json()
    assert act(caller, "customers/find", shop=SHOP, contact={"phone": PHONE}).json() == {"customer": None}


@pytest.mark.parametrize("operation", ["trail", "export", "requests", "erase"])
def test_a_customer_of_another_shop_does_not_exist(caller: Caller, customer: UUID, operation: str) -> None:
    bound = caller.key("fred-desk", Scope.OPERATOR, shops=["fred"])
    body = {"text": "端末の機種をお知らせください。"} if operation == "requests" else {}

    answer = act(caller, f"customers/{customer}/{operation}", headers=bound, **body)

    assert (answer.status_code, answer.json()["code"]) == (404, "customer_not_found")


@pytest.mark.parametrize("path", ["customers/find", f"customers/{UUID(int=1)}/trail", "blocks", "audit/read"])
def test_it_takes_an_operators_key(caller: Caller, path: str) -> None:
    others = [scope for scope in Scope if scope is not Scope.OPERATOR]

    assert act(caller, path, headers=caller.key("site", *others)).status_code == 403


def test_what_was_done_about_customers_is_read_with_its_reasons(caller: Caller, customer: UUID) -> None:
    act(caller, f"customers/{customer}/trail")

    answer = act(caller, "audit/read", shop=SHOP)

    read = [(event["kind"], event["reason"]) for event in answer.json()["events"]]
    assert read == [("trail_shown", REASON), ("audit_read", REASON)]


# Blocks


def blocked(caller: Caller, **changes: Any) -> Response:
    body = {"shop": SHOP, "contact": {"phone": PHONE}, "because": "defamation", "report": None}
    return act(caller, "blocks", **(body | changes))


def test_a_blocked_contact_is_refused_with_where_to_ask_and_not_why(caller: Caller) -> None:
    blocked(caller)

    answer = caller.ask()

    told = answer.json()
    assert (answer.status_code, told["code"]) == (403, "prohibited_use")
    assert told["contact_url"] == "https://www.example.jp/contact/queens-court"
    assert not {"because", "reason", "block_id", "created_at"} & set(told)


def test_a_customer_may_be_blocked_by_who_does_not_know_the_contact(caller: Caller, customer: UUID) -> None:
    answer = blocked(caller, contact=None, customer=str(customer), because="obstruction")

    assert answer.status_code == 201
    assert caller.ask(starts_at=OTHER_SLOT).json()["code"] == "prohibited_use"


def test_a_lifted_block_is_told_no_more_and_serves_again(caller: Caller) -> None:
    made = blocked(caller).json()

    lifted = act(caller, f"blocks/{made['id']}/lift")

    listed = caller.http.get("/v1/blocks").json()["blocks"]
    assert (lifted.json()["lifted_by"], listed) == ("key:development", [])
    assert caller.ask().status_code == 201


def test_a_contact_that_is_on_the_list_is_not_put_there_again(caller: Caller) -> None:
    first = blocked(caller).json()

    answer = blocked(caller)

    assert (answer.status_code, answer.json()["code"], answer.json()["block_id"]) == (409, "known_already", first["id"])


def test_what_a_block_names_exists_and_is_the_shops(caller: Caller) -> None:
    fred = caller.booked(shop="fred")
    reported = caller.post(fred, "conduct-reports", category="abuse", text="canary words").json()["id"]

    told = [blocked(caller, **named) for named in ({"shop": "nowhere"}, {"report": str(fred)}, {"report": reported})]

    assert [(answer.status_code, answer.json()["code"]) for answer in told] == [
        (404, "shop_closed"),
        (404, "report_not_found"),
        (404, "report_not_found"),
    ]
    assert blocked(caller, shop="fred", report=reported).status_code == 201


def test_a_key_of_one_shop_blocks_nobody_at_all_shops(caller: Caller) -> None:
    bound = caller.key("fred-desk", Scope.OPERATOR, shops=["fred"])

    assert blocked(caller, shop=None, headers=bound).status_code == 403
    assert blocked(caller, headers=bound).status_code == 404


def test_the_list_cannot_be_asked_number_by_number(caller: Caller) -> None:
    caller.set_shop(SHOP, fair_use_rules={"refusals_per_network": 2})
    blocked(caller)

    told = [caller.ask().json()["code"] for _ in range(3)]

    assert told == ["prohibited_use", "prohibited_use", "too_many_requests"]


# Fair use


def test_a_fourth_open_booking_is_refused_with_where_to_ask(caller: Caller) -> None:
    for day in (4, 5, 6):
        caller.booked(starts_at=f"2030-06-0{day}T03:00:00Z")

    answer = caller.ask(starts_at="2030-06-07T03:00:00Z")

    told = answer.json()
    assert (answer.status_code, told["code"], told["most"]) == (409, "too_many_open_bookings", 3)
    assert told["contact_url"] == "https://www.example.jp/contact/queens-court"


def test_a_refused_contact_is_told_where_to_ask(caller: Caller) -> None:
    answer = caller.ask(contact={"phone": "03-0000-0000"})

    assert answer.status_code == 422
    assert answer.json()["contact_url"] == "https://www.example.jp/contact/queens-court"


def test_a_refusal_of_a_mere_question_names_the_contact_too(caller: Caller) -> None:
    caller.set_shop("fred", enabled=False)

    answer = caller.http.get("/v1/shops/fred/slots?from=2030-06-04&to=2030-06-05")

    assert (answer.status_code, answer.json()["contact_url"]) == (404, "https://www.example.jp/contact/fred")


# Inquiries


def inquire(caller: Caller, booking_id: UUID, **changes: Any) -> Response:
    body = {"booking": str(booking_id), "topic": "video_call", "text": "canary 音が聞こえません。"}
    headers = {"Idempotency-Key": str(new_id(unix_ms()))}
    return caller.http.post("/v1/inquiries", json=body | changes, headers=headers)


def test_an_inquiry_is_taken_and_its_handing_over_owed(caller: Caller) -> None:
    answer = inquire(caller, caller.booked())

    assert (answer.status_code, answer.json()["state"]) == (201, "received")
    assert len(caller.jobs(Name.ROUTE_INQUIRY)) == 1
    assert "canary" not in answer.text


def test_what_it_says_is_opened_by_a_post_that_is_written_down(caller: Caller) -> None:
    made = inquire(caller, caller.booked()).json()

    opened = act(caller, f"inquiries/{made['id']}/open")

    assert opened.json()["text"] == "canary 音が聞こえません。"
    events = act(caller, "audit/read", shop=SHOP).json()["events"]
    assert [event["kind"] for event in events] == ["inquiry_opened", "audit_read"]


def test_it_is_listed_handed_on_and_closed(caller: Caller) -> None:
    made = inquire(caller, caller.booked(), topic="item").json()
    with caller.database.transaction() as session:
        inquiry = inquiries.locked(session, UUID(made["id"]))
        assert inquiry is not None
        inquiries.route(session, inquiry, now=NOW)

    listed = caller.http.get(f"/v1/inquiries?shop={SHOP}").json()["inquiries"]
    closed = act(caller, f"inquiries/{made['id']}/answered").json()

    assert [each["id"] for each in listed] == [made["id"]]
    assert (closed["state"], caller.http.get("/v1/inquiries").json()["inquiries"]) == ("answered", [])


def test_they_are_listed_page_by_page(caller: Caller) -> None:
    booking_id = caller.booked()
    made = sorted(inquire(caller, booking_id, text=f"{number}").json()["id"] for number in range(3))
    query: dict[str, str] = {"state": "received", "limit": "2"}

    first = caller.http.get("/v1/inquiries", params=query).json()
    second = caller.http.get("/v1/inquiries", params=query | {"after": first["after"]}).json()

    assert [each["id"] for page in (first, second) for each in page["inquiries"]] == made
    assert second["after"] is None


def test_a_hold_is_no_booking_to_ask_about(caller: Caller) -> None:
    assert inquire(caller, caller.held()).json()["code"] == "illegal_move"


def test_five_inquiries_a_day_are_enough(caller: Caller) -> None:
    booking_id = caller.booked()

    told = [inquire(caller, booking_id, text=f"{number}").status_code for number in range(6)]

    assert told == [201] * 5 + [429]


# Retention


def test_what_is_kept_is_counted_by_shop(caller: Caller, customer: UUID) -> None:
    answer = caller.http.get(f"/v1/retention?shop={SHOP}")

    [told] = answer.json()["shops"]
    assert (told["kept"], told["due"], told["contact_days"]) == (1, 0, 90)
    assert str(customer) not in answer.text
