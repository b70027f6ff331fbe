"""Who may do what: 401 for whoever is nobody, 403 for what a key may not, 404 for what it cannot see."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from models.access import ApiKey, Scope
from tests.api.calling import OTHER_SLOT, Caller
from tests.conftest import StoppedTime
from tests.worker.desk import NOW, sqlite_only
from worker.database import Database

pytestmark = sqlite_only

OPERATIONS: list[tuple[str, str, dict[str, Any] | None, Scope]] = [
    ("GET", "/v1/shops", None, Scope.SHOPS_READ),
    ("GET", "/v1/shops/fred/slots", None, Scope.SHOPS_READ),
    ("GET", "/v1/bookings/{id}", None, Scope.BOOKINGS_READ),
    ("POST", "/v1/bookings/{id}/code", {"code": "482913"}, Scope.BOOKINGS_WRITE),
    ("POST", "/v1/bookings/{id}/code/resend", None, Scope.BOOKINGS_WRITE),
    ("POST", "/v1/bookings/{id}/change", {"starts_at": OTHER_SLOT, "expected_revision": 1}, Scope.BOOKINGS_WRITE),
    ("POST", "/v1/bookings/{id}/cancel", {"expected_revision": 1}, Scope.BOOKINGS_WRITE),
    ("POST", "/v1/bookings/{id}/withdraw", {"reason": "staff_ill"}, Scope.OPERATOR),
    ("GET", "/v1/jobs/{id}", None, Scope.OPERATOR),
]
every_operation = pytest.mark.parametrize(("method", "path", "body", "scope"), OPERATIONS, ids=str)
ANY_ID = str(UUID(int=404))


@pytest.fixture
def caller(seeded: Database, time: StoppedTime) -> Caller:
    return Caller.of(seeded, time)


@pytest.fixture
def stranger(caller: Caller) -> Caller:
    """The same system without its key."""
    del caller.http.headers["Authorization"]
    return caller


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@every_operation
def test_nothing_is_open_to_nobody(
    stranger: Caller, method: str, path: str, body: dict[str, Any] | None, scope: Scope
) -> None:
    answer = stranger.http.request(method, path.format(id=ANY_ID), json=body)

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_an_unknown_id_a_wrong_secret_and_a_revoked_key_are_answered_alike(caller: Caller) -> None:
    revoked = caller.key("revoked")
    with caller.database.transaction() as session:
        session.execute(update(ApiKey).where(ApiKey.id == "revoked").values(revoked_at=NOW))
    headers = [bearer(f"tk_nobody_{'a' * 43}"), bearer(f"tk_development_{'a' * 43}"), revoked]

    answers = [caller.http.get("/v1/shops", headers=each) for each in headers]

    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.json()["detail"] for answer in answers}) == 1


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer nonsense", "Basic dXNlcjpwYXNz", "tk_development_x", "Bearer tk_é_x"]
)
def test_what_is_no_key_is_401_and_never_a_fault(stranger: Caller, header: str) -> None:
    answer = stranger.http.get("/v1/shops", headers={b"Authorization": header.encode()})

    assert answer.status_code == 401


def test_a_wrong_key_is_not_echoed(stranger: Caller) -> None:
    answer = stranger.http.get("/v1/shops", headers=bearer(f"tk_canary_{'c' * 43}"))

    assert "canary" not in answer.text


@every_operation
def test_every_operation_wants_its_own_scope(
    caller: Caller, method: str, path: str, body: dict[str, Any] | None, scope: Scope
) -> None:
    all_others = caller.key("others", *(each for each in Scope if each is not scope))
    only_this = caller.key("this", scope)
    booking_id = caller.booked()

    refused = caller.http.request(method, path.format(id=booking_id), json=body, headers=all_others)
    admitted = caller.http.request(method, path.format(id=booking_id), json=body, headers=only_this)

    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert admitted.status_code not in {401, 403}


def test_a_hold_wants_the_scope_to_write(caller: Caller) -> None:
    reader = caller.key("reader", Scope.BOOKINGS_READ, Scope.SHOPS_READ)

    assert caller.ask(headers=reader).status_code == 403
    assert caller.bookings() == []


@pytest.mark.parametrize(("method", "path", "body", "scope"), [each for each in OPERATIONS if "/bookings/" in each[1]])
def test_the_bookings_of_another_shop_do_not_exist(
    caller: Caller, method: str, path: str, body: dict[str, Any] | None, scope: Scope
) -> None:
    """B36: personal data is partitioned by brand."""
    of_vicky = caller.key("vicky", shops=["vicky"])
    booking_id = caller.booked()
    before = caller.get(booking_id).json()

    hidden = caller.http.request(method, path.format(id=booking_id), json=body, headers=of_vicky)
    missing = caller.http.request(method, path.format(id=ANY_ID), json=body, headers=of_vicky)

    own = {"request_id"}
    assert hidden.status_code == missing.status_code == 404
    assert {k: v for k, v in hidden.json().items() if k not in own} == {
        k: v for k, v in missing.json().items() if k not in own
    }
    assert caller.get(booking_id).json() == before


def test_a_key_of_one_shop_can_hold_nothing_at_another(caller: Caller) -> None:
    of_vicky = caller.key("vicky", shops=["vicky"])

    elsewhere, nowhere = caller.ask(headers=of_vicky), caller.ask(headers=of_vicky, shop="nowhere")

    assert elsewhere.status_code == nowhere.status_code == 404
    assert elsewhere.json()["code"] == nowhere.json()["code"] == "shop_closed"
    assert caller.bookings() == []


def test_a_key_of_one_shop_sees_that_shop_and_its_slots(caller: Caller) -> None:
    of_vicky = caller.key("vicky", shops=["vicky"])

    shops = caller.http.get("/v1/shops", headers=of_vicky).json()["shops"]
    own = caller.http.get("/v1/shops/vicky/slots", headers=of_vicky)
    other = caller.http.get("/v1/shops/fred/slots", headers=of_vicky)

    assert [shop["id"] for shop in shops] == ["vicky"]
    assert (own.status_code, other.status_code) == (200, 404)


def test_a_key_for_no_shop_at_all_sees_none(caller: Caller) -> None:
    of_none = caller.key("none", shops=[])

    assert caller.http.get("/v1/shops", headers=of_none).json()["shops"] == []


def test_only_the_hash_of_a_secret_is_kept(caller: Caller) -> None:
    secret = caller.key("kept")["Authorization"].removeprefix("Bearer tk_kept_")

    with caller.database.snapshot() as session:
        row = session.get_one(ApiKey, "kept")

    assert secret not in str(vars(row))
    assert len(row.secret_sha256) == 64
