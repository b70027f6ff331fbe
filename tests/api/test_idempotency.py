"""The same request twice: one effect, one answer. Another request under the same key is an error."""

import re
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import delete, func, select

from models.access import IdempotentRequest
from models.job import Name
from models.shop import Shop
from tests.api.calling import OTHER_SLOT, SLOT, Caller, wish
from tests.conftest import StoppedTime
from tests.one_app import one_app
from tests.worker.desk import DEADLINE, MINUTE, at_once, phone, postgresql_only, sqlite_only
from tests.worker.floor import Floor
from worker import slots
from worker.database import Database
from worker.in_call import reporting
from worker.links import LinkRole, staff_token, token
from worker.people import erasing


@pytest.fixture
def caller(seeded: Database, time: StoppedTime) -> Caller:
    return Caller.of(seeded, time)


def kept(caller: Caller) -> list[IdempotentRequest]:
    with caller.database.snapshot() as session:
        return list(session.scalars(select(IdempotentRequest)))


@sqlite_only
def test_a_hold_without_a_key_is_refused(caller: Caller) -> None:
    answer = caller.http.post("/v1/bookings", json=wish())

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")
    assert caller.bookings() == []


@sqlite_only
@pytest.mark.parametrize("key", ["", '""', "two words", "x" * 201, 'in"side', "ü"])
def test_a_malformed_key_is_refused(caller: Caller, key: str) -> None:
    answer = caller.http.post("/v1/bookings", json=wish(), headers={b"Idempotency-Key": key.encode()})

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_malformed")


@sqlite_only
def test_a_key_may_stand_in_the_quotes_of_a_structured_field(caller: Caller) -> None:
    bare, quoted = caller.ask(key="k-1"), caller.ask(key='"k-1"')

    assert bare.json() == quoted.json()
    assert "Idempotent-Replayed" in quoted.headers


@sqlite_only
def test_the_same_request_again_gets_the_recorded_answer_status_and_headers(caller: Caller) -> None:
    first = caller.ask(key="k")
    caller.time.advance(minutes=5)

    second = caller.ask(key="k")

    assert (second.status_code, second.json()) == (first.status_code, first.json())
    assert second.headers["Location"] == first.headers["Location"]
    assert ("Idempotent-Replayed" in first.headers, second.headers["Idempotent-Replayed"]) == (False, "true")
    assert len(caller.jobs(Name.DISPATCH_CODE)) == 1


@sqlite_only
def test_members_in_another_order_are_the_same_request(caller: Caller) -> None:
    headers = {"Idempotency-Key": "k"}
    first = caller.http.post("/v1/bookings", json=wish(), headers=headers)

    second = caller.http.post("/v1/bookings", json=dict(reversed(wish().items())), headers=headers)

    assert second.json() == first.json()


@sqlite_only
def test_another_request_under_the_same_key_is_an_error(caller: Caller) -> None:
    caller.ask(key="k")

    answer = caller.ask(key="k", starts_at=OTHER_SLOT)

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert len(caller.bookings()) == 1


@sqlite_only
def test_the_same_body_at_another_address_is_another_request(caller: Caller) -> None:
    one, other = caller.booked(), caller.booked(contact={"phone": phone(13)})
    headers = {"Idempotency-Key": "k"}
    caller.post(one, "cancel", headers=headers, expected_revision=1)

    answer = caller.post(other, "cancel", headers=headers, expected_revision=1)

    assert answer.status_code == 422
    assert caller.get(other).json()["status"] == "confirmed"


@sqlite_only
def test_two_callers_may_use_the_same_key(caller: Caller) -> None:
    """A key belongs to who sends it: no caller can read, or block, another's answer."""
    one, other = caller.key("one"), caller.key("other")

    first = caller.ask(key="k", headers=one)
    second = caller.ask(key="k", headers=other, contact={"phone": phone(13)})

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] != second.json()["id"]


@sqlite_only
def test_a_key_names_a_request_and_not_its_content(caller: Caller) -> None:
    """Fault 25: a key built of slot and user blocked a legitimate rebooking."""
    first = caller.booked()
    caller.post(first, "cancel", expected_revision=1)

    second = caller.ask(key="another-request")

    assert second.status_code == 201
    assert second.json()["id"] != str(first)


@sqlite_only
def test_a_refusal_is_kept_as_the_answer_as_well(caller: Caller) -> None:
    booking_id = caller.booked()
    caller.time.move_to(DEADLINE)
    headers = {"Idempotency-Key": "k"}
    first = caller.post(booking_id, "cancel", headers=headers, expected_revision=1)
    caller.time.move_to(DEADLINE - MINUTE)

    second = caller.post(booking_id, "cancel", headers=headers, expected_revision=1)

    assert (first.status_code, first.json()["code"]) == (409, "window_closed")
    assert (second.status_code, second.json()) == (409, first.json())
    assert second.headers["Content-Type"] == "application/problem+json"


@sqlite_only
def test_a_wrong_code_that_is_sent_again_is_counted_once(caller: Caller) -> None:
    booking_id = caller.held()
    wrong, headers = caller.wrong_code(booking_id), {"Idempotency-Key": "k"}

    answers = [caller.post(booking_id, "code", headers=headers, code=wrong) for _ in range(3)]

    assert {answer.json()["attempts_left"] for answer in answers} == {4}
    assert caller.verification(booking_id).attempts == 1


@sqlite_only
def test_a_request_that_was_not_valid_uses_no_key_up(caller: Caller) -> None:
    invalid = caller.ask(key="k", starts_at="tomorrow")

    valid = caller.ask(key="k")

    assert (invalid.status_code, valid.status_code) == (422, 201)


@sqlite_only
def test_an_answer_is_kept_sealed_because_it_holds_links(caller: Caller) -> None:
    booking_id = caller.held()
    answer = caller.post(booking_id, "code", headers={"Idempotency-Key": "k"}, code=caller.code(booking_id)).json()

    rows = "".join(str(vars(row)) for row in kept(caller))

    assert answer["call_url"].rpartition("/")[2] not in rows
    assert answer["booking_page_url"].rpartition("/")[2] not in rows


@sqlite_only
def test_after_a_day_the_key_is_free_again(caller: Caller) -> None:
    caller.ask(key="k")
    caller.time.advance(hours=24, seconds=1)

    answer = caller.ask(key="k", starts_at=OTHER_SLOT)

    assert answer.status_code == 201


@sqlite_only
def test_where_no_key_is_required_none_is_kept(caller: Caller) -> None:
    booking_id = caller.held()
    with caller.database.transaction() as session:
        session.execute(delete(IdempotentRequest))

    caller.post(booking_id, "cancel", expected_revision=1)

    assert kept(caller) == []


def test_the_same_request_ten_times_at_once_is_one_booking_with_one_code(caller: Caller) -> None:
    """On SQLite the others wait and get the answer; on PostgreSQL they may be told that it is being answered."""
    answers = at_once(*[lambda: caller.ask(key="k")] * 10)

    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) <= {201, 409}
    assert statuses[201] >= 1
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {"request_in_progress"}
    assert len(caller.bookings()) == len(caller.jobs(Name.DISPATCH_CODE)) == 1


@postgresql_only
def test_while_the_first_is_being_answered_the_second_is_told_to_come_again(caller: Caller) -> None:
    under_way = func.pg_advisory_xact_lock(func.hashtextextended("development:k", 0))
    with caller.database.transaction() as session:
        session.execute(select(under_way))

        waiting = caller.ask(key="k")

    assert (waiting.status_code, waiting.json()["code"]) == (409, "request_in_progress")
    assert waiting.headers["Retry-After"] == "1"
    assert caller.ask(key="k").status_code == 201


@sqlite_only
def test_an_answer_is_kept_for_a_day_to_the_second(caller: Caller) -> None:
    first = caller.ask(key="k")
    caller.time.at += timedelta(hours=24)

    assert caller.ask(key="k").json() == first.json()


# Two that wait for each other


def only_one_seat(caller: Caller) -> None:
    with caller.database.snapshot() as session:
        rules = dict(session.get_one(Shop, "queens-court").calendar_rules)
    caller.set_shop("queens-court", calendar_rules=rules | {"seats": 1})


def let_both_give_up_their_slots_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two changes free their own ticks at the same moment, before either takes the other's."""
    free, met, both = slots.free, set[UUID](), Barrier(2)

    def freed_together(session: Any, booking_id: UUID) -> None:
        free(session, booking_id)
        if booking_id not in met:
            met.add(booking_id)
            both.wait(timeout=30)

    monkeypatch.setattr(slots, "free", freed_together)


def by_the_api(caller: Caller, booking_id: UUID, starts_at: str) -> Response:
    headers = {"Idempotency-Key": str(booking_id)}
    return caller.post(booking_id, "change", headers=headers, starts_at=starts_at, expected_revision=1)


def by_the_page(caller: Caller, booking_id: UUID, starts_at: str) -> Response:
    address = f"/b/{token(LinkRole.BOOKING_PAGE, booking_id)}/change"
    return caller.http.post(address, data={"start": starts_at, "revision": "1"}, follow_redirects=False)


@postgresql_only
@pytest.mark.parametrize("change", [by_the_api, by_the_page])
def test_two_who_swap_their_only_slots_at_once_are_both_answered(
    caller: Caller,
    change: Callable[[Caller, UUID, str], Response],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    only_one_seat(caller)
    one, other = caller.booked(), caller.booked(contact={"phone": phone(13)}, starts_at=OTHER_SLOT)
    let_both_give_up_their_slots_first(monkeypatch)
    caplog.set_level("INFO", logger="worker.database")

    answers = at_once(lambda: change(caller, one, OTHER_SLOT), lambda: change(caller, other, SLOT))

    taken_back = [line.__dict__["code"] for line in caplog.records if "begins anew" in line.message]
    assert set(taken_back) <= {"40P01"}, "nothing else is taken back"
    assert [answer.status_code for answer in answers] == [409, 409], "each slot is the other's"
    assert {claim.booking_id for claim in caller.claims()} == {one, other}


@postgresql_only
def test_what_was_taken_back_and_begun_anew_is_kept_under_its_key_once(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_one_seat(caller)
    one, other = caller.booked(), caller.booked(contact={"phone": phone(13)}, starts_at=OTHER_SLOT)
    let_both_give_up_their_slots_first(monkeypatch)

    first = at_once(lambda: by_the_api(caller, one, OTHER_SLOT), lambda: by_the_api(caller, other, SLOT))
    again = [by_the_api(caller, one, OTHER_SLOT), by_the_api(caller, other, SLOT)]

    assert [answer.headers.get("Idempotent-Replayed") for answer in again] == ["true", "true"]
    assert [answer.json() for answer in again] == [answer.json() for answer in first]


@postgresql_only
def test_a_report_from_the_staff_page_that_meets_an_erasure_is_answered(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    Floor(caller.database).hire("hana")
    booking_id = caller.booked()
    caller.post(booking_id, "cancel", expected_revision=1)
    customer_id = caller.booking(booking_id).customer_id
    browser = TestClient(one_app(), follow_redirects=False, raise_server_exceptions=False)
    browser.post(f"/staff/{staff_token('queens-court', 'hana', 0)}")
    proof = re.search(r'data-proof="([0-9a-f]+)"', browser.get("/staff").text)
    assert proof
    form = {"proof": proof[1], "booking": str(booking_id), "category": "abuse", "text": "words"}
    both = Barrier(2)
    # The one has locked the booking by then, the other the customer.
    meet_first(monkeypatch, reporting, "report", both)
    meet_first(monkeypatch, erasing, "_end_messages", both)

    reported, erased = at_once(
        lambda: browser.post("/staff/report", data=form),
        lambda: caller.http.post(f"/v1/customers/{customer_id}/erase", json={"reason": "asked"}),
    )

    assert erased.status_code == 200, erased.text
    assert reported.status_code in {303, 409}, "filed before it, or too late"


def meet_first(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, both: Barrier) -> None:
    """Let the first call of a function wait for that of another."""
    does, met = getattr(where, name), list[bool]()

    def together(*given: Any, **named: Any) -> Any:
        if not met:
            met.append(True)
            both.wait(timeout=30)
        return does(*given, **named)

    monkeypatch.setattr(where, name, together)
