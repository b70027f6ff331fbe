"""What beat knocks for: answers are forgotten when their day is over, and a sweep without a broker harms nothing."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from models.access import ApiKey, IdempotentRequest
from tasks.timers import forget_answers, sweep
from tests.tasks.conftest import Workshop
from tests.worker.desk import NOW, sqlite_only

pytestmark = sqlite_only


@pytest.fixture
def answered(shop_floor: Workshop) -> Workshop:
    """Three answers: of a day and a moment ago, of exactly a day ago, of now."""

    def answer(key: str, at: datetime) -> IdempotentRequest:
        return IdempotentRequest(api_key_id="shop", key=key, digest="d", status=200, headers={}, created_at=at)

    with shop_floor.database.transaction() as session:
        session.add(ApiKey(id="shop", label="", secret_sha256="", scopes=[], shops=None, created_at=NOW))
        session.flush()
        day = timedelta(hours=24)
        session.add_all(
            [answer("old", NOW - day - timedelta(seconds=1)), answer("kept", NOW - day), answer("new", NOW)]
        )
    return shop_floor


def test_an_answer_is_forgotten_when_its_promised_day_is_over(answered: Workshop) -> None:
    forget_answers()

    with answered.database.snapshot() as session:
        assert sorted(session.scalars(select(IdempotentRequest.key))) == ["kept", "new"]


def test_forgetting_twice_forgets_no_more(answered: Workshop) -> None:
    forget_answers()
    forget_answers()

    with answered.database.snapshot() as session:
        assert len(session.scalars(select(IdempotentRequest)).all()) == 2


def test_a_sweep_where_nobody_can_hand_over_leaves_everything_owed(shop_floor: Workshop) -> None:
    shop_floor.hold()
    owed = shop_floor.owed()

    sweep()

    assert shop_floor.owed() == owed
    assert {job.rung_at for job in shop_floor.jobs()} == {None}
