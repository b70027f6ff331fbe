"""Doing a job: lock its row, run the body, delete the row with the effect. Handed over ten times, done once.

Two kinds. `@job` is one transaction. `@outside_job` calls the outside world between two: claim and commit; call;
record, delete and commit. What a killed process leaves behind:

* before the commit of either kind: the row as it was; it is rung again.
* inside the call of an outside job: a claim. Past its lease nobody knows whether the call took effect, and the job
  says what that means (`lost`); it is never simply called again.
* after the commit: nothing is owed any more; the broker's message finds no row and does nothing.
"""

import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from time import sleep
from typing import Any, Protocol, TypeVar
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from models.base import database_time
from models.job import Job
from worker.chance import jitter
from worker.clock import clock
from worker.database import database, mark_commit_actions
from worker.jobs.owing import ring_next_link
from worker.logs import carrying, places

_log = logging.getLogger(__name__)

Body = Callable[..., None]
Plan = TypeVar("Plan")
Result = TypeVar("Result")
Steps = TypeVar("Steps")

_RECORD_PAUSES_SECONDS = (0.1, 0.5, 2.0)


class Outcome(Enum):
    """What became of one handing-over."""

    DONE = auto()
    SKIPPED = auto()
    """The row is gone (done before) or locked or claimed (being done): nothing happened here."""
    FAILED = auto()
    """The body raised; its effect was rolled back and the failure recorded."""
    PARKED = auto()
    LOST = auto()
    """The call's outcome is unknown; the job was told so and is done with."""


class JobFailed(Exception):  # noqa: N818 - it reports, in Flower, what the row already records
    """Shown in Flower for a failed body: the job's name, at most the error's class, never its text."""


class OutsideJob(Protocol[Plan, Result]):
    """A job that calls the outside world. Ids arrive as keyword arguments, as they were enqueued."""

    def claim(self, session: Session, now: datetime, **ids: Any) -> Plan | None:
        """Prepare the call under lock; None if there is nothing (more) to do. Committed before the call."""

    def call(self, plan: Plan) -> Result:
        """Call. No transaction is open. What it raises counts as lost: it may have taken effect."""

    def record(self, session: Session, now: datetime, plan: Plan, result: Result) -> None:
        """Write down the result. May come after `lost`, with better knowledge."""

    def lost(self, session: Session, now: datetime, **ids: Any) -> None:
        """The claim outlived its lease: nobody knows whether the call took effect."""


@dataclass(frozen=True)
class _Inside:
    body: Body
    bulk: bool
    types: Mapping[str, type]


@dataclass(frozen=True)
class _Outside:
    steps: OutsideJob[Any, Any]
    lease: timedelta
    types: Mapping[str, type]


HANDLERS: dict[str, _Inside | _Outside] = {}


def job(name: str, *, bulk: bool = False) -> Callable[[Body], Body]:
    """Declare the body of a job: `(session, now, **ids) -> None`, one transaction.

    Args:
        name: the wire name.
        bulk: many that fall due together may be done in one transaction, with a savepoint each.
    """

    def declare(body: Body) -> Body:
        _register(name, _Inside(body, bulk, _id_types(body)))
        return body

    return declare


def outside_job(name: str, *, lease: timedelta) -> Callable[[type[Steps]], type[Steps]]:
    """Declare a job that calls the outside world.

    Args:
        name: the wire name.
        lease: longer than the call can take; past it the outcome is unknown.
    """

    def declare(steps: type[Steps]) -> type[Steps]:
        made: Any = steps()
        _register(name, _Outside(made, lease, _id_types(made.claim)))
        return steps

    return declare


def _register(name: str, handler: _Inside | _Outside) -> None:
    # Imported late: the app imports this package.
    from worker.app import app

    HANDLERS[str(name)] = handler

    def ring(task: Any, **_shown: Any) -> None:
        try:
            outcome = perform(UUID(task.request.id), ring=_ring_number(task.request))
        except Exception as error:  # noqa: BLE001 - its text may quote personal data, and Flower would show it
            raise JobFailed(f"{name}: {type(error).__name__}") from None
        if outcome not in {Outcome.DONE, Outcome.LOST}:
            # The rest of the chain is rung with this link again, or was rung by whoever did it.
            # Raising `Ignore` instead would leave the task STARTED in Flower for ever.
            task.request.chain = None
        if outcome is Outcome.FAILED:
            raise JobFailed(str(name)) from None

    app.task(bind=True, name=str(name))(ring)


def _ring_number(request: Any) -> int:
    """Return which ring this is. A first one that the broker delivers again has been started before, too."""
    number = int(request.get("ring") or 1)
    return max(number, 2) if (request.delivery_info or {}).get("redelivered") else number


def _id_types(body: Callable[..., Any]) -> Mapping[str, type]:
    return {name: parameter.annotation for name, parameter in inspect.signature(body).parameters.items()}


def _ids(handler: _Inside | _Outside, owed: Job) -> dict[str, Any]:
    return {key: UUID(value) if handler.types.get(key) is UUID else value for key, value in owed.args.items()}


def perform(job_id: UUID, *, ring: int = 1) -> Outcome:
    """Do the job if it is still owed and nobody else is doing it.

    Args:
        job_id: the row.
        ring: how often it had been rung; a repeated ring means that an earlier start may have come to no end.

    Raises:
        sqlalchemy.exc.DBAPIError: the database cannot be reached, so nothing could be recorded; the row stays.
    """
    if ring > 1 and not _begin_again(job_id):
        return Outcome.PARKED
    try:
        with database().transaction() as session:
            owed = _lock(session, job_id)
            if owed is None:
                return Outcome.SKIPPED
            now = owed.act_at(clock().now())
            if now is None:
                # A stray message, or a clock that was moved a moment ago: the sweep rings it when it is due.
                owed.rung_at = None
                return Outcome.SKIPPED
            handler = HANDLERS[owed.name]
            with carrying(owed.request_id):
                if isinstance(handler, _Inside):
                    handler.body(session, now, **_ids(handler, owed))
                    _finish(session, owed)
                    return Outcome.DONE
                claim = _claim(session, handler, owed, now)
    except Exception as error:  # noqa: BLE001 - whatever a body raises is recorded, not judged
        return _record_failure(job_id, error)
    return claim if isinstance(claim, Outcome) else _call(claim)


def _lock(session: Session, job_id: UUID) -> Job | None:
    """Return the row, locked; None if it is gone, parked, or locked by whoever is doing it."""
    query = select(Job).where(Job.id == job_id, Job.parked_at.is_(None)).with_for_update(skip_locked=True)
    return session.scalars(query).one_or_none()


def _finish(session: Session, owed: Job) -> None:
    """Delete the row in the transaction that holds its effect; a chain's next link becomes due with it."""
    session.flush()
    session.execute(delete(Job).where(Job.id == owed.id))
    if owed.chain_id is not None:
        ring_next_link(session, owed)


def _begin_again(job_id: UUID) -> bool:
    """Count the start before the body runs, in a transaction of its own: a body may kill its process."""
    with database().transaction() as session:
        owed = _lock(session, job_id)
        if owed is None:
            return True
        begins = owed.begin_again(now=clock().now())
        if not begins:
            alarm(owed)
        return begins


def _record_failure(job_id: UUID, error: Exception) -> Outcome:
    """Record the class of what was raised, and a back-off; the body's own effect is already rolled back."""
    with database().transaction() as session:
        owed = session.get(Job, job_id, with_for_update=True)
        if owed is None:
            return Outcome.SKIPPED
        owed.fail(type(error).__name__, now=clock().now(), jitter=jitter(1.0))
        with carrying(owed.request_id):
            _log.warning(
                "job failed",
                extra={
                    "job_id": str(owed.id),
                    "job": owed.name,
                    "failures": owed.failures,
                    "error": type(error).__name__,
                    "where": places(error.__traceback__),
                },
            )
            if owed.parked_at is not None:
                alarm(owed)
                return Outcome.PARKED
    return Outcome.FAILED


def alarm(owed: Job) -> None:
    """Say that a job was parked, and why, where errors are watched for."""
    _log.error(
        "job parked: a person must retry or discard it",
        extra={"job_id": str(owed.id), "job": owed.name, "failures": owed.failures, "error": owed.last_error},
    )


@dataclass(frozen=True)
class _Claim:
    job_id: UUID
    steps: OutsideJob[Any, Any]
    ids: Mapping[str, Any]
    plan: Any
    request_id: str | None


def _claim(session: Session, handler: _Outside, owed: Job, now: datetime) -> _Claim | Outcome:
    """Claim the call, or say why there is none to make."""
    ids = _ids(handler, owed)
    if owed.claimed_until is not None:
        if owed.claimed_until > session.scalars(select(database_time())).one():
            return Outcome.SKIPPED
        handler.steps.lost(session, now, **ids)
        _finish(session, owed)
        return Outcome.LOST
    plan = handler.steps.claim(session, now, **ids)
    if plan is None:
        _finish(session, owed)
        return Outcome.DONE
    owed.claimed_until = session.scalars(select(database_time())).one() + handler.lease
    return _Claim(owed.id, handler.steps, ids, plan, owed.request_id)


def _call(claim: _Claim) -> Outcome:
    """Call with no transaction open, then record. The claim is what a crash in here leaves behind."""
    with carrying(claim.request_id):
        try:
            result = claim.steps.call(claim.plan)
        except Exception as error:  # noqa: BLE001 - it may have taken effect before it raised
            _log.exception("a call's outcome is unknown", extra={"job_id": str(claim.job_id)})
            del error
            _settle(claim, lambda session, now: claim.steps.lost(session, now, **claim.ids))
            return Outcome.LOST
        _settle(claim, lambda session, now: claim.steps.record(session, now, claim.plan, result))
        return Outcome.DONE


def _settle(claim: _Claim, write: Callable[[Session, datetime], None]) -> None:
    """Write the result and delete the row; a database that blinks is asked again before the result is given up."""
    for pause in (*_RECORD_PAUSES_SECONDS, None):
        try:
            with database().transaction() as session:
                owed = session.get(Job, claim.job_id, with_for_update=True)
                write(session, clock().now())
                if owed is not None:  # else it was lost meanwhile, and what follows it is under way
                    _finish(session, owed)
        except DBAPIError:
            if pause is None:
                raise
            sleep(pause)
        else:
            return


def perform_chunk(name: str, job_ids: Iterable[UUID]) -> Mapping[UUID, Outcome]:
    """Do many jobs of one bulk name in one transaction, with a savepoint each.

    A member whose body raises is rolled back alone, and stays owed as the job of its own that it is.

    Raises:
        sqlalchemy.exc.DBAPIError: the transaction failed; all members stay owed.
    """
    handler = HANDLERS[name]
    if not isinstance(handler, _Inside):
        raise TypeError(f"{name} calls the outside world: one call, one job")
    outcomes: dict[UUID, Outcome] = dict.fromkeys(job_ids, Outcome.SKIPPED)
    with database().transaction() as session:
        query = (
            select(Job)
            .where(Job.id.in_(list(outcomes)), Job.parked_at.is_(None))
            .order_by(Job.id)
            .with_for_update(skip_locked=True)
        )
        here = clock().now()
        for owed in session.scalars(query).all():
            now = owed.act_at(here)
            if now is None:
                owed.rung_at = None
                continue
            with carrying(owed.request_id):
                outcomes[owed.id] = _do_member(session, handler, owed, now)
        done = [job_id for job_id, outcome in outcomes.items() if outcome is Outcome.DONE]
        session.execute(delete(Job).where(Job.id.in_(done)))
    return outcomes


def _do_member(session: Session, handler: _Inside, owed: Job, now: datetime) -> Outcome:
    ids = _ids(handler, owed)
    kept = mark_commit_actions(session)
    try:
        with session.begin_nested():
            handler.body(session, now, **ids)
    except OperationalError:
        # A deadlock or a lost connection is no member's fault: all stay owed, and go alone when they are rung again.
        raise
    except Exception as error:  # noqa: BLE001 - one member's fault is its own
        kept()
        owed.fail(type(error).__name__, now=now, jitter=jitter(1.0))
        _log.warning(
            "a member of a chunk failed and goes on alone",
            extra={"job_id": str(owed.id), "job": owed.name, "error": type(error).__name__},
        )
        if owed.parked_at is not None:
            alarm(owed)
        return Outcome.FAILED
    return Outcome.DONE
