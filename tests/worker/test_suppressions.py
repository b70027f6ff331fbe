"""Silenced addresses: once, for all shops, for as long as the reason lasts, and lifted with a reason."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from models.customer import Channel
from models.suppression import Suppression
from tests.worker.desk import MOMENT, NOW, at_once, phone
from worker import suppressions
from worker.database import Database

ADDRESS = phone(12)
MONTH = timedelta(days=30)


def silence(
    database: Database, reason: str = "stop", *, at: datetime = NOW, address: str = ADDRESS, attempt: int = 1
) -> bool:
    with database.transaction() as session:
        return suppressions.silence(session, Channel.SMS, address, reason, attempt_id=UUID(int=attempt), now=at)


def lift(database: Database, *, at: datetime = NOW, address: str = ADDRESS) -> bool:
    with database.transaction() as session:
        return suppressions.lift(session, Channel.SMS, address, by="key:ops", because="she called", now=at)


def silenced(
    database: Database, *, at: datetime = NOW, channel: Channel = Channel.SMS, address: str = ADDRESS
) -> str | None:
    with database.snapshot() as session:
        found = suppressions.silenced(session, channel, address, now=at)
    return found.reason if found else None


def rows(database: Database) -> list[Suppression]:
    with database.snapshot() as session:
        return list(session.scalars(select(Suppression).order_by(Suppression.id)))


def test_an_address_that_nobody_silenced_is_not(database: Database) -> None:
    assert silenced(database) is None


def test_a_silenced_address_is_known_with_its_reason_and_the_call_that_taught_it(database: Database) -> None:
    assert silence(database, "stop", attempt=7)

    [row] = rows(database)
    assert silenced(database) == "stop"
    assert (row.attempt_id, row.since, row.until) == (UUID(int=7), NOW, None)


def test_one_address_is_silenced_and_no_other(database: Database) -> None:
    silence(database)

    assert silenced(database, address=phone(13)) is None


def test_one_channel_is_silenced_and_not_the_other(database: Database) -> None:
    silence(database)

    assert silenced(database, channel=Channel.MAIL) is None


def test_an_address_that_is_silenced_already_is_not_silenced_again(database: Database) -> None:
    silence(database, "stop")

    assert not silence(database, "invalid")
    assert silenced(database) == "stop"


def test_eight_reports_at_once_silence_once(database: Database) -> None:
    results = at_once(*[lambda: silence(database)] * 8)

    assert sorted(results) == [False] * 7 + [True]
    assert len(rows(database)) == 1


def test_a_silence_that_has_an_end_ends(database: Database) -> None:
    silence(database, "unreachable")

    assert silenced(database, at=NOW + MONTH - MOMENT) == "unreachable"
    assert silenced(database, at=NOW + MONTH) is None


def test_an_address_whose_silence_has_ended_can_be_silenced_anew(database: Database) -> None:
    silence(database, "unreachable")

    assert silence(database, "unreachable", at=NOW + MONTH)

    first, second = rows(database)
    assert (first.lifted_by, first.lifted_at) == ("time", NOW + MONTH)
    assert second.until == NOW + 2 * MONTH


def test_a_person_lifts_a_silence_and_says_why(database: Database) -> None:
    silence(database)

    assert lift(database)

    [row] = rows(database)
    assert silenced(database) is None
    assert (row.lifted_at, row.lifted_by, row.lifted_because) == (NOW, "key:ops", "she called")


def test_what_is_not_silenced_cannot_be_lifted(database: Database) -> None:
    assert not lift(database)


def test_a_lifted_address_can_be_silenced_again(database: Database) -> None:
    silence(database)
    lift(database)

    assert silence(database, "bounced")
    assert silenced(database) == "bounced"


def test_nobody_can_read_an_address_from_the_rows(database: Database) -> None:
    silence(database)

    [row] = rows(database)
    assert ADDRESS.removeprefix("+") not in repr(vars(row))


def test_an_unknown_reason_is_a_fault_of_ours(database: Database) -> None:
    with pytest.raises(KeyError):
        silence(database, "mood")
