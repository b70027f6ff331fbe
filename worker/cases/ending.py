"""How a case ends without a disclosure, and what is told then; the time it is given; the time that stands still.

A refusal says one fixed thing. Nothing here, in no notice and no answer, knows its reason (D50).
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from models.disclosure import MOVES, DisclosureCase, Party, State
from models.errors import IllegalMove, KnownAlready, NotReady
from models.job import Job, Name
from models.message import Kind, Message
from models.message import State as MessageState
from models.roles import Operation, Role
from models.work import Work
from worker.cases import exchanging, noticing, papers, paying
from worker.cases.moving import SYSTEM, Actor, moved, note, owe_end_of_service, policy
from worker.cases.worklist import close_work
from worker.jobs import Link, enqueue_chain

_ENDED_BY_SERVICE = frozenset(state for state, onward in MOVES.items() if State.SERVICE_ENDED in onward)
_TOLD = {
    State.REFUSED: Kind.CASE_REFUSED,
    State.SERVICE_ENDED: Kind.CASE_SERVICE_ENDED,
    State.SETTLED: Kind.CASE_CLOSED,
    State.WITHDRAWN: Kind.CASE_CLOSED,
    State.EXPIRED: Kind.CASE_CLOSED,
}


def ended(session: Session, case: DisclosureCase, before: State, kind: str, *, now: datetime, actor: Actor) -> None:
    """Write down an end, and tell those who know of the case. A form that was never confirmed is told to nobody."""
    moved(session, case, before, kind, now=now, actor=actor)
    close_work(session, case, Work.SCREEN, Work.APPROVE, Work.MEND_EXCHANGE, Work.REVIEW_PAPERS, by=actor.name, now=now)
    if case.confirmed_at is None:
        return
    noticing.write(session, case, Party.APPLICANT, _TOLD[case.state], now=now)
    if case.told_counterparty_at is not None:
        noticing.write(session, case, Party.COUNTERPARTY, Kind.CASE_CLOSED_TOLD, now=now)
    links = (Name.NOTIFY_APPLICANT, Name.NOTIFY_COUNTERPARTY)
    enqueue_chain(session, *(Link(name, {"case_id": case.id}) for name in links))


def withdraw(session: Session, case: DisclosureCase, *, received_at: datetime) -> None:
    """End a case at the applicant's wish; a second wish changes nothing. Papers are not given back (D29).

    Raises:
        IllegalMove: a release has begun, or the case came to another end.
    """
    if case.state is State.WITHDRAWN:
        return
    before = case.state
    case.withdraw(at=received_at, policy=policy())
    ended(session, case, before, "withdrawn", now=received_at, actor=Actor("applicant"))


def settle(session: Session, case: DisclosureCase, *, received_at: datetime) -> None:
    """The applicant says that the parties came to terms; a second time changes nothing.

    Raises:
        IllegalMove: they are not negotiating.
    """
    if case.state is State.SETTLED:
        return
    before = case.state
    case.settle(at=received_at, policy=policy())
    ended(session, case, before, "settled", now=received_at, actor=Actor("applicant"))


def run_out(session: Session, case: DisclosureCase, *, version: int, now: datetime) -> None:
    """A deadline passed. The timer only proposes, so the case decides."""
    before = case.state
    if case.run_out(now=now, version=version, policy=policy()):
        ended(session, case, before, "ran_out", now=now, actor=SYSTEM)


def end_service(session: Session, case: DisclosureCase, *, now: datetime) -> None:
    """The service, or its winding-up, is over (D1 to D3). What is being released is finished first."""
    before = case.state
    if case.end_service(now=now, policy=policy()):
        ended(session, case, before, "service_ended", now=now, actor=SYSTEM)


def owe_end(session: Session, *, most: int) -> int:
    """Owe the end of the service to open cases that do not await it yet: its day may be fixed while they wait (D1).

    Returns:
        To how many; as many as `most` if there may be more.
    """
    rules, owed = policy(), 0
    for states, ends_at in (
        (frozenset({State.RECEIVED}), rules.service_end_at),
        (frozenset(_ENDED_BY_SERVICE - {State.RECEIVED}), rules.wind_down_until),
    ):
        if ends_at is None:
            continue
        awaited = exists().where(Job.timer_of == DisclosureCase.id, Job.name == Name.END_SERVICE, Job.due_at <= ends_at)
        waiting = select(DisclosureCase).where(
            DisclosureCase.state.in_(states), DisclosureCase.held_at.is_(None), ~awaited
        )
        # A case that moves meanwhile sets its own timer; this one finds its version stale.
        for case in session.scalars(waiting.limit(most - owed)).all():
            owe_end_of_service(session, case)
            owed += 1
    return owed


def mark_incomplete(
    session: Session, case: DisclosureCase, missing: list[str], *, by: Actor, reason: str, now: datetime
) -> None:
    """Ask the applicant for what the form lacks (A10).

    Raises:
        IllegalMove: it is not being screened.
        NotReady: nothing is named, or it was asked often enough.
    """
    if not missing:
        raise NotReady(case_id=case.id, lacks="missing")
    before = case.state
    case.miss(at=now, policy=policy())
    role = by.role_for(Operation.MARK_INCOMPLETE)
    moved(session, case, before, "incomplete", now=now, actor=by, role=role, reason=reason, missing=missing)
    noticing.write(
        session,
        case,
        Party.APPLICANT,
        Kind.CASE_INTAKE_DEFICIENT,
        now=now,
        part=str(case.intake_rounds),
        release=True,
        missing=missing,
    )


def extend(session: Session, case: DisclosureCase, until: datetime, *, by: Actor, reason: str, now: datetime) -> None:
    """Give more time (A9).

    Raises:
        IllegalMove: nothing runs, it has run out, or that would be less.
    """
    before = case.deadline_at
    case.extend(until, now=now)
    stood = None if before is None else before.isoformat()
    facts = {"stood": stood, "until": until.isoformat()}
    role = by.role_for(Operation.EXTEND)
    moved(session, case, case.state, "extended", now=now, actor=by, role=role, reason=reason, **facts)


def hold(session: Session, case: DisclosureCase, *, by: Actor, reason: str, now: datetime) -> None:
    """Freeze timers and purge.

    Raises:
        CaseHeld, IllegalMove: see `DisclosureCase.hold`.
    """
    case.hold(at=now)
    moved(session, case, case.state, "held", now=now, actor=by, role=Role.LEGAL, reason=reason)


def resume(session: Session, case: DisclosureCase, *, by: Actor, reason: str, now: datetime) -> None:
    """Let everything run again; what came meanwhile counts now.

    Raises:
        IllegalMove: it is not held.
    """
    held_at = case.held_at
    case.resume(at=now)
    moved(session, case, case.state, "resumed", now=now, actor=by, role=Role.LEGAL, reason=reason)
    if held_at is not None:
        papers.complete(session, case, arrived_at=held_at, now=now)
    paying.count(session, case, now=now)
    end_service(session, case, now=now)


def notify_again(
    session: Session, case: DisclosureCase, message: Message, *, by: Actor, reason: str, now: datetime
) -> UUID:
    """Write a notice anew, to the address that is registered now; no clock starts again (A22). Return the new one's id.

    Once for each notice: what is lost again is a notice of its own, which may be written anew in its turn.

    Raises:
        IllegalMove: it has not been sent yet.
        NotReady, ReleasesStopped, TooManyRequests: an address would go out, and may not; see `exchanging.check_again`.
        KnownAlready: that was done before.
    """
    under_way = {MessageState.QUEUED, MessageState.SENDING, MessageState.UNKNOWN}
    if message.party is None or message.state in under_way:
        raise IllegalMove(case_id=case.id, message_id=message.id)
    if message.kind in noticing.ADDRESSES and case.state is State.EXCHANGING:
        # To an address that may be another than the one that was released: as careful as a release.
        exchanging.check_again(session, case, message.party, now=now)
    if message.kind is Kind.CASE_CONFIRM_ADDRESS and case.state is not State.RECEIVED:
        raise IllegalMove(case_id=case.id, message_id=message.id)
    facts = {**message.facts, "again": True}
    again_id = noticing.write(
        session,
        case,
        message.party,
        message.kind,
        now=now,
        part=f"again-{message.id}",
        expires_at=message.expires_at if message.kind is Kind.CASE_CONFIRM_ADDRESS else None,
        release=True,
        **facts,
    )
    if again_id is None:
        raise KnownAlready(case_id=case.id, message_id=message.id)
    note(
        session,
        case,
        "notified_again",
        now=now,
        actor=by,
        role=Role.INTAKE,
        reason=reason,
        notice=message.kind.value,
        message=str(message.id),
        again=str(again_id),
    )
    close_work(session, case, Work.MEND_NOTICE, by=by.name, now=now)
    return again_id
