"""Who may do what with a case: every operation of the API against every role, as the one table of roles says (S5)."""

from typing import Any
from uuid import UUID

import pytest

from models.access import Scope
from models.roles import ROLES, Operation, Role
from tests.api.calling import Caller
from tests.api.case_people import People
from tests.conftest import StoppedTime
from tests.one_app import one_app
from tests.tasks.case_office import COUNTERPARTY
from tests.worker.desk import sqlite_only
from worker.database import Database

NOTHING = str(UUID(int=404))
CASE = f"/v1/case-work/cases/{NOTHING}"
WHY = {"reason": "because"}
SEEN = {**WHY, "number": "P-1", "kind": "passport", "is_original": False, "shelf": "A-1"}
PAID = {**WHY, "number": "B-1", "amount_yen": 1600, "paid_at": "2030-06-01T00:00:00Z"}

REQUESTS: list[tuple[Operation, str, str, dict[str, Any] | None]] = [
    (Operation.LIST_WORK, "GET", "/v1/case-work", None),
    (Operation.LIST_WORK, "GET", "/v1/case-work/releases", None),
    (Operation.READ_AUDIT, "GET", "/v1/case-work/retention", None),
    (Operation.SHOW_CASE, "GET", "/v1/case-work/cases?reference=D0B1F-4B1F", None),
    (Operation.SHOW_CASE, "GET", CASE, None),
    (Operation.REVEAL, "POST", f"{CASE}/reveal", {**WHY, "what": ["form"]}),
    (Operation.MARK_INCOMPLETE, "POST", f"{CASE}/incomplete", {**WHY, "missing": ["reason"]}),
    (Operation.PROPOSE, "POST", f"{CASE}/proposals", {**WHY, "verdict": "refuse", "refusal": "other"}),
    (Operation.APPROVE, "POST", f"{CASE}/proposals/{NOTHING}/approve", {**WHY, "digest": "0" * 64}),
    (Operation.SEND_BACK, "POST", f"{CASE}/proposals/{NOTHING}/send-back", WHY),
    (Operation.RECORD_PAPER, "POST", f"{CASE}/papers", SEEN),
    (Operation.MOVE_PAPER, "POST", f"{CASE}/papers/{NOTHING}/move", {**WHY, "from_shelf": "A-1", "to_shelf": "A-2"}),
    (Operation.DESTROY_PAPER, "POST", f"{CASE}/papers/{NOTHING}/destroy", WHY),
    (Operation.DESTROY_PAPER, "POST", f"{CASE}/papers/{NOTHING}/destroy/witness", WHY),
    (Operation.ACCEPT_ITEM, "POST", f"{CASE}/items/{NOTHING}/accept", WHY),
    (
        Operation.MARK_DEFICIENT,
        "POST",
        f"{CASE}/deficient",
        {**WHY, "found": [{"item": NOTHING, "flaws": ["missing"]}]},
    ),
    (Operation.ASK_FOR_PAPER, "POST", f"{CASE}/items", {**WHY, "wish": "a copy", "position": 5}),
    (Operation.RECORD_PAYMENT, "POST", f"{CASE}/payments", PAID),
    (Operation.PREVIEW_LETTER, "GET", f"{CASE}/letter/preview", None),
    (Operation.PRINT_LETTER, "POST", f"{CASE}/letter/print", WHY),
    (Operation.SPOIL_LETTER, "POST", f"{CASE}/letter/spoil", WHY),
    (Operation.RECORD_DISPATCH, "POST", f"{CASE}/letter/dispatch", {**WHY, "tracking_number": "1234-5678-9012"}),
    (Operation.EXTEND, "POST", f"{CASE}/extend", {**WHY, "until": "2030-07-01T15:00:00Z", "version": 1}),
    (Operation.HOLD, "POST", f"{CASE}/hold", WHY),
    (Operation.RESUME, "POST", f"{CASE}/resume", WHY),
    (Operation.DEEM_ARRIVED, "POST", f"{CASE}/notices/{NOTHING}/deem-arrived", WHY),
    (Operation.NOTIFY_AGAIN, "POST", f"{CASE}/notices/{NOTHING}/again", WHY),
    (Operation.CLOSE_WORK, "POST", f"{CASE}/work/{NOTHING}/close", WHY),
    (Operation.READ_AUDIT, "GET", f"{CASE}/audit", None),
    (Operation.READ_AUDIT, "POST", f"{CASE}/audit/reasons", WHY),
    (Operation.STOP_RELEASES, "POST", "/v1/case-work/releases/stop", WHY),
    (Operation.STOP_RELEASES, "POST", "/v1/case-work/releases/resume", WHY),
]
every_request = pytest.mark.parametrize(
    ("operation", "method", "path", "body"),
    REQUESTS,
    ids=[f"{method} {path[13:].replace(NOTHING, '-')}" for _, method, path, _ in REQUESTS],
)
PERSONAL = {"reveal", "reasons", "print"}
"""What is answered with personal data and so is kept under no idempotency key."""


@pytest.fixture
def caller(database: Database, time: StoppedTime) -> Caller:
    return Caller.of(database, time)


@pytest.fixture
def description(environment: pytest.MonkeyPatch) -> dict[str, Any]:
    made: dict[str, Any] = one_app().openapi()
    return made


def operations(description: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Return method, path without its ids, and description of each operation of people's work."""
    return [
        (method.upper(), "/".join("{}" if part.startswith("{") else part for part in path.split("/")), operation)
        for path, item in description["paths"].items()
        if path.startswith("/v1/case-work")
        for method, operation in item.items()
    ]


@sqlite_only
@every_request
def test_each_role_may_do_what_the_table_says_and_no_more(
    caller: Caller, operation: Operation, method: str, path: str, body: dict[str, Any] | None
) -> None:
    bearers = {role: caller.person(role.value, role, key=f"k{number}") for number, role in enumerate(Role)}
    refused = set()
    for role in Role:
        answer = caller.http.request(method, path, json=body, headers=bearers[role])
        if answer.status_code == 403:
            assert answer.json()["code"] == "role_missing"
            assert set(answer.json()["roles"]) == ROLES[operation]
            refused.add(role)
        else:
            assert answer.status_code in {200, 404, 409}, answer.text

    assert refused == set(Role) - ROLES[operation]


@sqlite_only
@every_request
def test_a_systems_key_does_no_persons_work(
    caller: Caller, operation: Operation, method: str, path: str, body: dict[str, Any] | None
) -> None:
    answer = caller.http.request(method, path, json=body)

    assert (answer.status_code, answer.json()["code"]) == (403, "person_missing")


# A case of one's own (S6)


@pytest.fixture
def own_case(database: Database, time: StoppedTime) -> tuple[People, str]:
    """A case, and somebody of every role who once told, with another key, to be one of its parties."""
    people = People.of(database, time)
    case_id = people.office.screened()
    people.keys["party"] = people.caller.person("party", *Role)
    people.caller.person("party", Role.ADMIN, key="of-the-same-person", member=COUNTERPARTY)
    return people, str(case_id)


@sqlite_only
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [(method, path, body) for _, method, path, body in REQUESTS if path.startswith(f"{CASE}/") or path == CASE],
    ids=[f"{method} {path[13:].replace(NOTHING, '-')}" for _, method, path, _ in REQUESTS if path.startswith(CASE)],
)
def test_nobody_handles_or_reads_a_case_of_their_own(
    own_case: tuple[People, str], method: str, path: str, body: dict[str, Any] | None
) -> None:
    people, case_id = own_case

    answer = people.caller.http.request(
        method, path.replace(NOTHING, case_id, 1), json=body, headers=people.keys["party"]
    )

    assert (answer.status_code, answer.json()["code"]) == (403, "own_case")


def test_a_case_of_others_is_handled_by_whoever_has_an_account_too(own_case: tuple[People, str]) -> None:
    people, case_id = own_case
    people.keys["member"] = people.caller.person("member", *Role, member="m-somebody-else")

    assert people.shown(UUID(case_id), who="member")["id"] == case_id


@sqlite_only
def test_a_persons_key_for_some_shops_sees_no_case(caller: Caller) -> None:
    bound = caller.key("bound", shops=[])

    answer = caller.http.get("/v1/case-work", headers=bound)

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@sqlite_only
@pytest.mark.parametrize("scope", [Scope.CASES_READ, Scope.CASES_WRITE])
def test_a_systems_key_for_some_shops_sees_no_case(caller: Caller, scope: Scope) -> None:
    bound = caller.key("bound", scope, shops=[])

    answer = caller.http.get(f"/v1/disclosure-cases/{NOTHING}", headers=bound)

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@sqlite_only
def test_a_persons_key_without_the_scope_does_nothing(caller: Caller) -> None:
    answer = caller.http.get("/v1/case-work", headers=caller.key("other", Scope.CASES_READ))

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_every_operation_of_the_table_is_in_the_api() -> None:
    assert {operation for operation, *_ in REQUESTS} == set(Operation)


def test_every_route_stands_in_this_list(description: dict[str, Any]) -> None:
    listed = {(method, path.partition("?")[0].replace(NOTHING, "{}")) for _, method, path, _ in REQUESTS}

    assert listed == {(method, pattern) for method, pattern, _ in operations(description)}


def test_whatever_changes_something_can_be_repeated_unless_its_answer_is_personal(description: dict[str, Any]) -> None:
    without_key = {
        pattern.rpartition("/")[2]
        for method, pattern, operation in operations(description)
        if method == "POST" and "Idempotency-Key" not in {each["name"] for each in operation["parameters"]}
    }

    assert without_key == PERSONAL


def test_whatever_changes_something_says_why(description: dict[str, Any]) -> None:
    shapes = description["components"]["schemas"]
    bodies = {
        pattern: operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for method, pattern, operation in operations(description)
        if method == "POST"
    }

    assert [pattern for pattern, shape in bodies.items() if "reason" not in shapes[shape]["required"]] == []
