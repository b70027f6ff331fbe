"""Whether personal data may leave the house now: the switch that stops every release, and how many an hour (S17).

Knows nothing of cases but which wait; who turns the switch is for whoever asks.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.disclosure import DisclosureCase, State
from models.errors import IllegalMove, ReleasesStopped, TooManyRequests
from models.job import Name
from models.limit import Cap
from models.release import ReleaseSwitch
from worker import limits
from worker.cases.moving import Actor, policy
from worker.database import insert_new
from worker.jobs import Link, enqueue_chain
from worker.seals import seal_for_ourselves, unseal_for_ourselves

_COUNTED = "releases"
_WINDOW = timedelta(hours=1)
_SEALED = "release-switches"


def admit(session: Session, *, now: datetime) -> None:
    """Count one more release.

    Raises:
        ReleasesStopped: a person has stopped them.
        TooManyRequests: so many went out within the hour that somebody should look; `retry_at` says when it is over.
    """
    most = policy().most_releases_an_hour
    # Counted first: the counter's row is locked, so a switch that is being turned is waited for and seen.
    counted = limits.count(session, _COUNTED, Cap(most, _WINDOW), now=now)
    turned = last_turn(session)
    if turned is not None and turned.stopped:
        raise ReleasesStopped(stopped_at=turned.turned_at)
    if counted > most:
        raise TooManyRequests(retry_at=limits.counted(session, _COUNTED, now=now)[1])


def stop(session: Session, *, by: Actor, reason: str, now: datetime) -> ReleaseSwitch:
    """Stop every release from here on. One that has begun is finished on both sides all the same.

    Raises:
        IllegalMove: they are stopped already.
    """
    return _turn(session, stopped=True, by=by, reason=reason, now=now)


def resume(session: Session, *, by: Actor, reason: str, now: datetime) -> ReleaseSwitch:
    """Let releases go on, those first that were decided and have waited.

    Raises:
        IllegalMove: they are not stopped.
    """
    turned = _turn(session, stopped=False, by=by, reason=reason, now=now)
    for case_id in waiting(session):
        links = (Name.CHECK_EXCHANGE, Name.RELEASE_ADDRESSES, Name.AWAIT_SETTLEMENT)
        enqueue_chain(session, *(Link(name, {"case_id": case_id}) for name in links))
    return turned


def waiting(session: Session) -> list[UUID]:
    """Return the cases whose addresses are to be exchanged and were not released yet."""
    query = select(DisclosureCase.id).where(
        DisclosureCase.state == State.EXCHANGING, DisclosureCase.released_at.is_(None)
    )
    return list(session.scalars(query.order_by(DisclosureCase.state_since_at)))


def last_turn(session: Session) -> ReleaseSwitch | None:
    """Return how the switch was turned last; None if it never was, and releases go out."""
    return session.scalars(select(ReleaseSwitch).order_by(ReleaseSwitch.number.desc()).limit(1)).one_or_none()


def reason_of(turned: ReleaseSwitch) -> str:
    """Return why it was turned, in the words of who did."""
    return unseal_for_ourselves(_SEALED, str(turned.number), turned.sealed_reason)


def _turn(session: Session, *, stopped: bool, by: Actor, reason: str, now: datetime) -> ReleaseSwitch:
    limits.count(session, _COUNTED, Cap(policy().most_releases_an_hour, _WINDOW), now=now, by=0)
    before = last_turn(session)
    if stopped is (before is not None and before.stopped):
        raise IllegalMove(stopped=stopped)
    number = 1 if before is None else before.number + 1
    written = session.scalars(
        insert_new(session, ReleaseSwitch)
        .values(
            number=number,
            stopped=stopped,
            turned_at=now,
            turned_by=by.name,
            sealed_reason=seal_for_ourselves(_SEALED, str(number), reason),
        )
        .on_conflict_do_nothing(index_elements=[ReleaseSwitch.number])
        .returning(ReleaseSwitch.number)
    ).one_or_none()
    if written is None:
        raise IllegalMove(stopped=stopped)
    return session.get_one(ReleaseSwitch, number)
