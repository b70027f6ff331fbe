"""Workers that stumble: they do all that is due, but twice, or only after dying over it, or in whatever order it comes.

What they leave behind must be what careful workers leave behind.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from random import Random  # noqa: TID251 - the same seed must stumble in the same way again
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import or_, select

from models.job import Job, Name
from tests.tasks.conftest import Workshop
from worker import jobs
from worker.chance import new_id
from worker.clock import unix_ms
from worker.jobs.doing import HANDLERS, Outcome, _Inside

_LONGER_THAN_A_BACK_OFF = timedelta(seconds=5)

Work = Callable[[], int]


class PowerCut(Exception):  # noqa: N818 - it is no error of ours
    """The process is gone."""


def everything_twice(shop: Workshop, patch: pytest.MonkeyPatch) -> Work:
    """Do each job, and once more what it asked for, as after a leg that was owed twice."""
    del patch

    def work() -> int:
        done = 0
        while due := _due(shop):
            for job_id in due:
                again = _owed_again(shop, job_id)
                assert jobs.perform(job_id) is not Outcome.FAILED
                assert jobs.perform(again) is not Outcome.FAILED
                done += 1
        return done

    return work


def dying_over_each(shop: Workshop, patch: pytest.MonkeyPatch) -> Work:
    """Lose the process at the end of each job's body, before its commit; then do it."""
    is_dying = False

    def mortal(body: Callable[..., Any]) -> Callable[..., Any]:
        def dies(session: Any, now: Any, **ids: Any) -> Any:
            done = body(session, now, **ids)
            if is_dying:
                session.flush()
                raise PowerCut
            return done

        return dies

    for name, handler in list(HANDLERS.items()):
        if isinstance(handler, _Inside):
            patch.setitem(HANDLERS, name, replace(handler, body=mortal(handler.body)))
        else:
            patch.setattr(handler.steps, "claim", mortal(handler.steps.claim))

    def work() -> int:
        nonlocal is_dying
        lived: set[UUID] = set()
        while due := _due(shop):
            for job_id in due:
                is_dying = job_id not in lived
                lived.add(job_id)
                outcome = jobs.perform(job_id)
                assert is_dying or outcome is not Outcome.FAILED
            shop.time.at += _LONGER_THAN_A_BACK_OFF
        is_dying = False
        return len(lived)

    return work


def whatever_comes_first(shop: Workshop, patch: pytest.MonkeyPatch) -> Work:
    """Ring everything that is owed in any order, links before their turn and timers before their time."""
    del patch
    dice = Random(20300603)  # noqa: S311 - not for secrets

    def work() -> int:
        done = 0
        while _due(shop):
            rung = _all(shop)
            dice.shuffle(rung)
            outcomes = [jobs.perform(job_id) for job_id in rung]
            assert Outcome.FAILED not in outcomes
            done += outcomes.count(Outcome.DONE)
        return done

    return work


def do(shop: Workshop, *names: Name) -> None:
    """Do these links and no more, as a worker does that dies after them."""
    for name in names:
        [job_id] = [job.id for job in shop.jobs(name) if job.due_at is not None]
        assert jobs.perform(job_id) is Outcome.DONE


def _due(shop: Workshop) -> list[UUID]:
    query = select(Job.id).where(Job.due_at <= shop.time.at, Job.parked_at.is_(None)).order_by(Job.due_at, Job.id)
    with shop.database.snapshot() as session:
        return list(session.scalars(query))


def _all(shop: Workshop) -> list[UUID]:
    soon = or_(Job.due_at.is_(None), Job.due_at <= shop.time.at + timedelta(days=400))
    with shop.database.snapshot() as session:
        return list(session.scalars(select(Job.id).where(soon, Job.parked_at.is_(None))))


def _owed_again(shop: Workshop, job_id: UUID) -> UUID:
    with shop.database.transaction() as session:
        owed = session.get_one(Job, job_id)
        again = Job(
            id=new_id(unix_ms()),
            name=owed.name,
            queue=owed.queue,
            args=dict(owed.args),
            created_at=owed.created_at,
            due_at=owed.due_at,
        )
        session.add(again)
        return again.id
