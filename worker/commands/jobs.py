"""Waiting, late and parked jobs; retry or discard one, with a reason that is kept."""

import argparse
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from models.job import Job, JobDecision
from worker.clock import clock
from worker.database import database

_LATE = timedelta(minutes=1)
_MOST_LISTED = 200


def main(arguments: Sequence[str]) -> int:
    """Run `jobs`, `jobs list --state parked`, `jobs retry ID --reason …`, `jobs discard ID --reason …`."""
    parser = argparse.ArgumentParser(prog="python -m worker jobs", description=__doc__)
    actions = parser.add_subparsers(dest="action")
    listing = actions.add_parser("list", help="list jobs, oldest first")
    listing.add_argument("--state", choices=["waiting", "late", "parked"], default="parked")
    for action, about in (("retry", "make a job due at once"), ("discard", "give a job up")):
        decide = actions.add_parser(action, help=about)
        decide.add_argument("id", type=UUID)
        decide.add_argument("--reason", required=True, help="why; no personal data")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.action in {"retry", "discard"}:
            with database().transaction() as session:
                lines = [_decide(session, chosen.action, chosen.id, chosen.reason)]
        else:
            with database().snapshot() as session:
                lines = _list(session, chosen.state) if chosen.action == "list" else _counts(session)
    except LookupError as error:
        parser.exit(2, f"{error.args[0]}\n")
    for line in lines:
        print(line)  # noqa: T201 - a command talks to its terminal
    return 0


def _state(name: str) -> tuple[ColumnElement[bool], ...]:
    now = clock().now()
    return {
        "waiting": (Job.parked_at.is_(None), Job.due_at > now),
        "late": (Job.parked_at.is_(None), Job.due_at < now - _LATE),
        "parked": (Job.parked_at.is_not(None),),
    }[name]


def _counts(session: Session) -> list[str]:
    counts = {
        name: session.scalars(select(func.count()).select_from(Job).where(*_state(name))).one()
        for name in ("waiting", "late", "parked")
    }
    return [f"{name:8} {count}" for name, count in counts.items()]


def _list(session: Session, state: str) -> list[str]:
    rows = session.scalars(select(Job).where(*_state(state)).order_by(Job.due_at).limit(_MOST_LISTED)).all()
    return [
        f"{row.id}  {row.name}  {row.args}  due {row.due_at:%Y-%m-%dT%H:%M:%SZ}  rings {row.rings}  "
        f"failures {row.failures}  {row.last_error or ''}".rstrip()
        for row in rows
    ] or [f"no {state} jobs"]


def _decide(session: Session, decision: str, job_id: UUID, reason: str) -> str:
    job = session.get(Job, job_id, with_for_update=True)
    if job is None:
        raise LookupError(f"no job {job_id} is owed: it is done, or never was")
    now = clock().now()
    session.add(
        JobDecision(job_id=job.id, name=job.name, args=job.args, decision=decision, reason=reason, decided_at=now)
    )
    if decision == "retry":
        job.retry(now=now)
        return f"{job.name} {job.id} is due now; the next sweep rings it"
    session.delete(job)
    if job.chain_id is None:
        return f"{job.name} {job.id} is discarded"
    # Nobody would ever ring the links after it.
    later = delete(Job).where(Job.chain_id == job.chain_id, Job.chain_position > job.chain_position)
    count = len(session.scalars(later.returning(Job.id)).all())
    return f"{job.name} {job.id} is discarded, and with it {count} links of its chain that waited for it"
