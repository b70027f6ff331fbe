"""What operators see of messages, and decide with a reason: unknown ones, silenced addresses, an account's share."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from httpx2 import Response
from sqlalchemy import select

from models.access import Scope
from models.carrier import CarrierMove
from models.customer import Channel
from models.job import Name, Queue
from models.message import Attempt, Kind, Message, MessageDecision, State, Unknown
from models.suppression import Suppression
from tests.api.calling import Caller
from tests.conftest import StoppedTime
from tests.worker.desk import NOW, SLOT, phone, sqlite_only
from worker import carriers, suppressions
from worker.database import Database
from worker.messages import tell_customer

pytestmark = sqlite_only

Own = dict[str, str]


@pytest.fixture
def caller(seeded: Database, time: StoppedTime) -> Caller:
    return Caller.of(seeded, time)


@pytest.fixture
def operator(caller: Caller) -> Own:
    return caller.key("ops", Scope.OPERATOR)


@pytest.fixture
def lost(caller: Caller) -> UUID:
    """A confirmation whose outcome nobody could find out."""
    booking_id = caller.booked()
    with caller.locked(booking_id) as (session, booking):
        tell_customer(session, booking, Kind.BOOKING_CONFIRMED, now=NOW, expires_at=SLOT)
    [message] = caller.messages(Kind.BOOKING_CONFIRMED)
    with caller.database.transaction() as session:
        row = session.get_one(Message, message.id)
        row.state, row.because = State.UNKNOWN, "no_answer"
        attempt = Attempt(id=UUID(int=7), message_id=message.id, vendor="twilio", started_at=NOW)
        attempt.record(Unknown("no_answer"), now=NOW)
        session.add(attempt)
        for job in caller.jobs():
            session.delete(session.merge(job))
    return message.id


def post(caller: Caller, own: Own, path: str, **body: Any) -> Response:
    return caller.http.post(f"/v1/{path}", json=body, headers=own)


def get(caller: Caller, own: Own, path: str) -> Response:
    return caller.http.get(f"/v1/{path}", headers=own)


def decisions(caller: Caller) -> list[tuple[str, str, str]]:
    with caller.database.snapshot() as session:
        rows = session.scalars(select(MessageDecision).order_by(MessageDecision.id)).all()
    return [(row.decision, row.reason, row.decided_by) for row in rows]


# Seeing


def test_what_waits_for_a_person_is_listed(caller: Caller, operator: Own, lost: UUID) -> None:
    [listed] = get(caller, operator, "messages").json()["messages"]

    assert (listed["id"], listed["state"], listed["when_unknown"]) == (str(lost), "unknown", "a_person_decides")


def test_another_state_can_be_listed(caller: Caller, operator: Own, lost: UUID) -> None:
    assert get(caller, operator, "messages?state=failed").json()["messages"] == []


def test_a_message_is_shown_with_its_calls_and_never_with_words_or_address(
    caller: Caller, operator: Own, lost: UUID
) -> None:
    answer = get(caller, operator, f"messages/{lost}")

    [attempt] = answer.json()["attempts"]
    assert (attempt["vendor"], attempt["answer"], attempt["code"]) == ("twilio", "unknown", "no_answer")
    assert phone(12).removeprefix("+81") not in answer.text
    assert "http" not in answer.text


def test_a_message_that_does_not_exist_is_not_found(caller: Caller, operator: Own) -> None:
    answer = get(caller, operator, f"messages/{UUID(int=404)}")

    assert (answer.status_code, answer.json()["code"]) == (404, "message_not_found")


# Deciding


def test_a_person_who_knows_that_it_was_not_sent_has_it_sent_again(caller: Caller, operator: Own, lost: UUID) -> None:
    answer = post(caller, operator, f"messages/{lost}/resend", reason="asked the carrier")

    [job] = caller.jobs(Name.DELIVER_MESSAGE)
    assert (answer.status_code, answer.json()["state"]) == (200, "queued")
    assert (job.args, job.queue) == ({"message_id": str(lost)}, Queue.BOOKINGS)
    assert decisions(caller) == [("resend", "asked the carrier", "key:ops")]


def test_it_is_sent_again_once_however_often_the_person_presses(caller: Caller, operator: Own, lost: UUID) -> None:
    post(caller, operator, f"messages/{lost}/resend", reason="asked the carrier")

    again = post(caller, operator, f"messages/{lost}/resend", reason="asked the carrier")

    assert again.status_code == 409
    assert len(caller.jobs(Name.DELIVER_MESSAGE)) == 1
    assert len(decisions(caller)) == 1


@pytest.mark.parametrize(("arrived", "state"), [(True, "delivered"), (False, "failed")])
def test_a_person_closes_it_and_it_is_never_sent(
    caller: Caller, operator: Own, lost: UUID, arrived: bool, state: str
) -> None:
    answer = post(caller, operator, f"messages/{lost}/close", reason="she came", arrived=arrived)

    assert (answer.status_code, answer.json()["state"]) == (200, state)
    assert caller.jobs(Name.DELIVER_MESSAGE) == []
    assert decisions(caller) == [("close", "she came", "key:ops")]


@pytest.mark.parametrize("decision", ["resend", "close"])
@pytest.mark.parametrize("state", [State.QUEUED, State.SENDING, State.SENT, State.DELIVERED, State.FAILED])
def test_only_what_is_unknown_can_be_decided(
    caller: Caller, operator: Own, lost: UUID, decision: str, state: State
) -> None:
    with caller.database.transaction() as session:
        session.get_one(Message, lost).state = state

    answer = post(caller, operator, f"messages/{lost}/{decision}", reason="a mistake")

    assert answer.status_code == 409
    assert decisions(caller) == []


@pytest.mark.parametrize("reason", [None, "", "ok"])
def test_no_decision_is_made_without_a_reason(caller: Caller, operator: Own, lost: UUID, reason: str | None) -> None:
    answer = post(caller, operator, f"messages/{lost}/resend", **({} if reason is None else {"reason": reason}))

    assert answer.status_code == 422
    assert caller.jobs(Name.DELIVER_MESSAGE) == []


# Silenced addresses


def silence(caller: Caller) -> None:
    with caller.database.transaction() as session:
        suppressions.silence(session, Channel.SMS, phone(12), "stop", attempt_id=None, now=NOW)


@pytest.mark.parametrize("written", [phone(12), "090-0000-0012", "０９０-0000-0012"])
def test_a_silence_is_lifted_however_the_number_is_written(caller: Caller, operator: Own, written: str) -> None:
    silence(caller)

    answer = post(caller, operator, "suppressions/lift", channel="sms", address=written, reason="she asked for it")

    with caller.database.snapshot() as session:
        row = session.scalars(select(Suppression)).one()
    assert answer.json() == {"lifted": True}
    assert (row.lifted_by, row.lifted_because) == ("key:ops", "she asked for it")


def test_what_is_not_silenced_is_said_to_be_so(caller: Caller, operator: Own) -> None:
    answer = post(caller, operator, "suppressions/lift", channel="sms", address=phone(12), reason="just in case")

    assert answer.json() == {"lifted": False}


def test_an_address_that_is_none_is_refused(caller: Caller, operator: Own) -> None:
    answer = post(caller, operator, "suppressions/lift", channel="mail", address="nobody", reason="a mistake")

    assert answer.status_code == 422


# Shares


@pytest.fixture
def used(caller: Caller) -> None:
    """An account that has been used, so that it has a row."""
    with caller.database.transaction() as session:
        carriers.of_channel(session, Channel.SMS, now=NOW)


def test_a_person_overrides_an_accounts_share_and_gives_it_back(caller: Caller, operator: Own, used: None) -> None:
    fixed = post(caller, operator, "carriers/twilio/share", share=0, reason="maintenance")
    freed = post(caller, operator, "carriers/twilio/share", share=None, reason="it is over")

    with caller.database.snapshot() as session:
        moves = [(move.before, move.after, move.why) for move in session.scalars(select(CarrierMove))]
    assert fixed.json() == {"name": "twilio", "share": 0, "fixed": True}
    assert freed.json() == {"name": "twilio", "share": 1, "fixed": False}
    assert moves == [(1, 0, "maintenance"), (0, 1, "it is over")]


def test_an_account_that_does_not_exist_is_not_found(caller: Caller, operator: Own) -> None:
    answer = post(caller, operator, "carriers/nobody/share", share=1, reason="a mistake")

    assert (answer.status_code, answer.json()["code"]) == (404, "carrier_not_found")


@pytest.mark.parametrize("share", [-1, 1001, "much"])
def test_a_share_that_is_none_is_refused(caller: Caller, operator: Own, used: None, share: Any) -> None:
    assert post(caller, operator, "carriers/twilio/share", share=share, reason="a mistake").status_code == 422


# Who may


ACTS: dict[str, Callable[[Caller, Own, UUID], Response]] = {
    "list": lambda caller, own, _: get(caller, own, "messages"),
    "show": lambda caller, own, lost: get(caller, own, f"messages/{lost}"),
    "resend": lambda caller, own, lost: post(caller, own, f"messages/{lost}/resend", reason="a reason"),
    "close": lambda caller, own, lost: post(caller, own, f"messages/{lost}/close", reason="a reason"),
    "lift": lambda caller, own, _: post(
        caller, own, "suppressions/lift", channel="sms", address=phone(12), reason="a reason"
    ),
    "share": lambda caller, own, _: post(caller, own, "carriers/twilio/share", share=0, reason="a reason"),
}


@pytest.mark.parametrize("act", ACTS)
def test_only_an_operator_may(caller: Caller, lost: UUID, act: str) -> None:
    everything_else = caller.key("site", *(scope for scope in Scope if scope is not Scope.OPERATOR))

    assert ACTS[act](caller, everything_else, lost).status_code == 403


@pytest.mark.parametrize("act", ["show", "resend", "close"])
def test_a_message_of_a_shop_that_the_key_does_not_cover_does_not_exist(caller: Caller, lost: UUID, act: str) -> None:
    answer = ACTS[act](caller, caller.key("fred", Scope.OPERATOR, shops=["fred"]), lost)

    assert answer.status_code == 404
    assert decisions(caller) == []


def test_a_key_of_one_shop_sees_no_others_messages(caller: Caller, lost: UUID) -> None:
    answer = get(caller, caller.key("fred", Scope.OPERATOR, shops=["fred"]), "messages")

    assert answer.json()["messages"] == []
