"""Whether a process lives, and whether it can do its work."""

from datetime import timedelta

import pytest
from sqlalchemy import text, update

from api import health
from models.job import Job
from tests.api.calling import Caller
from tests.conftest import StoppedTime
from tests.worker.desk import NOW, sqlite_only
from worker import clock
from worker.database import Database


@pytest.fixture
def caller(seeded: Database, time: StoppedTime) -> Caller:
    made = Caller.of(seeded, time)
    del made.http.headers["Authorization"]
    return made


def test_a_process_whose_database_is_current_is_ready(caller: Caller) -> None:
    answer = caller.http.get("/readyz")

    assert answer.status_code == 200, answer.text
    assert (answer.json()["status"], answer.json()["parked_jobs"]) == ("ok", 0)


@sqlite_only
def test_parked_jobs_are_counted_and_are_no_reason_to_refuse_work(caller: Caller) -> None:
    caller.hold()
    with caller.database.transaction() as session:
        session.execute(update(Job).values(parked_at=NOW))

    answer = caller.http.get("/readyz")

    assert (answer.status_code, answer.json()["parked_jobs"]) == (200, 2)


@sqlite_only
@pytest.mark.parametrize("skew", [timedelta(seconds=-3), timedelta(seconds=3)])
def test_a_host_whose_clock_is_off_is_not_ready(
    caller: Caller, monkeypatch: pytest.MonkeyPatch, skew: timedelta
) -> None:
    monkeypatch.setattr(health, "system_now", lambda: clock.system_now() + skew)

    answer = caller.http.get("/readyz")

    assert (answer.status_code, answer.json()["code"]) == (503, "clock_skew")


@sqlite_only
def test_business_time_that_was_moved_is_no_skew(caller: Caller) -> None:
    caller.time.advance(days=30)

    assert caller.http.get("/readyz").status_code == 200


@sqlite_only
def test_a_schema_of_another_version_is_not_ready(caller: Caller) -> None:
    with caller.database.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0000'"))

    answer = caller.http.get("/readyz")

    assert (answer.status_code, answer.json()["code"]) == (503, "schema_outdated")


@sqlite_only
def test_a_database_that_is_not_there_is_not_ready_and_the_process_lives(caller: Caller) -> None:
    with caller.database.transaction() as session:
        session.execute(text("ALTER TABLE jobs RENAME TO away"))

    ready, alive = caller.http.get("/readyz"), caller.http.get("/healthz")

    assert (ready.status_code, ready.json()["code"]) == (503, "database_unavailable")
    assert alive.status_code == 200
