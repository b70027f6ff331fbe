"""What is told of calls, conduct reports, staff links and the history of calls over HTTP, and to whom alone."""

import csv
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from models.access import Scope
from models.booking import Side, Status
from models.call_fact import Symptom
from models.webhook import WebhookEvent
from tests.api.calling import Caller
from tests.conftest import StoppedTime
from tests.worker.desk import MINUTE, SLOT, sqlite_only
from tests.worker.floor import Floor
from worker import links
from worker.auditing import chain_of_shop, reason_of, trail
from worker.database import Database
from worker.in_call import entering, history

pytestmark = sqlite_only

SHOP = "queens-court"
REPORT: dict[str, Any] = {"category": "abuse", "text": "canary words", "staff": "hana"}


@pytest.fixture
def caller(seeded: Database, time: StoppedTime) -> Caller:
    Floor(seeded).hire("hana")
    return Caller.of(seeded, time)


@pytest.fixture
def in_call(caller: Caller) -> UUID:
    """A booked call in which both sides are."""
    booking_id = caller.booked()
    with caller.locked(booking_id) as (session, booking):
        for side in Side:
            entering.enter(session, booking, side, now=SLOT)
    caller.time.move_to(SLOT + 10 * MINUTE)
    return booking_id


# The facts of a call


def test_operators_read_who_joined_and_what_failed_on_which_side(caller: Caller, in_call: UUID) -> None:
    """Clauses B26 and B33."""
    with caller.locked(in_call) as (session, booking):
        entering.fail(session, booking, Side.CUSTOMER, Symptom.DEVICE, now=SLOT + MINUTE)

    answer = caller.http.get(f"/v1/bookings/{in_call}/call-facts")

    told = [(fact["kind"], fact["side"], fact["error"]) for fact in answer.json()["facts"]]
    assert answer.status_code == 200
    assert sorted(told[:2]) == [("joined", "customer", None), ("joined", "staff", None)]
    assert told[2] == ("failed", "customer", "device")


def test_the_facts_of_a_call_at_once_are_read_likewise(caller: Caller) -> None:
    call_id = Floor(caller.database).ask(SLOT).id

    assert caller.http.get(f"/v1/calls/{call_id}/call-facts").json() == {"facts": []}
    assert caller.http.get(f"/v1/calls/{UUID(int=1)}/call-facts").json()["code"] == "call_not_found"


@pytest.mark.parametrize("path", ["/v1/bookings/{}/call-facts", "/v1/conduct-reports"])
def test_evidence_is_for_operators(caller: Caller, in_call: UUID, path: str) -> None:
    key = caller.key("site", Scope.BOOKINGS_READ, Scope.BOOKINGS_WRITE)

    assert caller.http.get(path.format(in_call), headers=key).status_code == 403


def test_another_shops_operator_finds_no_such_booking(caller: Caller, in_call: UUID) -> None:
    key = caller.key("fred-desk", Scope.OPERATOR, shops=["fred"])

    assert caller.http.get(f"/v1/bookings/{in_call}/call-facts", headers=key).status_code == 404


# Ending


def test_a_shops_system_ends_a_call_and_a_second_time_changes_nothing(caller: Caller, in_call: UUID) -> None:
    """Clause B32."""
    first, second = (caller.post(in_call, "end-call") for _ in range(2))

    assert (first.status_code, first.json()["status"]) == (200, "completed")
    assert second.json() == first.json()
    assert caller.booking(in_call).status is Status.COMPLETED


def test_where_nobody_is_in_a_call_none_can_be_ended(caller: Caller) -> None:
    assert caller.post(caller.booked(), "end-call").json()["code"] == "illegal_move"


# Conduct reports


def test_a_report_reaches_the_operators_list_until_it_is_seen(caller: Caller, in_call: UUID) -> None:
    """Clause B32."""
    filed = caller.post(in_call, "conduct-reports", **REPORT)
    assert (filed.status_code, filed.json()["state"]) == (201, "new")

    listed = caller.http.get("/v1/conduct-reports?state=new")
    [report] = listed.json()["reports"]
    assert (report["booking_id"], report["staff"]) == (str(in_call), "hana")
    assert "canary" not in listed.text + filed.text

    why = {"reason": "a look at what happened"}
    for _ in range(2):
        assert caller.http.post(f"/v1/conduct-reports/{report['id']}/open", json=why).json()["text"] == "canary words"
    assert caller.http.get("/v1/conduct-reports?state=new").json() == {"reports": []}


def test_whoever_opens_a_report_is_written_down_with_the_reason(caller: Caller, in_call: UUID) -> None:
    report_id = caller.post(in_call, "conduct-reports", **REPORT).json()["id"]

    path = f"/v1/conduct-reports/{report_id}"
    assert caller.http.post(f"{path}/open").status_code == 422
    caller.http.post(f"{path}/open", json={"reason": "a look at what happened"})

    with caller.database.snapshot() as session:
        [event] = trail(session, chain_of_shop(SHOP))
        assert (event.kind, event.actor) == ("conduct_report_opened", "key:development")
        assert reason_of(session, event) == "a look at what happened"
    assert caller.http.get(path).json()["seen_at"] is not None


def test_a_report_of_a_call_at_once_is_filed_likewise(caller: Caller) -> None:
    Floor(caller.database).beat("hana", at=caller.time.at)
    call_id = Floor(caller.database).ask(caller.time.at).id
    Floor(caller.database).accept(call_id, "hana", at=caller.time.at)

    filed = caller.http.post(f"/v1/calls/{call_id}/conduct-reports", json=REPORT)

    assert (filed.status_code, filed.json()["call_id"], filed.json()["customer_id"]) == (201, str(call_id), None)


def test_receivers_are_told_that_there_is_a_report_and_not_what_it_says(caller: Caller, in_call: UUID) -> None:
    key = {"Idempotency-Key": "one"}
    caller.http.post("/v1/webhook-endpoints", json={"url": "https://hooks.example.com/x"}, headers=key)

    report_id = caller.post(in_call, "conduct-reports", **REPORT).json()["id"]

    with caller.database.snapshot() as session:
        event = session.scalars(select(WebhookEvent).where(WebhookEvent.type == "conduct.reported")).one()
    assert event.data == {
        "report_id": report_id,
        "shop": SHOP,
        "booking_id": str(in_call),
        "call_id": None,
        "category": "abuse",
    }


def test_nobody_reports_in_the_name_of_somebody_who_is_not_there(caller: Caller, in_call: UUID) -> None:
    answer = caller.post(in_call, "conduct-reports", **(REPORT | {"staff": "nobody"}))

    assert answer.json()["code"] == "staff_unknown"


def test_reports_of_other_shops_are_not_listed(caller: Caller, in_call: UUID) -> None:
    report_id = caller.post(in_call, "conduct-reports", **REPORT).json()["id"]
    key = caller.key("fred-desk", Scope.OPERATOR, shops=["fred"])

    assert caller.http.get("/v1/conduct-reports", headers=key).json() == {"reports": []}
    assert caller.http.get(f"/v1/conduct-reports/{report_id}", headers=key).json()["code"] == "report_not_found"


# Staff links


def test_a_link_opens_the_page_until_the_links_are_revoked(caller: Caller) -> None:
    made = caller.http.post(f"/v1/shops/{SHOP}/staff/hana/links").json()
    path = "/staff/" + made["url"].rsplit("/", 1)[1]
    assert caller.http.get(path).status_code == 200

    revoked = caller.http.post(f"/v1/shops/{SHOP}/staff/hana/links/revoke").json()

    assert revoked == {"shop": SHOP, "staff": "hana", "generation": 1}
    assert caller.http.get(path).status_code == 404


def test_links_are_made_by_operators_of_that_shop_for_staff_who_are_there(caller: Caller) -> None:
    site = caller.key("site", Scope.CALLS_WRITE)
    fred = caller.key("fred-desk", Scope.OPERATOR, shops=["fred"])

    path = f"/v1/shops/{SHOP}/staff/{{}}/links"
    assert caller.http.post(path.format("hana"), headers=site).status_code == 403
    assert caller.http.post(path.format("hana"), headers=fred).json()["code"] == "shop_closed"
    assert caller.http.post(path.format("nobody")).json()["code"] == "staff_unknown"


@pytest.mark.parametrize("change", ["shop", "staff", "generation", "proof"])
def test_a_link_that_was_tampered_with_opens_nothing(caller: Caller, change: str) -> None:
    token = links.staff_token(SHOP, "hana", 0)
    other = {
        "shop": links.staff_token("fred", "hana", 0),
        "staff": links.staff_token(SHOP, "ken", 0),
        "generation": links.staff_token(SHOP, "hana", 1),
        "proof": "A" * len(token),
    }[change]

    length = min(len(token), len(other)) - 24
    assert links.read_staff(other[:length] + token[length:]) is None


# The history


def test_the_history_is_a_table_with_a_line_for_each_call(caller: Caller, in_call: UUID) -> None:
    answer = caller.http.get(f"/v1/calls/history?shop={SHOP}&from=2030-06-04&to=2030-06-04")

    heading, line = csv.reader(answer.text.splitlines())
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="calls-queens-court-2030-06-04-2030-06-04.csv"' in answer.headers["content-disposition"]
    assert tuple(heading) == history.COLUMNS
    assert line[:2] == [str(in_call), "booked"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (f"shop={SHOP}&from=2030-06-04&to=2030-06-03", "invalid_window"),
        (f"shop={SHOP}&from=2030-06-04&to=2030-09-03", "window_too_long"),
        (f"shop={SHOP}&to=0001-01-01", "invalid_window"),
        ("shop=nowhere", "shop_closed"),
    ],
)
def test_a_history_that_cannot_be_told_is_refused(caller: Caller, query: str, code: str) -> None:
    assert caller.http.get(f"/v1/calls/history?{query}").json()["code"] == code


def test_the_history_of_another_shop_is_nobodys(caller: Caller) -> None:
    key = caller.key("fred-site", Scope.BOOKINGS_READ, shops=["fred"])

    assert caller.http.get(f"/v1/calls/history?shop={SHOP}", headers=key).status_code == 404
