"""What every worker knows of the accounts: one breaker for all, one probe, shares that drift and are recorded."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from sqlalchemy import select

from models.carrier import FAILURES_TO_OPEN, FEWEST_CALLS, FIRST_REST, QUIET_FOR, SLOW_FROM, Carrier, CarrierMove
from models.customer import Channel
from models.message import Accepted, Answer, Attempt, Kind, Message, Receipt, Refused, State, TryLater, Unknown
from tests.worker.desk import MINUTE, MOMENT, NOW, Desk, at_once, sqlite_only
from worker import carriers
from worker.chance import new_id
from worker.clock import unix_ms
from worker.database import Database
from worker.messages import tell_customer
from worker.settings import settings

LOST = Unknown("no_answer")
ACCOUNT = {"api_url": "http://127.0.0.1:9", "account_sid": "AC" + "0" * 32, "auth_token": "t", "sender": "+15005550006"}


@pytest.fixture(autouse=True)
def two_accounts(environment: pytest.MonkeyPatch) -> None:
    accounts = [{"name": "first", "share": 3, **ACCOUNT}, {"name": "second", **ACCOUNT}]
    environment.setenv("SMS_ACCOUNTS", json.dumps(accounts))


def known(database: Database) -> Sequence[Carrier]:
    with database.transaction() as session:
        return carriers.of_channel(session, Channel.SMS, now=NOW)


def one(database: Database, name: str = "first") -> Carrier:
    with database.snapshot() as session:
        return session.get_one(Carrier, name)


def hear(database: Database, answer: Answer, *, times: int = 1, name: str = "first", at: datetime = NOW) -> None:
    for _ in range(times):
        with database.transaction() as session:
            carriers.heard(session, name, answer, now=at)


def pick(database: Database, *, at: datetime = NOW) -> str | None:
    with database.transaction() as session:
        chosen = carriers.pick(session, carriers.of_channel(session, Channel.SMS, now=at), now=at)
        return chosen.name if chosen else None


def moves(database: Database) -> list[tuple[str, float, float, str]]:
    with database.snapshot() as session:
        rows = session.scalars(select(CarrierMove).order_by(CarrierMove.id)).all()
    return [(row.carrier, row.before, row.after, row.why) for row in rows]


def drift(database: Database, *, at: datetime = NOW) -> int:
    with database.transaction() as session:
        return carriers.let_drift(session, now=at)


def attempts(database: Database, answers: Sequence[Answer], *, at: datetime = NOW, name: str = "first") -> list[UUID]:
    """Write down calls that were made; they are all of one message."""
    with database.transaction() as session:
        message = session.scalars(select(Message.id)).one()
        made = []
        for answer in answers:
            attempt = Attempt(id=new_id(unix_ms()), message_id=message, vendor=name, started_at=at)
            attempt.record(answer, now=at)
            session.add(attempt)
            made.append(attempt.id)
        return made


def report(database: Database, attempt_ids: Sequence[UUID], *, at: datetime) -> None:
    with database.transaction() as session:
        for attempt_id in attempt_ids:
            session.add(
                Receipt(
                    once_key=str(attempt_id),
                    vendor="first",
                    attempt_id=attempt_id,
                    status="delivered",
                    fact=State.DELIVERED,
                    received_at=at,
                )
            )


@pytest.fixture
def with_a_message(seeded: Database, time: object) -> Database:
    desk = Desk(seeded)
    desk.hold()
    [booking] = desk.bookings()
    with desk.locked(booking.id) as (session, row):
        tell_customer(session, row, Kind.BOOKING_CONFIRMED, now=NOW, expires_at=NOW + MINUTE)
    known(seeded)
    return seeded


# Who there is


def test_the_accounts_of_the_settings_get_rows_with_their_shares(database: Database) -> None:
    assert [(each.name, each.share, each.base_share) for each in known(database)] == [
        ("first", 3.0, 3.0),
        ("second", 1.0, 1.0),
    ]


def test_eight_workers_that_start_at_once_make_one_row_each_account(database: Database) -> None:
    at_once(*[lambda: known(database)] * 8)

    with database.snapshot() as session:
        assert sorted(session.scalars(select(Carrier.name))) == ["first", "second"]


def test_an_account_that_is_no_longer_in_the_settings_is_not_used(
    database: Database, environment: pytest.MonkeyPatch
) -> None:
    known(database)
    environment.setenv("SMS_ACCOUNTS", json.dumps([{"name": "second", **ACCOUNT}]))
    settings.cache_clear()

    assert [each.name for each in known(database)] == ["second"]


# The breaker


def test_what_one_worker_hears_all_workers_know(database: Database) -> None:
    known(database)

    at_once(*[lambda: hear(database, LOST)] * FAILURES_TO_OPEN)

    assert one(database).failures == FAILURES_TO_OPEN
    assert {pick(database) for _ in range(20)} == {"second"}


def test_a_refusal_is_a_proper_answer(database: Database) -> None:
    known(database)
    hear(database, LOST, times=FAILURES_TO_OPEN - 1)

    hear(database, Refused("21211"))

    assert one(database).failures == 0


def test_a_connection_that_is_refused_counts_as_a_failure(database: Database) -> None:
    known(database)

    hear(database, TryLater("connect"), times=FAILURES_TO_OPEN)

    assert not one(database).is_open_to(NOW)


def test_a_429_rests_the_account_for_as_long_as_it_asks(database: Database) -> None:
    known(database)

    hear(database, TryLater("20429", timedelta(seconds=7)))

    assert one(database).rests_until == NOW + timedelta(seconds=7)
    assert one(database).failures == 0


def test_a_429_that_does_not_say_how_long_rests_it_for_a_second(database: Database) -> None:
    known(database)

    hear(database, TryLater("20429"))

    assert one(database).rests_until == NOW + timedelta(seconds=1)


def test_after_the_rest_one_worker_makes_the_probe(database: Database) -> None:
    known(database)
    hear(database, LOST, times=FAILURES_TO_OPEN)
    later = NOW + FIRST_REST * 1.25

    picked = at_once(*[lambda: pick(database, at=later)] * 8)

    assert picked.count("first") == 1
    assert picked.count("second") == 7


def test_a_probe_that_is_answered_gives_the_account_back_to_all(database: Database) -> None:
    known(database)
    hear(database, LOST, times=FAILURES_TO_OPEN)
    later = NOW + FIRST_REST * 1.25
    pick(database, at=later)

    hear(database, Accepted("SM1"), at=later)

    assert {pick(database, at=later) for _ in range(60)} == {"first", "second"}


def test_a_probe_that_fails_rests_it_longer(database: Database) -> None:
    known(database)
    hear(database, LOST, times=FAILURES_TO_OPEN)
    later = NOW + FIRST_REST * 1.25
    pick(database, at=later)

    hear(database, LOST, at=later)

    until = one(database).rests_until
    assert until is not None
    assert until >= later + 2 * FIRST_REST


def test_while_all_accounts_rest_nobody_is_picked(database: Database) -> None:
    known(database)
    for name in ("first", "second"):
        hear(database, LOST, times=FAILURES_TO_OPEN, name=name)

    assert pick(database) is None


@sqlite_only
def test_messages_are_parted_by_share(database: Database) -> None:
    picked = [pick(database) for _ in range(300)]

    assert 150 < picked.count("first") < 285


@sqlite_only
def test_an_answer_from_an_account_without_a_row_is_heard_by_nobody(database: Database) -> None:
    hear(database, LOST, name="gone")

    assert known(database)[0].failures == 0


# The drift


def test_errors_move_a_share_away_and_the_move_is_recorded(with_a_message: Database) -> None:
    attempts(with_a_message, [LOST] * 2 + [Accepted("SM1")] * (FEWEST_CALLS - 2))

    assert drift(with_a_message, at=NOW + MINUTE) == 1

    assert one(with_a_message).share == 1.5
    assert moves(with_a_message) == [("first", 3.0, 1.5, "errors")]


def test_the_same_errors_do_not_move_it_twice(with_a_message: Database) -> None:
    attempts(with_a_message, [LOST] * FEWEST_CALLS)
    drift(with_a_message, at=NOW + MINUTE)

    assert drift(with_a_message, at=NOW + 2 * MINUTE) == 0


@sqlite_only
@pytest.mark.parametrize("answer", [Refused("21211"), TryLater("20429"), Accepted("SM1")], ids=["refused", "429", "ok"])
def test_proper_answers_move_nothing(with_a_message: Database, answer: Answer) -> None:
    attempts(with_a_message, [answer] * 2 * FEWEST_CALLS)

    assert drift(with_a_message, at=NOW + MINUTE) == 0


@sqlite_only
def test_late_reports_move_it_away(with_a_message: Database) -> None:
    made = attempts(with_a_message, [Accepted("SM1")] * FEWEST_CALLS)
    report(with_a_message, made, at=NOW + SLOW_FROM + MOMENT)

    drift(with_a_message, at=NOW + 3 * MINUTE)

    assert moves(with_a_message) == [("first", 3.0, 1.5, "slow_receipts")]


@sqlite_only
def test_reports_in_time_move_nothing(with_a_message: Database) -> None:
    made = attempts(with_a_message, [Accepted("SM1")] * FEWEST_CALLS)
    report(with_a_message, made, at=NOW + SLOW_FROM)

    assert drift(with_a_message, at=NOW + 3 * MINUTE) == 0


def test_quiet_time_moves_it_back_step_by_step_and_each_step_is_recorded(with_a_message: Database) -> None:
    attempts(with_a_message, [LOST] * FEWEST_CALLS)
    drift(with_a_message, at=NOW + MINUTE)

    for step in range(1, 20):
        drift(with_a_message, at=NOW + MINUTE + step * QUIET_FOR)

    steps = moves(with_a_message)
    assert one(with_a_message).share == 3.0
    assert [why for *_, why in steps] == ["errors"] + ["quiet"] * 15
    assert all(after == later for (_, _, after, _), (_, later, _, _) in pairwise(steps))


def test_an_account_that_rests_loses_its_share(with_a_message: Database) -> None:
    hear(with_a_message, LOST, times=FAILURES_TO_OPEN, at=NOW)

    drift(with_a_message, at=NOW)

    assert moves(with_a_message) == [("first", 3.0, 1.5, "resting")]


# A person's choice


def fix(database: Database, share: float | None, *, name: str = "first", why: str = "maintenance") -> Carrier | None:
    with database.transaction() as session:
        return carriers.fix_share(session, name, share, now=NOW, why=why)


def test_a_person_takes_an_account_out_and_that_is_recorded(database: Database) -> None:
    known(database)

    fix(database, 0.0)

    assert {pick(database) for _ in range(20)} == {"second"}
    assert moves(database) == [("first", 3.0, 0.0, "maintenance")]


def test_a_person_gives_it_back_to_the_drift(database: Database) -> None:
    known(database)
    fix(database, 0.0)

    fix(database, None, why="over")

    assert one(database).weight == 3.0
    assert moves(database)[-1] == ("first", 0.0, 3.0, "over")


@sqlite_only
def test_an_account_that_does_not_exist_cannot_be_fixed(database: Database) -> None:
    assert fix(database, 1.0, name="nobody") is None
    assert moves(database) == []
