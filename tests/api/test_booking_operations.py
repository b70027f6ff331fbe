"""Bookings over HTTP: what a caller is told at once, and that the same thing again gets the same answer."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from api.resources import BookingRequest
from models.booking import Released, Status
from models.job import Name
from tests.api.calling import OTHER_SLOT, SLOT, TODAY, Caller, at, wish
from tests.conftest import StoppedTime
from tests.worker.desk import DEADLINE, MINUTE, MOMENT, NOW, at_once, phone, sqlite_only
from worker import bookings
from worker.database import Database
from worker.recipients import second_contact_of

END_OF_HOLD = NOW + 10 * MINUTE
NOBODY = UUID(int=404)


@pytest.fixture
def caller(seeded: Database, time: StoppedTime) -> Caller:
    return Caller.of(seeded, time)


# Hold


@sqlite_only
def test_a_hold_is_answered_with_201_where_it_is_and_until_when(caller: Caller) -> None:
    answer = caller.ask()

    held = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/v1/bookings/{held['id']}"
    assert (held["status"], held["revision"], at(held["hold_expires_at"])) == ("held", 1, END_OF_HOLD)
    assert held["code"] == {
        "expires_at": "2030-06-03T01:10:00Z",
        "attempts_left": 5,
        "resends_left": 3,
        "resend_at": "2030-06-03T01:01:00Z",
        "page_host": "127.0.0.1",
    }


@sqlite_only
def test_a_hold_is_committed_with_the_job_that_sends_the_code(caller: Caller) -> None:
    caller.ask()

    assert caller.owed() == [Name.END_HOLD, Name.DISPATCH_CODE]


@sqlite_only
def test_no_answer_holds_contact_name_memo_or_code(caller: Caller) -> None:
    answer = caller.ask(name="山田花子", memo="canary memo", source_url="https://shop.example.jp/canary")
    booking_id = UUID(answer.json()["id"])

    told = answer.text + caller.get(booking_id).text

    assert not any(canary in told for canary in ("山田", "canary", "9000000012", "0000-0012", "192.0.2.10"))
    assert caller.code(booking_id) not in told


@sqlite_only
def test_links_are_handed_out_only_once_the_booking_is_complete(caller: Caller) -> None:
    booking_id = caller.held()
    before = caller.get(booking_id).json()

    after = caller.post(booking_id, "code", code=caller.code(booking_id)).json()

    assert not {"call_url", "booking_page_url"} & set(before)
    assert {"call_url", "booking_page_url"} <= set(after)


@sqlite_only
@pytest.mark.parametrize(
    "starts_at", ["2030-06-04T12:00:00+09:00", "2030-06-04T03:00:00+00:00", "2030-06-03T23:00:00-04:00"]
)
def test_a_slot_may_be_named_in_any_offset(caller: Caller, starts_at: str) -> None:
    assert caller.ask(starts_at=starts_at).json()["starts_at"] == SLOT


@sqlite_only
def test_who_comes_second_is_told_of_other_free_slots_and_gets_no_code(caller: Caller) -> None:
    caller.held(shop="fred")

    answer = caller.ask(shop="fred", contact={"phone": "090-0000-0013"})

    told = answer.json()
    assert (answer.status_code, told["code"]) == (409, "slot_taken")
    assert [slot["starts_at"] for slot in told["free_slots"]] == [f"2030-06-04T0{n}:00:00Z" for n in range(4, 9)]
    assert len(caller.jobs(Name.DISPATCH_CODE)) == 1


@sqlite_only
def test_a_slot_that_does_not_exist_is_answered_with_slots_that_do(caller: Caller) -> None:
    answer = caller.ask(starts_at="2030-06-04T03:01:00Z")

    assert (answer.status_code, answer.json()["code"]) == (409, "slot_unknown")
    assert answer.json()["free_slots"][0]["starts_at"] == "2030-06-04T03:20:00Z"


@sqlite_only
@pytest.mark.parametrize(
    "starts_at",
    ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-12:00"],
)
def test_an_instant_at_the_ends_of_time_is_refused_and_is_no_fault(caller: Caller, starts_at: str) -> None:
    answer = caller.ask(starts_at=starts_at)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/starts_at")


@sqlite_only
@pytest.mark.parametrize("shop", ["nowhere", "vicky"])
def test_a_shop_that_is_unknown_and_one_that_is_switched_off_are_answered_alike(caller: Caller, shop: str) -> None:
    caller.set_shop("vicky", enabled=False)

    answer = caller.ask(shop=shop)

    assert (answer.status_code, answer.json()["code"]) == (404, "shop_closed")


@sqlite_only
@pytest.mark.parametrize(
    ("contact", "code"),
    [
        ({"phone": "03-3210-0000"}, "phone_not_mobile"),
        ({"phone": "+1 212 555 2368"}, "phone_country_not_served"),
        ({"phone": "12"}, "phone_invalid"),
        ({"email": "hanako@"}, "email_invalid"),
    ],
)
def test_a_contact_that_cannot_be_served_is_refused_with_a_pointer_and_without_an_echo(
    caller: Caller, contact: dict[str, str], code: str
) -> None:
    answer = caller.ask(contact=contact)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["errors"][0]["pointer"].startswith("/contact")
    assert not any(value in answer.text for value in contact.values() if len(value) > 2)
    assert caller.bookings() == []


@sqlite_only
def test_a_second_contact_is_normalised_and_sealed_with_the_booking(caller: Caller) -> None:
    booking_id = caller.held(second_contact={"email": "ｈanako@EXAMPLE.jp"})

    with caller.database.snapshot() as session:
        named = second_contact_of(session, caller.booking(booking_id))
    assert named == "hanako@example.jp"


@sqlite_only
def test_a_second_contact_that_cannot_be_served_is_refused_with_a_pointer_and_without_an_echo(caller: Caller) -> None:
    answer = caller.ask(key="k", second_contact={"email": "canary@"})
    again = caller.ask(key="k", second_contact={"email": "canary@"})

    assert (answer.status_code, answer.json()["code"]) == (422, "email_invalid")
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/second_contact"]
    assert "canary" not in answer.text
    assert again.json() == answer.json()
    assert caller.bookings() == []


@sqlite_only
@pytest.mark.parametrize(
    ("contact", "second"),
    [
        ({"email": "hanako@example.jp"}, {"email": "taro@example.jp"}),
        ({"phone": "090-0000-0012"}, {"phone": "090-0000-0013"}),
        ({"phone": "090-0000-0012"}, {}),
    ],
    ids=["beside a mailbox", "another number", "nothing"],
)
def test_a_second_contact_is_a_mailbox_beside_a_number(
    caller: Caller, contact: dict[str, str], second: dict[str, str]
) -> None:
    """What is never used is not asked for."""
    answer = caller.ask(contact=contact, second_contact=second)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert all(fault["pointer"].startswith("/second_contact") for fault in answer.json()["errors"])


@sqlite_only
def test_no_answer_says_that_there_is_a_second_contact(caller: Caller) -> None:
    answer = caller.ask(second_contact={"email": "canary@example.jp"})
    booking_id = UUID(answer.json()["id"])

    told = answer.text + caller.get(booking_id).text + caller.post(booking_id, "code", code="000000").text

    assert "canary" not in told
    assert "second" not in told


@sqlite_only
def test_another_second_contact_under_the_same_key_is_another_request(caller: Caller) -> None:
    caller.ask(key="k", second_contact={"email": "hanako@example.jp"})

    answer = caller.ask(key="k", second_contact={"email": "taro@example.jp"})

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_a_request_without_a_second_contact_is_the_one_that_older_versions_knew() -> None:
    """A request that is repeated after a release must be known by its key."""
    asked = BookingRequest.model_validate(wish())

    assert "second_contact" not in asked.model_dump(mode="json")


@sqlite_only
def test_a_contact_that_is_known_and_one_that_is_new_are_answered_alike(caller: Caller) -> None:
    """Nobody learns from an answer who has booked before."""
    caller.booked()

    known = caller.ask(starts_at=OTHER_SLOT).json()
    new = caller.ask(starts_at=OTHER_SLOT, contact={"phone": "090-0000-0013"}).json()

    own = {"id", "reference"}
    assert {key: value for key, value in known.items() if key not in own} == {
        key: value for key, value in new.items() if key not in own
    }


@sqlite_only
def test_a_form_that_is_submitted_twice_is_one_booking_and_one_code(caller: Caller) -> None:
    first, second = caller.ask(), caller.ask()

    assert first.json() == second.json()
    assert len(caller.jobs(Name.DISPATCH_CODE)) == 1


def test_of_twenty_requests_at_once_for_one_slot_one_is_held(caller: Caller) -> None:
    """Fault 1: about forty double bookings a week."""
    asks = [lambda n=n: caller.ask(shop="fred", contact={"phone": phone(100 + n)}) for n in range(20)]

    answers = at_once(*asks)

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    assert all(answer.json()["free_slots"] for answer in answers if answer.status_code == 409)
    assert len(caller.jobs(Name.DISPATCH_CODE)) == 1


# Code


@sqlite_only
def test_the_same_code_again_gets_the_same_answer(caller: Caller) -> None:
    booking_id = caller.held()
    code = caller.code(booking_id)

    answers = [caller.post(booking_id, "code", code=code) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200] * 3
    assert answers[0].json() == answers[1].json() == answers[2].json()
    assert answers[0].json()["status"] == "confirmed"


@sqlite_only
def test_a_wrong_code_is_422_and_what_was_counted_stays_counted(caller: Caller) -> None:
    booking_id = caller.held()

    answers = [caller.post(booking_id, "code", code=caller.wrong_code(booking_id)) for _ in range(2)]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(422, "code_wrong")] * 2
    assert [answer.json()["attempts_left"] for answer in answers] == [4, 3]


@sqlite_only
def test_the_fifth_wrong_code_ends_the_hold_and_the_right_one_comes_too_late(caller: Caller) -> None:
    booking_id = caller.held()
    answers = [caller.post(booking_id, "code", code=caller.wrong_code(booking_id)) for _ in range(5)]

    right = caller.post(booking_id, "code", code=caller.code(booking_id))

    assert (answers[-1].status_code, answers[-1].json()["code"]) == (409, "code_exhausted")
    assert (right.status_code, right.json()["code"]) == (409, "code_exhausted")
    assert caller.get(booking_id).json()["released_because"] == Released.ATTEMPTS


def test_of_fifty_wrong_codes_sent_at_once_five_are_compared(caller: Caller) -> None:
    """Fault 21."""
    booking_id = caller.held()
    wrong = caller.wrong_code(booking_id)

    answers = at_once(*[lambda: caller.post(booking_id, "code", code=wrong)] * 50)

    codes = [answer.json()["code"] for answer in answers]
    assert (codes.count("code_wrong"), codes.count("code_exhausted")) == (4, 46)


@sqlite_only
@pytest.mark.parametrize("given", ["", "12345", "1234567", "abcdef", "' OR 1=1 --"])
def test_what_is_no_code_is_a_wrong_code_and_not_a_fault(caller: Caller, given: str) -> None:
    booking_id = caller.held()

    answer = caller.post(booking_id, "code", code=given)

    assert (answer.status_code, answer.json()["code"]) == (422, "code_wrong")


@sqlite_only
def test_a_code_typed_in_full_width_digits_is_the_same_code(caller: Caller) -> None:
    booking_id = caller.held()
    full_width = caller.code(booking_id).translate(str.maketrans("0123456789", "０１２３４５６７８９"))

    assert caller.post(booking_id, "code", code=full_width).status_code == 200


@sqlite_only
def test_a_late_code_is_refused_with_what_is_still_free(caller: Caller) -> None:
    booking_id = caller.held()
    caller.time.move_to(END_OF_HOLD)

    answer = caller.post(booking_id, "code", code=caller.code(booking_id))

    assert (answer.status_code, answer.json()["code"]) == (409, "code_expired")
    assert answer.json()["free_slots"][0]["starts_at"] == SLOT, "its own slot is still free"


@sqlite_only
def test_a_code_is_judged_by_when_the_request_arrived_and_not_by_when_the_lock_was_had(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    booking_id = caller.held()
    caller.time.move_to(END_OF_HOLD - MOMENT)
    wait_for_the_lock_until(caller, END_OF_HOLD + timedelta(seconds=3), monkeypatch)

    answer = caller.post(booking_id, "code", code=caller.code(booking_id))

    assert answer.status_code == 200
    assert at(answer.json()["confirmed_at"]) <= END_OF_HOLD


def wait_for_the_lock_until(caller: Caller, later: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let time pass between the arrival of the next request and its lock on the booking."""
    locked = bookings.locked

    def slowly(*arguments: Any) -> Any:
        caller.time.move_to(later)
        return locked(*arguments)

    monkeypatch.setattr(bookings, "locked", slowly)


# Sending the code again


@sqlite_only
def test_who_asks_again_too_soon_is_told_when_to_come_back(caller: Caller) -> None:
    booking_id = caller.held()
    caller.time.advance(seconds=20)

    answer = caller.post(booking_id, "code/resend")

    assert (answer.status_code, answer.json()["code"]) == (429, "resend_too_soon")
    assert answer.headers["Retry-After"] == "40"


@sqlite_only
def test_three_codes_are_sent_again_and_a_fourth_is_not(caller: Caller) -> None:
    booking_id = caller.held()
    answers = []
    for _ in range(4):
        caller.time.advance(minutes=1)
        answers.append(caller.post(booking_id, "code/resend"))

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.json()["code"]["resends_left"] for answer in answers[:3]] == [2, 1, 0]
    assert answers[3].json()["code"] == "resend_too_often"


@sqlite_only
def test_a_complete_booking_is_sent_no_code_and_is_shown_as_it_stands(caller: Caller) -> None:
    booking_id = caller.booked()

    answer = caller.post(booking_id, "code/resend")

    assert (answer.status_code, answer.json()["code"]) == (409, "illegal_move")
    assert answer.json()["booking"]["status"] == "confirmed"


# Change


@sqlite_only
def test_a_change_is_answered_with_the_new_time_revision_deadline_and_call_url(caller: Caller) -> None:
    booking_id = caller.booked()
    before = caller.get(booking_id).json()

    after = caller.post(booking_id, "change", starts_at=OTHER_SLOT, expected_revision=1).json()

    assert (after["id"], after["starts_at"], after["revision"]) == (before["id"], OTHER_SLOT, 2)
    assert after["change_deadline_at"] == "2030-06-05T15:00:00Z"
    assert after["call_url"] != before["call_url"]
    assert after["booking_page_url"] == before["booking_page_url"]


@sqlite_only
def test_the_same_change_again_gets_the_same_answer_and_counts_once(caller: Caller) -> None:
    booking_id = caller.booked()

    answers = [caller.post(booking_id, "change", starts_at=OTHER_SLOT, expected_revision=1) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert len(caller.jobs(Name.ANNOUNCE_CHANGE)) == 1


@sqlite_only
def test_a_decision_on_an_older_revision_is_refused_with_the_present_state(caller: Caller) -> None:
    booking_id = caller.booked()
    caller.post(booking_id, "change", starts_at=OTHER_SLOT, expected_revision=1)

    answer = caller.post(booking_id, "cancel", expected_revision=1)

    told = answer.json()
    assert (answer.status_code, told["code"], told["revision"]) == (409, "stale_revision", 2)
    assert (told["booking"]["starts_at"], told["booking"]["status"]) == (OTHER_SLOT, "confirmed")


@sqlite_only
def test_a_change_to_a_slot_that_is_gone_changes_nothing_and_names_others(caller: Caller) -> None:
    booking_id = caller.booked(shop="fred")
    caller.booked(shop="fred", starts_at=OTHER_SLOT, contact={"phone": phone(13)})
    before = caller.get(booking_id).json()

    answer = caller.post(booking_id, "change", starts_at=OTHER_SLOT, expected_revision=1)

    assert (answer.status_code, answer.json()["code"]) == (409, "slot_taken")
    assert answer.json()["free_slots"]
    assert caller.get(booking_id).json() == before
    assert len(caller.claims(booking_id)) == 12


@sqlite_only
def test_a_change_that_is_final_must_be_accepted_as_such(caller: Caller) -> None:
    booking_id = caller.booked()

    asked = caller.post(booking_id, "change", starts_at=TODAY, expected_revision=1)
    done = caller.post(booking_id, "change", starts_at=TODAY, expected_revision=1, accept_final=True)

    assert (asked.status_code, asked.json()["code"]) == (409, "confirmation_needed")
    assert (done.status_code, done.json()["can_change"]) == (200, False)


# Cancel


@sqlite_only
def test_a_second_cancellation_returns_what_the_first_did(caller: Caller) -> None:
    booking_id = caller.booked()

    answers = [caller.post(booking_id, "cancel", expected_revision=1) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert (answers[0].json()["status"], answers[0].json()["cancelled_by"]) == ("cancelled", "customer")
    assert len(caller.jobs(Name.ANNOUNCE_CANCELLATION)) == 1


@sqlite_only
def test_giving_up_a_hold_releases_it_and_nobody_is_told(caller: Caller) -> None:
    booking_id = caller.held()

    answers = [caller.post(booking_id, "cancel", expected_revision=1) for _ in range(2)]

    assert [answer.json()["released_because"] for answer in answers] == ["abandoned", "abandoned"]
    assert caller.owed(Name.ANNOUNCE_CANCELLATION) == []
    assert caller.claims() == []


@sqlite_only
def test_at_midnight_a_cancellation_is_refused_with_the_deadline_and_the_contact_address(caller: Caller) -> None:
    """B20, B30."""
    booking_id = caller.booked()
    caller.time.move_to(DEADLINE)

    answer = caller.post(booking_id, "cancel", expected_revision=1)

    told = answer.json()
    assert (answer.status_code, told["code"]) == (409, "window_closed")
    assert at(told["change_deadline_at"]) == DEADLINE
    # Each shop has a rule of its own, so the sentence names the member and no day.
    assert "until `change_deadline_at`" in told["detail"]
    assert told["booking"]["contact_url"] == "https://www.example.jp/contact/queens-court"
    assert caller.booking(booking_id).status is Status.CONFIRMED


@sqlite_only
@pytest.mark.parametrize("operation", ["cancel", "change"])
def test_a_request_of_2359_that_waits_for_a_lock_until_after_midnight_succeeds(
    caller: Caller, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    booking_id = caller.booked()
    caller.time.move_to(DEADLINE - timedelta(milliseconds=1))
    wait_for_the_lock_until(caller, DEADLINE + timedelta(seconds=20), monkeypatch)
    body: dict[str, Any] = {"expected_revision": 1} | ({"starts_at": OTHER_SLOT} if operation == "change" else {})

    answer = caller.post(booking_id, operation, **body)

    assert answer.status_code == 200, answer.text


@sqlite_only
def test_no_look_changes_anything(caller: Caller) -> None:
    """Fault 14: link scanners cancelled by GET."""
    booking_id = caller.booked()
    caller.time.move_to(DEADLINE + MINUTE)
    before = (caller.trail(booking_id), caller.owed())

    for operation in ("", "/cancel", "/change", "/code", "/withdraw"):
        caller.http.get(f"/v1/bookings/{booking_id}{operation}")

    assert (caller.trail(booking_id), caller.owed()) == before


# Withdraw


@sqlite_only
def test_the_shop_withdraws_after_the_deadline_with_a_reason(caller: Caller) -> None:
    booking_id = caller.booked()
    caller.time.move_to(DEADLINE + MINUTE)

    answers = [caller.post(booking_id, "withdraw", reason="staff_ill") for _ in range(2)]

    assert [answer.json()["cancelled_by"] for answer in answers] == ["shop", "shop"]
    assert len(caller.jobs(Name.ANNOUNCE_CANCELLATION)) == 1
    assert caller.trail(booking_id)[-1] == "cancelled"


@sqlite_only
@pytest.mark.parametrize("reason", ["", "Frau Yamada is ill", "+819000000012", "a@example.jp", "x" * 41])
def test_a_reason_is_a_code_and_can_hold_nothing_personal(caller: Caller, reason: str) -> None:
    booking_id = caller.booked()

    assert caller.post(booking_id, "withdraw", reason=reason).status_code == 422
    assert caller.booking(booking_id).status is Status.CONFIRMED


# What is not there


@sqlite_only
@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("code", {"code": "482913"}),
        ("code/resend", {}),
        ("change", {"starts_at": OTHER_SLOT, "expected_revision": 1}),
        ("cancel", {"expected_revision": 1}),
        ("withdraw", {"reason": "staff_ill"}),
    ],
)
def test_a_booking_that_does_not_exist_is_404_whatever_is_asked_of_it(
    caller: Caller, operation: str, body: dict[str, Any]
) -> None:
    answer = caller.post(NOBODY, operation, **body)

    assert (answer.status_code, answer.json()["code"]) == (404, "booking_not_found")


@sqlite_only
def test_when_the_database_is_down_nothing_is_accepted_and_the_caller_is_told_to_come_again(caller: Caller) -> None:
    with caller.database.transaction() as session:
        session.execute(text("ALTER TABLE bookings RENAME TO away"))

    answer = caller.http.post("/v1/bookings", json=wish(), headers={"Idempotency-Key": "k"})

    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert answer.headers["Retry-After"] == "5"
