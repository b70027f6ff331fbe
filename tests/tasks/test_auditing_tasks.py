"""The daily head at work: knocked for by the hour, owed and signed once a day."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from importlib import import_module

import pytest
from sqlalchemy import select

import beat_schedule
from models.audit import DailyHead
from models.job import Job, Name
from tasks.auditing import owe_head
from tests.conftest import StoppedTime
from tests.worker.desk import at_once, postgresql_only
from tests.worker.trails import verified, write
from worker import jobs
from worker.database import Database

MIDNIGHT_IN_JAPAN = datetime.fromisoformat("2030-06-04T00:00:00+09:00")
DAY = date(2030, 6, 3)


@pytest.fixture
def at_midnight(database: Database, time: StoppedTime) -> Database:
    """A case, at the first instant of a day in Japan."""
    time.move_to(MIDNIGHT_IN_JAPAN)
    write(database)
    return database


def owed(database: Database) -> list[Job]:
    with database.snapshot() as session:
        return list(session.scalars(select(Job).where(Job.name == Name.SIGN_DAY).order_by(Job.created_at)))


def signed(database: Database) -> list[date]:
    with database.snapshot() as session:
        return list(session.scalars(select(DailyHead.day).order_by(DailyHead.day)))


def test_beat_knocks_for_it() -> None:
    assert "audit.owe_head" in {entry["task"] for entry in beat_schedule.beat_schedule.values()}
    assert import_module("worker.app").app.tasks["audit.owe_head"]


def test_at_midnight_the_day_that_is_over_is_owed_and_signed(
    at_midnight: Database, do_due_jobs: Callable[[], int]
) -> None:
    owe_head()
    do_due_jobs()

    assert signed(at_midnight) == [DAY]
    assert verified(at_midnight).is_green


def test_a_moment_before_midnight_the_day_is_not_over(
    at_midnight: Database, time: StoppedTime, do_due_jobs: Callable[[], int]
) -> None:
    time.advance(seconds=-1)
    owe_head()
    do_due_jobs()

    assert signed(at_midnight) == [DAY - timedelta(days=1)]


def test_knocking_again_owes_nothing_more(
    at_midnight: Database, time: StoppedTime, do_due_jobs: Callable[[], int]
) -> None:
    owe_head()
    owe_head()
    assert [job.args for job in owed(at_midnight)] == [{"day": DAY.toordinal()}]

    do_due_jobs()
    time.advance(hours=23)
    owe_head()

    assert owed(at_midnight) == []


@postgresql_only
def test_two_beats_that_knock_at_once_have_the_day_signed_once(at_midnight: Database) -> None:
    at_once(*[owe_head] * 4)
    outcomes = at_once(*[lambda job=job: jobs.perform(job.id) for job in owed(at_midnight)])

    assert set(outcomes) == {jobs.Outcome.DONE}
    assert signed(at_midnight) == [DAY]


def test_days_without_a_beat_are_covered_by_the_next_head(
    at_midnight: Database, time: StoppedTime, do_due_jobs: Callable[[], int]
) -> None:
    owe_head()
    do_due_jobs()
    time.advance(days=3)
    write(at_midnight)
    owe_head()
    do_due_jobs()

    assert signed(at_midnight) == [DAY, DAY + timedelta(days=3)]
    assert verified(at_midnight).is_green


def test_a_job_that_is_parked_does_not_keep_the_next_day_from_being_signed(
    at_midnight: Database, time: StoppedTime, do_due_jobs: Callable[[], int]
) -> None:
    owe_head()
    with at_midnight.transaction() as session:
        session.scalars(select(Job)).one().park(now=time.at)
    time.advance(days=1)
    owe_head()
    do_due_jobs()

    assert signed(at_midnight) == [DAY + timedelta(days=1)]
