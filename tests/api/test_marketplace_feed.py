"""What the marketplace feeds over HTTP: new or not, changed or not, and nothing of it in any answer."""

import logging
from typing import Any

import pytest
from httpx2 import Response
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models.access import Scope
from models.marketplace import Member, MemberSnapshot, TradeMessage, TradeSide
from tests.api.calling import Caller
from tests.conftest import StoppedTime
from tests.worker.desk import at_once, postgresql_only, sqlite_only
from tests.worker.marketplace import a_member, a_trade, an_organisation
from worker import registry
from worker.database import Database

MEMBER = {
    "kind": "individual",
    "status": "active",
    "protected_address": False,
    "nickname": "nick-canary",
    "name": "見本 canary",
    "kana": "ミホン canary",
    "postal_code": "999-0001",
    "address": "見本県見本市canary町1-2-3",
    "email": "canary@example.jp",
    "registered_at": "2028-04-01T03:00:00Z",
}
SHOP = MEMBER | {"kind": "shop", "representative": "代表 canary", "representative_kana": "ダイヒョウ canary"}
TRADE = {
    "seller": "m-seller",
    "buyer": "m-buyer",
    "item_number": "I-1024",
    "item_name": "見本の腕時計",
    "won_on": "2030-04-20",
    "completed_at": "2030-05-10T03:00:00Z",
    "anonymous_shipping": True,
    "payment_service": True,
    "message_window_opens_at": "2030-04-20T12:00:00Z",
    "message_window_closes_at": "2030-05-24T15:00:00Z",
}
MESSAGE = {"id": "x-1", "sent_by": "buyer", "sent_at": "2030-05-12T09:00:00Z"}
BODY = {
    "kind": "accredited",
    "name": "見本権利者団体",
    "email": "canary@example.com",
    "postal_code": "999-0003",
    "postal_address": "見本県見本市canary町7-8-9",
    "addressee": "法務部 canary",
    "accredited_by": "見本ガイドライン協議会",
    "valid_from": "2029-04-01",
}
CONTRACTED = {
    **{name: value for name, value in BODY.items() if name != "accredited_by"},
    "kind": "contracted",
    "contract_reference": "C-2029-7",
    "judged_by": "legal-1",
    "judged_at": "2029-03-20T02:00:00Z",
}
FED = [
    pytest.param("/v1/members/m-1", MEMBER, {"address": "別の住所"}, id="a member"),
    pytest.param("/v1/transactions/T-1", TRADE, {"completed_at": None}, id="a transaction"),
    pytest.param("/v1/organisations/o-1", BODY, {"valid_until": "2031-04-01"}, id="an organisation"),
]


@pytest.fixture
def caller(seeded: Database, time: StoppedTime) -> Caller:
    with seeded.transaction() as session:
        a_member(session, "m-seller")
        a_member(session, "m-buyer")
    return Caller.of(seeded, time)


def put(caller: Caller, path: str, body: dict[str, Any], **changes: Any) -> Response:
    return caller.http.put(path, json=body | changes)


def faults(answer: Response) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [fault["pointer"] for fault in answer.json()["errors"]]


# What all that is fed has in common


@pytest.mark.parametrize(("path", "body", "change"), FED)
def test_what_is_new_is_created(caller: Caller, path: str, body: dict[str, Any], change: dict[str, Any]) -> None:
    answer = put(caller, path, body)

    assert (answer.status_code, answer.json()) == (
        201,
        {"id": path.rpartition("/")[2], "revision": 1, "updated_at": "2030-06-03T01:00:00Z", "warnings": []},
    )


@pytest.mark.parametrize(("path", "body", "change"), FED)
def test_the_same_body_twice_is_one_revision(
    caller: Caller, path: str, body: dict[str, Any], change: dict[str, Any]
) -> None:
    first = put(caller, path, body)
    caller.time.advance(days=1)

    answer = put(caller, path, body)

    assert (answer.status_code, answer.json()) == (200, first.json())


@pytest.mark.parametrize(("path", "body", "change"), FED)
def test_a_change_is_the_next_revision(caller: Caller, path: str, body: dict[str, Any], change: dict[str, Any]) -> None:
    put(caller, path, body)
    caller.time.advance(days=1)

    answer = put(caller, path, body, **change)

    assert answer.status_code == 200
    assert (answer.json()["revision"], answer.json()["updated_at"]) == (2, "2030-06-04T01:00:00Z")


@sqlite_only
@pytest.mark.parametrize(("path", "body", "change"), FED)
def test_what_was_fed_is_shown_by_its_revision_alone(
    caller: Caller, path: str, body: dict[str, Any], change: dict[str, Any]
) -> None:
    put(caller, path, body)

    answer = caller.http.get(path)

    assert (answer.status_code, answer.json()) == (
        200,
        {"id": path.rpartition("/")[2], "revision": 1, "updated_at": "2030-06-03T01:00:00Z"},
    )


@sqlite_only
@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/members/m-none", "member_not_found"),
        ("/v1/transactions/T-none", "transaction_not_found"),
        ("/v1/organisations/o-none", "organisation_not_found"),
    ],
)
def test_what_was_never_fed_is_not_found(caller: Caller, path: str, code: str) -> None:
    answer = caller.http.get(path)

    assert (answer.status_code, answer.json()["code"]) == (404, code)


@sqlite_only
@pytest.mark.parametrize(("path", "body", "change"), FED)
def test_nobody_feeds_or_looks_without_the_scope(
    caller: Caller, path: str, body: dict[str, Any], change: dict[str, Any]
) -> None:
    others = caller.key("reader", *(scope for scope in Scope if scope is not Scope.MARKETPLACE_WRITE))

    answers = [caller.http.put(path, json=body, headers=others), caller.http.get(path, headers=others)]

    assert [answer.json()["code"] for answer in answers] == ["forbidden", "forbidden"]


@sqlite_only
@pytest.mark.parametrize(("path", "body", "change"), FED)
def test_a_key_that_is_bound_to_shops_feeds_nothing(
    caller: Caller, path: str, body: dict[str, Any], change: dict[str, Any]
) -> None:
    bound = caller.key("bound", shops=["fred"])

    answers = [caller.http.put(path, json=body, headers=bound), caller.http.get(path, headers=bound)]

    assert [answer.json()["code"] for answer in answers] == ["forbidden", "forbidden"]


@sqlite_only
@pytest.mark.parametrize(("path", "body", "change"), FED)
def test_every_member_of_a_body_that_is_not_optional_is_asked_for(
    caller: Caller, path: str, body: dict[str, Any], change: dict[str, Any]
) -> None:
    optional = {"completed_at", "accredited_by"}

    missing = [
        faults(caller.http.put(path, json={name: value for name, value in body.items() if name != left_out}))
        for left_out in body
        if left_out not in optional
    ]

    assert missing == [[f"/{name}"] for name in body if name not in optional]


@sqlite_only
@pytest.mark.parametrize(("path", "body", "change"), FED)
def test_a_member_of_a_body_that_nobody_knows_is_refused(
    caller: Caller, path: str, body: dict[str, Any], change: dict[str, Any]
) -> None:
    assert faults(put(caller, path, body, my_number="000000000000")) == ["/my_number"]


@sqlite_only
@pytest.mark.parametrize("name", ["%2E%2E", "a%20b", "a%40b", "-a", "a" * 65, "%E8%8A%B1"])
def test_an_id_that_does_not_fit_an_address_is_refused(caller: Caller, name: str) -> None:
    assert put(caller, f"/v1/members/{name}", MEMBER).status_code in {404, 422}


@sqlite_only
def test_no_answer_and_no_log_line_holds_anything_of_what_is_registered(
    caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    put(caller, "/v1/members/m-other", MEMBER, nickname="nick-taken", email="other@example.jp")
    spoilt = [{"email": "canary"}, {"kind": "canary"}, {"nickname": "nick-taken"}, {"registered_at": "canary"}]

    answers = [
        put(caller, "/v1/members/m-1", SHOP),
        *(put(caller, "/v1/members/m-1", MEMBER, **each) for each in spoilt),
        put(caller, "/v1/organisations/o-1", BODY),
        put(caller, "/v1/organisations/o-1", BODY, email="canary"),
        caller.http.get("/v1/members/m-1"),
        caller.http.get("/v1/organisations/o-1"),
    ]

    assert [answer.status_code for answer in answers] == [201, 422, 422, 409, 422, 201, 422, 200, 200]
    said = "".join(answer.text + str(answer.headers) for answer in answers)
    logged = "".join(str(record.__dict__) for record in caplog.records if not record.name.startswith(("httpx", "asyn")))
    assert "canary" not in said
    assert "canary" not in logged


# Members


@sqlite_only
def test_what_is_registered_is_kept_as_it_was_sent(caller: Caller) -> None:
    put(caller, "/v1/members/m-1", SHOP)

    with caller.database.snapshot() as session:
        member = registry.member_by_external_id(session, "m-1")
        assert member is not None
        here = registry.registered(session, session.get_one(MemberSnapshot, member.snapshot_id))
    texts = {name for name, value in SHOP.items() if isinstance(value, str)} - {"kind", "status", "registered_at"}
    assert vars(here) == {name: SHOP[name] for name in texts}


@sqlite_only
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"kind": "shop"}, id="a shop that nobody stands for"),
        pytest.param({"representative": "代表", "representative_kana": "ダイヒョウ"}, id="a person represented"),
        pytest.param({"kind": "shop", "representative": "代表"}, id="a representative without kana"),
    ],
)
def test_a_shop_has_a_representative_and_nobody_else_has(caller: Caller, changes: dict[str, Any]) -> None:
    """D31."""
    assert faults(put(caller, "/v1/members/m-1", MEMBER, **changes)) == [""]


@sqlite_only
@pytest.mark.parametrize("text", ["", "  ", "\u200b", "　", "a\u0000b"])
@pytest.mark.parametrize("name", ["nickname", "name", "kana", "postal_code", "address"])
def test_a_text_that_says_nothing_is_refused(caller: Caller, name: str, text: str) -> None:
    assert faults(put(caller, "/v1/members/m-1", MEMBER, **{name: text})) == [f"/{name}"]


@sqlite_only
@pytest.mark.parametrize("at", ["2028-04-01T03:00:00", "1960-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "today"])
def test_an_instant_has_a_zone_and_is_on_record(caller: Caller, at: str) -> None:
    assert faults(put(caller, "/v1/members/m-1", MEMBER, registered_at=at)) == ["/registered_at"]


@sqlite_only
def test_an_address_that_cannot_be_written_to_is_pointed_at(caller: Caller) -> None:
    answer = put(caller, "/v1/members/m-1", MEMBER, email="a b@example.jp")

    assert (faults(answer), answer.json()["code"]) == (["/email"], "email_invalid")


def test_a_nickname_that_another_bears_is_refused_and_nothing_is_kept(caller: Caller) -> None:
    put(caller, "/v1/members/m-1", MEMBER)

    answer = put(caller, "/v1/members/m-2", MEMBER)

    assert (answer.status_code, answer.json()["code"]) == (409, "nickname_taken")
    assert answer.json()["errors"][0]["pointer"] == "/nickname"
    assert caller.http.get("/v1/members/m-2").status_code == 404


@sqlite_only
def test_a_change_that_is_told_late_is_history_and_the_answer_says_so(caller: Caller) -> None:
    """D43."""
    put(caller, "/v1/members/m-1", MEMBER, changed_at="2030-05-01T00:00:00Z")

    late = [
        put(caller, "/v1/members/m-1", MEMBER, address="前の住所", changed_at="2029-05-01T00:00:00Z") for _ in range(2)
    ]

    assert [(answer.json()["revision"], answer.json()["warnings"]) for answer in late] == [
        (2, ["later_change_known"])
    ] * 2


@sqlite_only
def test_who_leaves_is_kept(caller: Caller) -> None:
    """A20."""
    put(caller, "/v1/members/m-1", MEMBER)
    put(caller, "/v1/members/m-1", MEMBER, status="left")

    with caller.database.snapshot() as session:
        member = registry.member_by_external_id(session, "m-1")
        assert member is not None
        assert (member.is_active, registry.email_of(session, member)) == (False, "canary@example.jp")


@sqlite_only
def test_a_request_that_comes_again_with_its_key_gets_its_first_answer(caller: Caller) -> None:
    key = {"Idempotency-Key": "one"}

    answers = [caller.http.put("/v1/members/m-1", json=MEMBER, headers=key) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[1].headers["Idempotent-Replayed"] == "true"


# Transactions


@sqlite_only
@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"seller": "m-none"}, ["/seller"]),
        ({"buyer": "m-none"}, ["/buyer"]),
        ({"seller": "m-none", "buyer": "m-nil"}, ["/seller", "/buyer"]),
    ],
)
def test_a_party_who_is_not_known_is_pointed_at(caller: Caller, changes: dict[str, Any], pointers: list[str]) -> None:
    answer = put(caller, "/v1/transactions/T-1", TRADE, **changes)

    assert (faults(answer), answer.json()["code"]) == (pointers, "member_unknown")


@sqlite_only
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"buyer": "m-seller"}, id="with oneself"),
        pytest.param({"message_window_closes_at": "2030-04-20T11:59:59Z"}, id="a window that closes before it opens"),
    ],
)
def test_a_transaction_that_cannot_be_is_refused(caller: Caller, changes: dict[str, Any]) -> None:
    assert faults(put(caller, "/v1/transactions/T-1", TRADE, **changes)) == [""]


@sqlite_only
def test_the_parties_of_a_transaction_never_change(caller: Caller) -> None:
    """D7."""
    put(caller, "/v1/transactions/T-1", TRADE)

    answer = put(caller, "/v1/transactions/T-1", TRADE, buyer="m-seller", seller="m-buyer")

    assert (answer.status_code, answer.json()["code"]) == (409, "parties_fixed")
    assert caller.http.get("/v1/transactions/T-1").json()["revision"] == 1


@sqlite_only
@pytest.mark.parametrize(
    ("closes_at", "warnings"),
    [
        # Completed on 10 May, so the last day of three months is 10 August (Civil Code, articles 140 and 143).
        pytest.param("2030-08-10T14:59:59.999999Z", [], id="a moment is left"),
        pytest.param("2030-08-10T15:00:00Z", ["window_outlasts_eligibility"], id="none is left"),
    ],
)
def test_a_window_that_outlasts_the_months_is_warned_of(
    caller: Caller, closes_at: str, warnings: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A3."""
    answers = [put(caller, "/v1/transactions/T-1", TRADE, message_window_closes_at=closes_at) for _ in range(2)]

    assert [answer.json()["warnings"] for answer in answers] == [warnings, warnings]
    alarms = [record for record in caplog.records if record.name == "worker.registry"]
    assert len(alarms) == len(warnings), "the same again raises no other alarm"


@sqlite_only
def test_a_transaction_that_is_not_completed_warns_of_nothing(caller: Caller) -> None:
    late = {"completed_at": None, "message_window_closes_at": "2031-08-10T15:00:00Z"}

    assert put(caller, "/v1/transactions/T-1", TRADE, **late).json()["warnings"] == []


# Messages as facts


@pytest.fixture
def traded(caller: Caller) -> Caller:
    assert put(caller, "/v1/transactions/T-1", TRADE).status_code == 201
    return caller


def tell(caller: Caller, *facts: dict[str, Any]) -> Response:
    return caller.http.post("/v1/transactions/T-1/messages", json={"messages": list(facts)})


def test_messages_are_counted_once_however_often_they_are_told(traded: Caller) -> None:
    """D13."""
    answers = [tell(traded, MESSAGE), tell(traded, MESSAGE, MESSAGE | {"id": "x-2"}), tell(traded, MESSAGE)]

    assert [answer.json() for answer in answers] == [
        {"added": 1, "known_already": 0},
        {"added": 1, "known_already": 1},
        {"added": 0, "known_already": 1},
    ]
    with traded.database.snapshot() as session:
        assert session.scalars(select(func.count()).select_from(TradeMessage)).one() == 2


def test_a_message_that_one_request_tells_twice_is_one(traded: Caller) -> None:
    assert tell(traded, MESSAGE, MESSAGE).json() == {"added": 1, "known_already": 1}


@sqlite_only
@pytest.mark.parametrize("count", [0, 101])
def test_messages_come_by_up_to_a_hundred(traded: Caller, count: int) -> None:
    assert faults(tell(traded, *(MESSAGE | {"id": f"x-{n}"} for n in range(count)))) == ["/messages"]


@sqlite_only
@pytest.mark.parametrize("extra", ["text", "body", "subject"])
def test_there_is_no_place_for_what_was_written(traded: Caller, extra: str) -> None:
    assert faults(tell(traded, MESSAGE | {extra: "…"})) == [f"/messages/0/{extra}"]


@sqlite_only
def test_messages_of_a_transaction_that_is_not_known_are_refused(caller: Caller) -> None:
    answer = tell(caller, MESSAGE)

    assert (answer.status_code, answer.json()["code"]) == (404, "transaction_not_found")


# Organisations


@sqlite_only
@pytest.mark.parametrize(
    ("body", "left_out"),
    [
        (BODY, "accredited_by"),
        (CONTRACTED, "contract_reference"),
        (CONTRACTED, "judged_by"),
        (CONTRACTED, "judged_at"),
    ],
)
def test_an_organisation_needs_the_ground_of_its_kind(caller: Caller, body: dict[str, Any], left_out: str) -> None:
    """D56, D57."""
    assert put(caller, "/v1/organisations/o-1", body).status_code == 201

    assert faults(put(caller, "/v1/organisations/o-2", body, **{left_out: None})) == [""]


@sqlite_only
def test_an_organisation_that_is_never_valid_is_refused(caller: Caller) -> None:
    assert faults(put(caller, "/v1/organisations/o-1", BODY, valid_until="2029-04-01")) == [""]


# At the same instant


@postgresql_only
def test_changes_of_one_member_at_the_same_instant_are_a_revision_each(caller: Caller) -> None:
    put(caller, "/v1/members/m-1", MEMBER)

    answers = at_once(
        *[lambda n=n: put(caller, "/v1/members/m-1", MEMBER, address=f"見本町{n}") for n in range(8)],
    )

    assert [answer.status_code for answer in answers] == [200] * 8
    assert sorted(answer.json()["revision"] for answer in answers) == list(range(2, 10))


@postgresql_only
def test_a_new_member_at_the_same_instant_is_created_once(caller: Caller) -> None:
    answers = at_once(*[lambda: put(caller, "/v1/members/m-1", MEMBER)] * 8)

    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert {answer.json()["revision"] for answer in answers} == {1}


@postgresql_only
def test_a_member_whom_somebody_else_has_just_fed_is_the_same_member(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another process writes between our look for the member and our look for the nickname is no stranger's."""
    look = registry.member_by_external_id
    found_first: list[Member | None] = []
    others: list[Response] = []

    def looks_too_early(session: Session, external_id: str) -> Member | None:
        found = look(session, external_id)
        if not found_first:
            found_first.append(found)
            others.append(put(caller, "/v1/members/m-1", MEMBER))
        return found

    monkeypatch.setattr(registry, "member_by_external_id", looks_too_early)

    second = put(caller, "/v1/members/m-1", MEMBER)

    assert found_first[0] is None
    assert [each.status_code for each in [*others, second]] == [201, 200]
    assert others[0].json() == second.json()


@postgresql_only
def test_a_transaction_and_its_messages_at_the_same_instant_are_told_once(caller: Caller) -> None:
    answers = at_once(*[lambda: put(caller, "/v1/transactions/T-1", TRADE)] * 6)
    told = at_once(
        *[lambda: tell(caller, *(MESSAGE | {"id": f"x-{n}"} for n in range(20)))] * 3,
        *[lambda: tell(caller, *(MESSAGE | {"id": f"x-{n}"} for n in reversed(range(20))))] * 3,
    )

    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert sum(answer.json()["added"] for answer in told) == 20


@sqlite_only
def test_what_the_builders_feed_is_what_the_api_feeds(caller: Caller) -> None:
    with caller.database.transaction() as session:
        a_trade(session, "T-1")
        an_organisation(session, "o-1")

    assert caller.http.get("/v1/transactions/T-1").json()["revision"] == 1
    assert put(caller, "/v1/transactions/T-1", TRADE).json()["revision"] == 1
    with caller.database.snapshot() as session:
        trade = registry.trade_by_number(session, "T-1")
        assert trade is not None
        counted = registry.messages_by(session, trade, TradeSide.BUYER, before=caller.time.at)
        assert session.scalars(select(func.count()).select_from(Member)).one() == 2
    assert counted == 1


# Erasing


def test_a_member_is_erased_and_may_come_again(caller: Caller) -> None:
    put(caller, "/v1/members/m-1", MEMBER)

    gone = [caller.http.delete("/v1/members/m-1").status_code for _ in range(2)]
    again = put(caller, "/v1/members/m-1", MEMBER)

    assert gone == [204, 204]
    assert again.status_code == 200
    assert again.json()["revision"] == 2


def test_who_was_never_fed_cannot_be_erased(caller: Caller) -> None:
    refused = caller.http.delete("/v1/members/m-nobody")

    assert (refused.status_code, refused.json()["code"]) == (404, "member_not_found")
