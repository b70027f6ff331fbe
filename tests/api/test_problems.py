"""Problems: one shape with a stable code, pointers to what is wrong, and nothing of what was sent."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from api.problems import REFUSALS, problem_of
from models import contact, errors
from tests.api.calling import Caller, wish
from tests.conftest import StoppedTime
from tests.worker.desk import NOW
from worker.database import Database

CANARY = "canary-090-0000-0012"


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """SQLite alone: no database has a say in this."""
    file = tmp_path / "toritsugi.db"
    file.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{file}"


@pytest.fixture
def caller(seeded: Database, time: StoppedTime) -> Caller:
    return Caller.of(seeded, time)


def subclasses(of: type[errors.Refusal]) -> list[type[errors.Refusal]]:
    return [each for direct in of.__subclasses__() for each in (direct, *subclasses(direct))]


def test_a_problem_has_the_members_of_rfc_9457_and_ours(caller: Caller) -> None:
    answer = caller.http.get("/v1/nothing")

    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json() == {
        "type": "https://toritsugi.example.jp/problems/not_found",
        "title": "Not found",
        "status": 404,
        "detail": "Not Found",
        "code": "not_found",
        "request_id": answer.headers["X-Request-Id"],
    }


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        pytest.param({"starts_at": CANARY}, ["/starts_at"], id="no instant"),
        pytest.param({"starts_at": "2030-06-04T03:00:00"}, ["/starts_at"], id="an instant without a zone"),
        pytest.param({"shop": "CANARY Ü"}, ["/shop"], id="no slug"),
        pytest.param({"contact": {}}, ["/contact"], id="no contact"),
        pytest.param({"contact": {"phone": CANARY, "email": "a@example.jp"}}, ["/contact"], id="two contacts"),
        pytest.param({"contact": {"phone": CANARY * 9}}, ["/contact/phone"], id="too long"),
        pytest.param({"contact": {"fax": CANARY}}, ["/contact", "/contact/fax"], id="an unknown member within"),
        pytest.param({"customer_ip": CANARY}, ["/customer_ip"], id="no address"),
        pytest.param({"memo": f"{CANARY}\x00"}, ["/memo"], id="a control character"),
        pytest.param({"memo": f"{CANARY}\x9b"}, ["/memo"], id="one that a terminal obeys"),
        pytest.param({"memo": f"{CANARY}\u202e"}, ["/memo"], id="one that turns the text about"),
        pytest.param({"item_codes": ["ok", CANARY + "!"]}, ["/item_codes/1"], id="the second item"),
        pytest.param({"language": CANARY}, ["/language"], id="a language we do not speak"),
        pytest.param({CANARY: 1}, [f"/{CANARY}"], id="an unknown member"),
        pytest.param({"a/b~c": 1}, ["/a~1b~0c"], id="a name that must be escaped"),
    ],
)
def test_what_is_wrong_is_pointed_at_and_not_repeated(
    caller: Caller, changes: dict[str, Any], pointers: list[str]
) -> None:
    answer = caller.ask(**changes)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    found = {error["pointer"] for error in answer.json()["errors"]}
    assert found <= set(pointers)
    assert found
    if CANARY not in changes:
        assert "canary" not in answer.text.lower()


@pytest.mark.parametrize("missing", ["shop", "starts_at", "contact", "customer_ip"])
def test_what_is_missing_is_pointed_at(caller: Caller, missing: str) -> None:
    body = {name: value for name, value in wish().items() if name != missing}

    answer = caller.http.post("/v1/bookings", json=body, headers={"Idempotency-Key": "k"})

    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{missing}"]


@pytest.mark.parametrize("body", [b"{", b"{'a': 1}", b'{"a": nope}', b"\xff\xfe"])
def test_what_is_not_json_is_malformed_and_not_repeated(caller: Caller, body: bytes) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}

    answer = caller.http.post("/v1/bookings", content=body, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "nope" not in answer.text


@pytest.mark.parametrize("body", [b"null", b"[]", b'"text"', b"1"])
def test_json_that_is_no_object_is_invalid(caller: Caller, body: bytes) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}

    assert caller.http.post("/v1/bookings", content=body, headers=headers).status_code == 422


def test_more_than_a_mebibyte_is_too_large(caller: Caller) -> None:
    answer = caller.ask(memo="x" * (1 << 20))

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert caller.bookings() == []


def test_a_large_body_without_a_length_is_too_large_as_well(caller: Caller) -> None:
    def pieces() -> Any:
        for _ in range(20):
            yield b"x" * (1 << 16)

    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    answer = caller.http.post("/v1/bookings", content=pieces(), headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_an_id_that_is_none_is_pointed_at(caller: Caller) -> None:
    answer = caller.http.get(f"/v1/bookings/{CANARY}")

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/path/booking_id")
    assert CANARY not in answer.text


def test_a_method_that_is_not_there_is_a_problem_too(caller: Caller) -> None:
    answer = caller.http.put("/v1/bookings", json={})

    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (RuntimeError(CANARY), 500, "internal_error"),
        (OperationalError(CANARY, {}, Exception(CANARY)), 503, "database_unavailable"),
    ],
    ids=["a fault of ours", "a database that is away"],
)
def test_a_fault_says_nothing_of_what_went_wrong_and_has_an_id(
    caller: Caller, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str
) -> None:
    def fail(*arguments: Any, **more: Any) -> None:
        raise error

    monkeypatch.setattr("worker.bookings.hold", fail)

    answer = caller.ask()

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert CANARY not in answer.text
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]
    assert caller.bookings() == []


# The table


@pytest.mark.parametrize("refusal", subclasses(errors.Refusal), ids=lambda each: each.__name__)
def test_every_refusal_is_a_problem_with_a_code_of_its_own(refusal: type[errors.Refusal]) -> None:
    problem = problem_of(refusal())

    assert problem.code == refusal.code
    assert 400 <= problem.status < 500
    assert problem.detail.endswith((".", "`."))


def test_no_two_refusals_share_a_code() -> None:
    codes = [refusal.code for refusal in subclasses(errors.Refusal)]

    assert len(codes) == len(set(codes))


def test_every_refusal_of_the_tree_is_in_the_table_or_below_one_that_is() -> None:
    for refusal in subclasses(errors.Refusal):
        assert set(refusal.__mro__) & set(REFUSALS), refusal


def test_a_contacts_refusal_points_at_the_contact() -> None:
    assert [error["pointer"] for error in problem_of(contact.PhoneInvalid()).errors] == ["/contact"]


def test_no_fact_can_hide_what_the_problem_is() -> None:
    body = problem_of(errors.WindowClosed(code="ok", status=200, detail="all is well")).body()

    assert (body["code"], body["status"]) == ("window_closed", 409)


def test_a_wait_is_rounded_to_seconds_and_is_never_none(caller: Caller) -> None:
    problem = problem_of(errors.ResendTooSoon(retry_at=NOW), received_at=NOW)

    assert problem.headers["Retry-After"] == "1"
