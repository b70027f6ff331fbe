"""Publishing versions of the terms, and proving which text was accepted and which governs (B27, B45, B46, B47)."""

from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from httpx2 import Response

from models.access import Scope
from models.booking import Side
from models.job import Name
from models.terms import Party
from tests.api.calling import Caller
from tests.conftest import StoppedTime
from tests.worker.desk import NOW, OTHER_SLOT, SLOT, at_once, sqlite_only
from worker import bookings, terms
from worker.database import Database
from worker.in_call import entering
from worker.terms import Given

BETWEEN = SLOT + timedelta(days=1)
"""Between the two slots that bookings are made for."""


@pytest.fixture
def caller(seeded: Database, time: StoppedTime) -> Caller:
    return Caller.of(seeded, time)


def new_terms(**changes: Any) -> dict[str, Any]:
    plain = {
        "id": "platform-terms",
        "version": "2030-06-05",
        "url": "https://www.example.jp/terms/platform-terms/2030-06-05",
        "text": "第1条",
        "effective_at": BETWEEN.isoformat(),
        "party": "platform",
    }
    return plain | changes


def publish(caller: Caller, *, headers: dict[str, str] | None = None, **changes: Any) -> Response:
    given = {name: value for name, value in new_terms(**changes).items() if value is not None}
    return caller.http.post("/v1/terms", json=given, headers=headers)


def consents(caller: Caller, booking_id: Any) -> dict[str, Any]:
    answer = caller.http.get(f"/v1/bookings/{booking_id}/consents")
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def listed(caller: Caller) -> dict[tuple[str, str], dict[str, Any]]:
    documents = caller.http.get("/v1/terms").json()["documents"]
    return {(each["id"], each["version"]): each for each in documents}


def test_a_version_is_published_with_the_hash_of_its_text(caller: Caller) -> None:
    answer = publish(caller)

    assert (answer.status_code, answer.json()["sha256"]) == (201, sha256("第1条".encode()).hexdigest())
    assert caller.owed(Name.ANNOUNCE_TERMS) == [Name.ANNOUNCE_TERMS]


def test_the_same_again_changes_nothing_and_tells_nobody_twice(caller: Caller) -> None:
    publish(caller)

    again = publish(caller)

    assert again.status_code == 200
    assert len(caller.owed(Name.ANNOUNCE_TERMS)) == 1


def test_a_version_says_one_thing_for_ever(caller: Caller) -> None:
    publish(caller)

    answer = publish(caller, text="第1条 改")

    assert (answer.status_code, answer.json()["code"]) == (409, "terms_published")


def test_two_operators_who_publish_the_same_at_once_publish_it_once(caller: Caller) -> None:
    given = Given(
        document_id="platform-terms",
        version="2030-06-05",
        url="https://www.example.jp/terms/platform-terms/2030-06-05",
        sha256="0" * 64,
        effective_at=BETWEEN,
        party=Party.PLATFORM,
        provider=None,
    )

    def publish_it() -> bool:
        with caller.database.transaction() as session:
            return terms.publish(session, given, by="operator", now=NOW)[1]

    assert sorted(at_once(publish_it, publish_it, publish_it)) == [False, False, True]


@sqlite_only
def test_a_document_never_becomes_somebody_elses(caller: Caller) -> None:
    answer = publish(caller, id="provider-terms-jitsi")

    assert (answer.status_code, answer.json()["code"]) == (409, "terms_published")


@sqlite_only
def test_how_many_were_told_is_for_operators_of_all_shops(caller: Caller) -> None:
    one_shop = caller.key("one-shop", Scope.SHOPS_READ, Scope.OPERATOR, shops=["fred"])

    shown = caller.http.get("/v1/terms", headers=one_shop).json()["documents"]

    assert shown
    assert not {"told", "messages", "announced"} & set().union(*shown)


@sqlite_only
@pytest.mark.parametrize("later", [timedelta(0), timedelta(days=-1), timedelta(hours=23, minutes=59)])
def test_no_version_holds_before_everybody_can_be_told(caller: Caller, later: timedelta) -> None:
    answer = publish(caller, effective_at=(NOW + later).isoformat())

    assert (answer.status_code, answer.json()["code"]) == (422, "terms_too_soon")


@sqlite_only
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"text": None}, id="neither a text nor its hash"),
        pytest.param({"sha256": "0" * 64}, id="both"),
        pytest.param({"provider": "jitsi"}, id="a provider of the platform's own terms"),
        pytest.param({"party": "provider"}, id="a provider's terms of nobody"),
        pytest.param({"effective_at": "2030-06-05T00:00:00"}, id="an instant without a zone"),
    ],
)
def test_what_is_published_is_whole(caller: Caller, changes: dict[str, Any]) -> None:
    assert publish(caller, **changes).status_code == 422


@sqlite_only
def test_publishing_is_for_operators_of_all_shops(caller: Caller) -> None:
    feeder = caller.key("feeder", Scope.SHOPS_WRITE)
    one_shop = caller.key("one-shop", Scope.OPERATOR, shops=["fred"])

    assert [publish(caller, headers=key).status_code for key in (feeder, one_shop)] == [403, 403]


@sqlite_only
def test_the_list_says_which_version_governs_and_from_when_another_will(caller: Caller, time: StoppedTime) -> None:
    publish(caller)

    before = {
        version: shown["governs"] for (document, version), shown in listed(caller).items() if "platform" in document
    }
    time.move_to(BETWEEN)
    after = {
        version: shown["governs"] for (document, version), shown in listed(caller).items() if "platform" in document
    }

    assert before == {"2030-06-05": False, "2021-09-28": True}
    assert after == {"2030-06-05": True, "2021-09-28": False}


# Proof


def test_what_was_accepted_is_proven_by_hash_address_and_request(caller: Caller) -> None:
    booking_id = caller.booked()

    proof = consents(caller, booking_id)["accepted"]

    assert [(each["id"], each["version"]) for each in proof] == [
        ("platform-terms", "2021-09-28"),
        ("provider-terms-jitsi", "development-1"),
    ]
    assert {len(each["sha256"]) for each in proof} == {64}
    assert all(each["request_id"] and each["url"] for each in proof)


def test_nothing_is_accepted_by_a_mere_hold(caller: Caller) -> None:
    assert consents(caller, caller.held())["accepted"] == []


def test_before_the_call_the_version_that_will_govern_it_is_foreseen(caller: Caller) -> None:
    publish(caller)
    before = consents(caller, caller.booked(starts_at=SLOT.isoformat()))
    after = consents(caller, caller.booked(starts_at=OTHER_SLOT.isoformat(), contact={"email": "b@example.jp"}))

    assert [each["version"] for each in before["governing"]] == ["2021-09-28", "development-1"]
    assert [each["version"] for each in after["governing"]] == ["2030-06-05", "development-1"]
    assert not after["has_begun"]


def test_made_under_one_version_and_held_under_the_next_both_are_on_record(caller: Caller) -> None:
    booking_id = caller.booked(starts_at=OTHER_SLOT.isoformat())
    publish(caller)

    with caller.database.transaction() as session:
        booking = bookings.locked(session, booking_id)
        assert booking is not None
        for side in (Side.CUSTOMER, Side.STAFF):
            entering.enter(session, booking, side, now=OTHER_SLOT)

    proof = consents(caller, booking_id)
    assert [each["version"] for each in proof["accepted"]] == ["2021-09-28", "development-1"]
    assert [each["version"] for each in proof["governing"]] == ["2030-06-05", "development-1"]
    assert proof["has_begun"]


@sqlite_only
def test_what_governed_a_call_stays_on_record_whatever_is_published_since(caller: Caller) -> None:
    booking_id = caller.booked(starts_at=SLOT.isoformat())
    with caller.database.transaction() as session:
        booking = bookings.locked(session, booking_id)
        assert booking is not None
        for side in (Side.STAFF, Side.CUSTOMER):
            entering.enter(session, booking, side, now=SLOT)

    publish(caller)

    assert [each["version"] for each in consents(caller, booking_id)["governing"]] == ["2021-09-28", "development-1"]


@sqlite_only
def test_the_proof_of_another_shop_does_not_exist(caller: Caller) -> None:
    booking_id = caller.booked()
    key = caller.key("fred", Scope.BOOKINGS_READ, shops=["fred"])

    assert caller.http.get(f"/v1/bookings/{booking_id}/consents", headers=key).status_code == 404
