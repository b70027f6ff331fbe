"""Suspending the service over HTTP: who may, what is refused meanwhile, and what customers are told (B40 to B44)."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from httpx2 import Response

from models.access import Scope
from models.booking import Cause
from models.suspension import Suspension
from tests.api.calling import OTHER_SLOT, SLOT, Caller, at
from tests.conftest import StoppedTime
from tests.worker.desk import DEADLINE, MINUTE, NOW, sqlite_only
from worker.database import Database

pytestmark = sqlite_only

_numbers = count(1)
NOTICE = "https://www.example.jp/news/maintenance"
BEGINS, ENDS = "2030-06-04T02:00:00Z", "2030-06-04T06:00:00Z"
PLANNED: dict[str, Any] = {
    "reach": "global",
    "treatment": "cancel",
    "starts_at": BEGINS,
    "ends_at": ENDS,
    "notice_url": NOTICE,
    "reason": "maintenance 42",
}
AT_ONCE: dict[str, Any] = {
    "reach": "global",
    "without_notice_because": "an outage",
    "notice_url": NOTICE,
    "reason": "incident 7",
}


@pytest.fixture
def caller(seeded: Database, time: StoppedTime) -> Caller:
    return Caller.of(seeded, time)


def suspend(caller: Caller, body: dict[str, Any], *, headers: Any = None, **changes: Any) -> Response:
    key = {"Idempotency-Key": f"suspension-{next(_numbers)}"}
    return caller.http.post("/v1/suspensions", json=body | changes, headers=key | (headers or {}))


def suspended(caller: Caller, body: dict[str, Any], **changes: Any) -> Any:
    answer = suspend(caller, body, **changes)
    assert answer.status_code == 201, answer.text
    return answer.json()


def act(caller: Caller, stop: Any, action: str, *, headers: Any = None) -> Response:
    return caller.http.post(f"/v1/suspensions/{stop['id']}/{action}", json={"reason": "it is over"}, headers=headers)


def faults(answer: Response) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [fault["detail"] for fault in answer.json()["errors"]]


# Deciding


def test_a_planned_suspension_is_answered_with_where_to_see_it(caller: Caller) -> None:
    answer = suspend(caller, PLANNED)

    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/v1/suspensions/{answer.json()['id']}"
    assert caller.http.get(answer.headers["Location"]).json() == answer.json()


def test_nothing_is_stopped_twice_because_an_answer_was_lost(caller: Caller) -> None:
    answer = caller.http.post("/v1/suspensions", json=AT_ONCE)

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")


def test_nobody_suspends_a_provider_that_there_is_not(caller: Caller) -> None:
    answer = suspend(caller, AT_ONCE, reach="provider", provider="livekitt")

    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/provider"]


def test_it_says_that_those_affected_are_told_before_at_once_unless_said_otherwise(caller: Caller) -> None:
    """B42."""
    stop = suspended(caller, PLANNED)

    assert (stop["prior_notice"], at(stop["notice_at"])) == (True, NOW)


def test_it_keeps_the_reason_for_which_nobody_is_told_before(caller: Caller) -> None:
    """B42."""
    stop = suspended(caller, PLANNED, without_notice_because="a security fix")

    assert (stop["prior_notice"], stop["without_notice_because"]) == (False, "a security fix")


def test_it_names_who_decided_what_and_when(caller: Caller) -> None:
    """B43."""
    stop = suspended(caller, PLANNED)
    act(caller, stop, "undo")

    shown = caller.http.get(f"/v1/suspensions/{stop['id']}").json()
    assert [(event["kind"], event["by"].partition(":")[0]) for event in shown["events"]] == [
        ("planned", "key"),
        ("undone", "key"),
    ]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"reach": "shop"}, "give `shop`"),
        ({"shop": "fred"}, "give `shop`"),
        ({"reach": "provider"}, "give `provider`"),
        ({"ends_at": None}, "give `ends_at`"),
        ({"ends_at": BEGINS}, "must be after"),
        ({"notice_at": BEGINS}, "must be before"),
        ({"notice_at": "2030-06-03T02:00:00Z", "without_notice_because": "an outage"}, "not both"),
        ({"starts_at": None}, "begins at once"),
        ({"starts_at": "2030-06-03T01:00:00Z"}, "past"),
        ({"notice_url": "javascript:alert(1)"}, "should match"),
    ],
)
def test_what_does_not_fit_together_is_refused(caller: Caller, changes: dict[str, Any], complaint: str) -> None:
    told = faults(suspend(caller, {name: value for name, value in (PLANNED | changes).items() if value is not None}))

    assert [detail for detail in told if complaint in detail]


def test_a_shop_that_is_not_there_cannot_be_suspended(caller: Caller) -> None:
    answer = suspend(caller, PLANNED, reach="shop", shop="nowhere")

    assert (answer.status_code, answer.json()["code"]) == (404, "shop_closed")


def test_it_takes_an_operators_key(caller: Caller) -> None:
    booker = caller.key("booker", Scope.BOOKINGS_WRITE)

    assert suspend(caller, PLANNED, headers=booker).status_code == 403


def test_a_key_of_some_shops_cannot_stop_the_others(caller: Caller) -> None:
    """B36."""
    of_fred = caller.key("fred", shops=["fred"])

    assert suspend(caller, PLANNED, headers=of_fred).status_code == 403
    assert suspend(caller, PLANNED, reach="shop", shop="vicky", headers=of_fred).status_code == 404
    assert suspend(caller, PLANNED, reach="shop", shop="fred", headers=of_fred).status_code == 201


def test_a_key_of_some_shops_does_not_see_that_another_is_suspended(caller: Caller) -> None:
    stop = suspended(caller, PLANNED, reach="shop", shop="vicky")
    of_fred = caller.key("fred", shops=["fred"])

    assert caller.http.get(f"/v1/suspensions/{stop['id']}", headers=of_fred).status_code == 404
    assert caller.http.get("/v1/suspensions", headers=of_fred).json() == {"suspensions": []}
    assert act(caller, stop, "undo", headers=of_fred).status_code == 404


def test_a_key_of_some_shops_cannot_lift_what_concerns_them_all(caller: Caller) -> None:
    stop = suspended(caller, AT_ONCE)
    of_fred = caller.key("fred", shops=["fred"])

    assert act(caller, stop, "lift", headers=of_fred).status_code == 403


def test_those_that_run_or_are_planned_are_listed(caller: Caller) -> None:
    runs, undone = suspended(caller, AT_ONCE), suspended(caller, PLANNED)
    act(caller, undone, "undo")

    live = caller.http.get("/v1/suspensions").json()["suspensions"]
    over = caller.http.get("/v1/suspensions", params={"status": "undone"}).json()["suspensions"]

    assert [stop["id"] for stop in live] == [runs["id"]]
    assert [stop["id"] for stop in over] == [undone["id"]]


def test_undoing_twice_gives_the_same_answer(caller: Caller) -> None:
    stop = suspended(caller, PLANNED)

    assert act(caller, stop, "undo").json() == act(caller, stop, "undo").json()


def test_what_runs_is_lifted_and_not_undone(caller: Caller) -> None:
    stop = suspended(caller, AT_ONCE)

    undone, lifted = act(caller, stop, "undo"), act(caller, stop, "lift")

    assert (undone.status_code, undone.json()["code"]) == (409, "illegal_move")
    assert lifted.json()["status"] == "lifted"


# Looking first


def test_the_preview_names_the_bookings_inside_and_decides_nothing(caller: Caller) -> None:
    inside = caller.booked()
    caller.booked(starts_at=OTHER_SLOT, contact={"phone": "090-0000-0013"})

    preview = caller.http.post("/v1/suspensions/preview", json=PLANNED).json()

    assert (preview["holds"], preview["bookings"]) == (0, 1)
    assert [(each["id"], each["move_until"]) for each in preview["first"]] == [(str(inside), BEGINS)]
    assert caller.http.get("/v1/suspensions").json() == {"suspensions": []}


def test_the_preview_says_of_what_is_kept_that_nothing_has_to_be_chosen(caller: Caller) -> None:
    caller.booked()

    preview = caller.http.post("/v1/suspensions/preview", json=PLANNED | {"treatment": "keep"}).json()

    assert preview["first"][0]["move_until"] is None


# What it means for requests


def test_while_it_runs_a_hold_is_refused_with_the_notice(caller: Caller) -> None:
    """B40."""
    suspended(caller, AT_ONCE, ends_at=ENDS)

    answer = caller.ask()

    assert (answer.status_code, answer.json()["code"]) == (409, "suspended")
    assert (answer.json()["notice_url"], at(answer.json()["ends_at"])) == (NOTICE, at(ENDS))


def test_a_time_inside_a_planned_one_is_refused_and_others_are_named(caller: Caller) -> None:
    suspended(caller, PLANNED)

    answer = caller.ask()

    assert answer.json()["code"] == "suspended"
    assert answer.json()["free_slots"]
    assert all(at(slot["starts_at"]) >= at(ENDS) for slot in answer.json()["free_slots"])


def test_a_code_that_comes_too_late_for_it_is_refused_with_the_notice(caller: Caller) -> None:
    booking_id = caller.held()
    suspended(caller, AT_ONCE)

    answer = caller.post(booking_id, "code", code=caller.code(booking_id))

    assert (answer.status_code, answer.json()["code"], answer.json()["notice_url"]) == (409, "suspended", NOTICE)
    assert caller.get(booking_id).json()["released_because"] == "suspended"


def test_the_list_of_slots_says_that_none_can_be_booked_just_now(caller: Caller) -> None:
    suspended(caller, AT_ONCE, ends_at=ENDS)

    told = caller.http.get("/v1/shops/fred/slots", params={"from": "2030-06-04", "to": "2030-06-04"}).json()

    assert (told["suspended"]["notice_url"], at(told["suspended"]["ends_at"])) == (NOTICE, at(ENDS))
    assert all(at(slot["starts_at"]) >= at(ENDS) for slot in told["slots"])


def test_without_a_suspension_the_list_of_slots_speaks_of_none(caller: Caller) -> None:
    told = caller.http.get("/v1/shops/fred/slots").json()

    assert "suspended" not in told


def test_a_booking_that_it_displaces_can_still_be_changed_after_the_deadline(caller: Caller, time: StoppedTime) -> None:
    """B41."""
    booking_id = caller.booked()
    suspended(caller, PLANNED)
    time.move_to(DEADLINE + MINUTE)

    before = caller.get(booking_id).json()["can_change"]
    answer = caller.post(booking_id, "change", starts_at=OTHER_SLOT, expected_revision=1)

    assert before
    assert (answer.status_code, answer.json()["starts_at"]) == (200, OTHER_SLOT)


# What became of bookings


def test_the_bookings_that_it_found_are_listed_with_what_became_of_them(
    caller: Caller, do_suspending: Callable[[], None]
) -> None:
    """B44."""
    booking_id = caller.booked()
    stop = suspended(caller, AT_ONCE, treatment="cancel", ends_at=ENDS)
    do_suspending()

    listed = caller.http.get(f"/v1/suspensions/{stop['id']}/bookings").json()

    assert [(each["id"], each["status"], each["outcome"]) for each in listed["bookings"]] == [
        (str(booking_id), "cancelled", "withdrawn")
    ]
    assert caller.get(booking_id).json()["cancelled_by"] == Cause.SUSPENSION
    assert caller.http.get(f"/v1/suspensions/{stop['id']}").json()["bookings"]["withdrawn"] == 1


def test_a_key_of_some_shops_counts_their_bookings_alone(caller: Caller, do_suspending: Callable[[], None]) -> None:
    """B36."""
    caller.booked()
    stop = suspended(caller, PLANNED)
    do_suspending()

    def counted(shop: str) -> Any:
        key = caller.key(shop, shops=[shop])
        shown = caller.http.get(f"/v1/suspensions/{stop['id']}", headers=key).json()
        [listed] = caller.http.get("/v1/suspensions", headers=key).json()["suspensions"]
        assert listed == shown
        return shown["bookings"]["told"]

    assert (counted("queens-court"), counted("vicky")) == (1, 0)


def test_the_bookings_are_listed_a_page_at_a_time(caller: Caller, do_suspending: Callable[[], None]) -> None:
    every = {caller.booked(contact={"phone": f"090-0000-00{number}"}, starts_at=SLOT) for number in (13, 14)}
    stop = suspended(caller, AT_ONCE, treatment="cancel", ends_at=ENDS)
    do_suspending()

    def page(**query: Any) -> Any:
        return caller.http.get(f"/v1/suspensions/{stop['id']}/bookings", params={"limit": 1} | query).json()

    first = page()
    second = page(after=first["after"])

    assert {UUID(each["id"]) for told in (first, second) for each in told["bookings"]} == every
    assert page(after=second["after"]) == {"bookings": [], "after": None}


@pytest.fixture
def do_suspending(caller: Caller, do_due_jobs: Callable[[], int]) -> Callable[[], None]:
    """Do what suspensions owe, and no message."""
    from tests.worker.stopping import work

    return lambda: work(caller)


def test_a_request_that_comes_again_with_its_key_suspends_once(caller: Caller) -> None:
    key = {"Idempotency-Key": "suspend-once"}

    first, again = suspend(caller, AT_ONCE, headers=key), suspend(caller, AT_ONCE, headers=key)

    assert first.json() == again.json()
    with caller.database.snapshot() as session:
        assert session.query(Suspension).count() == 1


def test_it_begins_when_the_request_was_received(caller: Caller) -> None:
    stop = suspended(caller, AT_ONCE)

    begins = datetime.fromisoformat(stop["starts_at"])

    assert begins - NOW < timedelta(minutes=1)
    assert stop["status"] == "running"
