"""Calls at once over HTTP: 対応可能, 開始, who has the call, and what a refusal says (B4, B7, B8, B35)."""

from typing import Any
from uuid import UUID

import pytest
from httpx2 import Response

from api.call_answers import AvailabilityShown
from api.calls import CallRequest
from models.access import Scope
from models.call import Status
from models.staff import PresenceState
from models.suspension import Reach, Suspension, Treatment
from models.suspension import Status as StopStatus
from models.webhook import EventType, WebhookEvent
from tests.api.calling import Caller
from tests.conftest import StoppedTime
from tests.worker.desk import sqlite_only
from tests.worker.floor import NIGHT, OPEN, SHOP, Floor
from worker.chance import new_id
from worker.clock import unix_ms
from worker.database import Database

pytestmark = sqlite_only


@pytest.fixture
def caller(seeded: Database, time: StoppedTime) -> Caller:
    time.move_to(OPEN)
    return Caller.of(seeded, time)


@pytest.fixture
def floor(caller: Caller) -> Floor:
    floor = Floor(caller.database)
    floor.staff("hana", "yuki")
    return floor


def available(caller: Caller, **more: Any) -> Response:
    return caller.http.get(f"/v1/shops/{SHOP}/availability", **more)


def body(caller: Caller, **more: Any) -> dict[str, Any]:
    """Return a request for a call, under the documents that the shop's availability names."""
    terms = available(caller).json()["terms"]
    accepted = [{"id": each["id"], "version": each["version"]} for each in terms]
    return {"shop": SHOP, "accepted_terms": accepted, "customer_ip": "192.0.2.10"} | more


def ask(caller: Caller, *, key: str | None = None, headers: dict[str, str] | None = None, **more: Any) -> Response:
    sent = {"Idempotency-Key": key or str(new_id(unix_ms())), **(headers or {})}
    return caller.http.post("/v1/calls", json=body(caller, **more), headers=sent)


def example_of(shape: Any) -> dict[str, Any]:
    """Return the example that the API's description shows first."""
    example: dict[str, Any] = shape.model_config["json_schema_extra"]["examples"][0]
    return example


def post(caller: Caller, call_id: str, operation: str, **fields: Any) -> Response:
    return caller.http.post(f"/v1/calls/{call_id}/{operation}", json=fields or None)


# 対応可能


def test_a_shop_says_whether_it_can_be_called_and_under_which_documents(caller: Caller, floor: Floor) -> None:
    answer = available(caller)

    said = answer.json()
    assert (said["available"], said["because"]) == (True, "open")
    assert said["call_page_url"].endswith(f"/s/{SHOP}/call")
    assert len(said["terms"]) == 2


def test_the_papers_example_names_the_documents_that_the_demo_has(caller: Caller) -> None:
    said = caller.http.get("/v1/shops/fred/availability").json()["terms"]
    governing = {(each["id"], each["version"]) for each in said}

    examples = (example_of(CallRequest)["accepted_terms"], example_of(AvailabilityShown)["terms"])
    assert [{(each["id"], each["version"]) for each in example} for example in examples] == [governing, governing]


def test_the_answer_may_be_kept_for_a_second_and_is_known_by_its_tag(caller: Caller, floor: Floor) -> None:
    first = available(caller)

    again = available(caller, headers={"If-None-Match": first.headers["etag"]})
    floor.beat("hana", "yuki", state=PresenceState.AWAY)
    changed = available(caller, headers={"If-None-Match": first.headers["etag"]})

    assert "max-age=1" in first.headers["cache-control"]
    assert (again.status_code, again.content) == (304, b"")
    assert (changed.status_code, changed.json()["because"]) == (200, "all_busy")


def test_anybody_may_ask_on_the_shops_page(caller: Caller, floor: Floor) -> None:
    answer = caller.http.get(f"/s/{SHOP}/availability.json", headers={"Authorization": ""})

    assert answer.json()["available"]
    assert answer.headers["cache-control"] == "public, max-age=1"
    assert answer.headers["access-control-allow-origin"] == "*"


def test_a_key_of_another_shop_learns_nothing(caller: Caller, floor: Floor) -> None:
    other = caller.key("other", Scope.SHOPS_READ, Scope.CALLS_WRITE, shops=["fred"])

    assert available(caller, headers=other).status_code == 404
    assert ask(caller, headers=other).status_code == 404


# 開始


def test_a_call_rings_and_says_until_when(caller: Caller, floor: Floor) -> None:
    answer = ask(caller, memo="指輪")

    said = answer.json()
    assert (answer.status_code, said["status"], said["rings_until"]) == (201, "ringing", "2030-06-03T06:01:00Z")
    assert answer.headers["location"] == f"/v1/calls/{said['id']}"
    assert "/n/" in said["page_url"]
    assert said["enter_url"] is None
    assert "指輪" not in answer.text


def test_the_same_request_again_is_one_call(caller: Caller, floor: Floor) -> None:
    first, second = ask(caller, key="k-1"), ask(caller, key="k-1")

    assert first.json()["id"] == second.json()["id"]
    assert second.headers["idempotent-replayed"] == "true"
    assert len(floor.calls()) == 1


def test_a_call_without_a_key_of_its_own_is_not_begun(caller: Caller, floor: Floor) -> None:
    answer = caller.http.post("/v1/calls", json=body(caller))

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")


def test_whoever_names_one_document_alone_is_told_which_lacks(caller: Caller, floor: Floor) -> None:
    terms = body(caller)["accepted_terms"]

    answer = ask(caller, accepted_terms=terms[:1])

    assert (answer.status_code, answer.json()["code"]) == (422, "terms_not_accepted")
    assert answer.json()["documents"] == f"{terms[1]['id']}@{terms[1]['version']}"
    assert floor.calls() == []


def test_if_nobody_is_free_a_booking_is_offered_and_the_call_is_counted(caller: Caller) -> None:
    answer = ask(caller)

    said = answer.json()
    assert (answer.status_code, said["code"], said["because"]) == (409, "not_available", "all_busy")
    assert said["booking_page_url"].startswith("http")
    [call] = Floor(caller.database).calls()
    assert (str(call.id), call.status) == (said["call_id"], Status.REFUSED)


def test_a_closed_shop_says_when_it_opens(caller: Caller, floor: Floor) -> None:
    caller.time.move_to(NIGHT)

    said = ask(caller).json()

    assert said["because"] == "closed"
    assert said["opens_at"] == available(caller).json()["opens_at"]


def test_a_suspended_service_names_its_notice(caller: Caller, floor: Floor) -> None:
    with floor.database.transaction() as session:
        session.add(
            Suspension(
                id=new_id(unix_ms()),
                reach=Reach.SHOP,
                shop_id=SHOP,
                status=StopStatus.RUNNING,
                treatment=Treatment.KEEP,
                starts_at=OPEN,
                notice_url="https://example.jp/notice",
                without_notice_because="fire",
                reason="fire",
                created_at=OPEN,
            )
        )

    answer = ask(caller)

    assert (answer.json()["because"], answer.json()["notice_url"]) == ("suspended", "https://example.jp/notice")


def test_a_number_that_gets_no_sms_is_refused(caller: Caller, floor: Floor) -> None:
    answer = ask(caller, contact={"phone": "03-0000-0000"})

    assert answer.status_code == 422
    assert floor.calls() == []


# Answering and ending


def test_the_first_to_answer_gets_an_entry_and_so_does_the_caller(caller: Caller, floor: Floor) -> None:
    call_id = ask(caller).json()["id"]

    taken = post(caller, call_id, "accept", staff="hana").json()

    assert taken["staff"] == {"id": "hana", "name": {"ja": "hana", "en": "Hana"}}
    assert taken["status"] == "connected"
    assert len({taken["enter_url"], taken["staff_enter_url"], taken["page_url"]}) == 3
    assert caller.http.get(f"/v1/calls/{call_id}").json()["enter_url"] == taken["enter_url"]


def test_the_second_to_answer_is_told_who_was_faster(caller: Caller, floor: Floor) -> None:
    call_id = ask(caller).json()["id"]
    post(caller, call_id, "accept", staff="hana")

    answer = post(caller, call_id, "accept", staff="yuki")

    assert (answer.status_code, answer.json()["code"]) == (409, "call_taken")
    assert answer.json()["call"]["staff"]["id"] == "hana"


def test_whoever_is_in_a_call_takes_no_other(caller: Caller, floor: Floor) -> None:
    first, second = ask(caller).json()["id"], ask(caller).json()["id"]
    post(caller, first, "accept", staff="hana")

    answer = post(caller, second, "accept", staff="hana")

    assert (answer.status_code, answer.json()["code"]) == (409, "staff_busy")
    assert floor.call(UUID(second)).status is Status.RINGING


@pytest.mark.parametrize(
    ("operation", "fields", "ends_as"),
    [
        ("hang-up", {}, ("abandoned", "hung_up")),
        ("end", {"by": "staff"}, ("ended", "staff_ended")),
        ("end", {"by": "customer"}, ("ended", "customer_ended")),
    ],
)
def test_an_end_is_the_same_however_often_it_is_asked_for(
    caller: Caller, floor: Floor, operation: str, fields: dict[str, str], ends_as: tuple[str, str]
) -> None:
    call_id = ask(caller).json()["id"]
    if operation == "end":
        post(caller, call_id, "accept", staff="hana")

    first, second = (post(caller, call_id, operation, **fields) for _ in range(2))

    assert (first.json()["status"], first.json()["end_reason"]) == ends_as
    assert second.json() == first.json()


def test_a_ring_that_is_over_is_told_as_unanswered_before_its_timer_comes(
    caller: Caller, floor: Floor, time: StoppedTime
) -> None:
    call_id = ask(caller).json()["id"]
    time.advance(seconds=61)

    seen = caller.http.get(f"/v1/calls/{call_id}").json()
    refused = post(caller, call_id, "accept", staff="hana").json()
    after = post(caller, call_id, "hang-up").json()

    assert (seen["status"], seen["end_reason"], seen["waited_seconds"]) == ("unanswered", "no_answer", 60)
    assert seen["ended_at"] == seen["rings_until"]
    assert (refused["code"], refused["call"]) == ("ring_over", seen)
    assert after == seen


def test_a_call_that_rings_cannot_be_ended(caller: Caller, floor: Floor) -> None:
    call_id = ask(caller).json()["id"]

    answer = post(caller, call_id, "end", by="staff")

    assert (answer.status_code, answer.json()["code"]) == (409, "illegal_move")
    assert answer.json()["call"]["status"] == "ringing"


def test_a_call_of_another_shop_is_not_there(caller: Caller, floor: Floor) -> None:
    call_id = ask(caller).json()["id"]
    other = caller.key("other", Scope.CALLS_WRITE, shops=["fred"])

    assert caller.http.get(f"/v1/calls/{call_id}", headers=other).json()["code"] == "call_not_found"
    assert caller.http.post(f"/v1/calls/{call_id}/hang-up", headers=other).status_code == 404
    assert floor.call(UUID(call_id)).status is Status.RINGING


def test_calls_take_a_scope_of_their_own(caller: Caller, floor: Floor) -> None:
    reader = caller.key("reader", Scope.SHOPS_READ, Scope.BOOKINGS_WRITE)

    assert ask(caller, headers=reader).status_code == 403


# Presence


def test_a_heartbeat_says_until_when_it_counts(caller: Caller, floor: Floor) -> None:
    answer = caller.http.put(f"/v1/shops/{SHOP}/staff/hana/presence", json={"state": "away"})

    assert answer.json() == {"shop": SHOP, "staff": "hana", "state": "away", "fresh_until": "2030-06-03T06:00:45Z"}


@pytest.mark.parametrize("body", [{}, {"state": None}])
def test_a_heartbeat_without_a_state_keeps_alive_what_was_said(
    caller: Caller, floor: Floor, body: dict[str, None]
) -> None:
    caller.http.put(f"/v1/shops/{SHOP}/staff/hana/presence", json={"state": "busy"})

    answer = caller.http.put(f"/v1/shops/{SHOP}/staff/hana/presence", json=body)

    assert (answer.status_code, answer.json()["state"]) == (200, "busy")


def test_a_heartbeat_of_a_stranger_is_refused(caller: Caller, floor: Floor) -> None:
    answer = caller.http.put(f"/v1/shops/{SHOP}/staff/nobody/presence", json={"state": "idle"})

    assert (answer.status_code, answer.json()["code"]) == (404, "staff_unknown")


# What other systems are told


def test_webhooks_tell_the_course_of_a_call_and_nothing_of_the_caller(caller: Caller, floor: Floor) -> None:
    endpoint = {"url": "https://hooks.example.com/x"}
    caller.http.post("/v1/webhook-endpoints", json=endpoint, headers={"Idempotency-Key": "e-1"})
    first = ask(caller, name="花子", contact={"phone": "090-0000-0012"}).json()["id"]
    post(caller, first, "accept", staff="hana")
    post(caller, first, "end", by="staff")
    second = ask(caller).json()["id"]
    post(caller, second, "hang-up")

    with floor.database.snapshot() as session:
        told = [event for event in session.query(WebhookEvent).order_by(WebhookEvent.id) if event.data.get("call_id")]

    assert [(event.type, event.data["call_id"]) for event in told] == [
        (EventType.CALL_RINGING, first),
        (EventType.CALL_ANSWERED, first),
        (EventType.CALL_ENDED, first),
        (EventType.CALL_RINGING, second),
        (EventType.CALL_MISSED, second),
    ]
    assert {"花子", "09000000012", "+819000000012"}.isdisjoint(str(event.data) for event in told)
    assert all("name" not in event.data and "contact" not in event.data for event in told)
