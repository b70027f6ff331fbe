"""What every move of a case brings with it: a line in its audit trail, its timers, a webhook, work begun and ended.

Nobody moves a case without `moved`; so no state can be entered without what ends it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.case_policy import CasePolicy
from models.decision import Decision
from models.disclosure import TERMINAL, DisclosureCase, State
from models.job import Name
from models.period import business_days_after, end_of_days, end_of_months, morning_before
from models.roles import Operation, Role, role_for
from models.work import Work
from worker import auditing
from worker.cases.worklist import close_work
from worker.jobs import drop_timers, enqueue
from worker.settings import settings
from worker.webhooks import tell_of_case

ALERTS_OF_EXCHANGE = (timedelta(minutes=5), timedelta(hours=1))
"""An address that reached one side only is looked at after these (A5)."""

PURGE_PAPERS, PURGE_RECORD = 1, 2
_A_MONTH = timedelta(days=30)

_WORK_OF: Mapping[State, tuple[Work, ...]] = MappingProxyType(
    {
        State.SCREENING: (Work.SCREEN, Work.MEND_EXCHANGE, Work.APPROVE),
        State.EXCHANGING: (Work.FINISH_EXCHANGE,),
        State.REVIEWING: (Work.REVIEW_PAPERS, Work.PROPOSE, Work.APPROVE),
        State.RELEASING: (Work.PRINT_LETTER, Work.POST_LETTER),
    }
)
"""What ends with the state that it belongs to."""


@dataclass(frozen=True)
class Actor:
    """Who does something to a case.

    Attributes:
        name: "system", "applicant", "counterparty", "person:…" or "key:…"; four eyes compare these.
        roles: a person's; see models/roles.py.
    """

    name: str
    roles: frozenset[str] = frozenset()

    def role_for(self, operation: Operation) -> Role | None:
        """Return in which role they do this, for the trail."""
        return role_for(self.roles, operation)


SYSTEM = Actor("system")


def policy() -> CasePolicy:
    """Return how cases are handled here."""
    return settings().case_rules


def locked(session: Session, case_id: UUID) -> DisclosureCase | None:
    """Return the case as it is committed now, locked until the end of the transaction."""
    return session.get(DisclosureCase, case_id, with_for_update=True, populate_existing=True)


def note(
    session: Session,
    case: DisclosureCase,
    kind: str,
    *,
    now: datetime,
    actor: Actor,
    role: str | None = None,
    reason: str | None = None,
    **facts: object,
) -> None:
    """Append to the case's audit trail; facts are ids, numbers, instants and words from closed lists."""
    auditing.append(
        session,
        case.id,
        kind,
        at=now,
        actor=actor.name,
        role=role,
        reason=reason,
        state=case.state.value,
        version=case.version,
        **facts,
    )


def moved(
    session: Session,
    case: DisclosureCase,
    before: State | None,
    kind: str,
    *,
    now: datetime,
    actor: Actor,
    role: str | None = None,
    reason: str | None = None,
    **facts: object,
) -> None:
    """Write down a move, and set what waits in the new state; also after an extension or a hold.

    Args:
        session: the transaction of the move.
        case: as it stands now.
        before: the state it came from; None if it was just made.
        kind: what happened, as the trail names it.
        now: business time.
        actor: who did it.
        role: in which role.
        reason: in a person's words; it is sealed.
        facts: as in `note`.
    """
    note(
        session,
        case,
        kind,
        now=now,
        actor=actor,
        role=role,
        reason=reason,
        before=None if before is None else before.value,
        **facts,
    )
    _void_outdated(session, case, now=now)
    if before is not None and before is not case.state:
        close_work(session, case, *_WORK_OF.get(before, ()), by=actor.name, now=now)
    reset_timers(session, case, now=now)
    if before is not case.state and case.state not in {State.RECEIVED, State.LAPSED}:
        tell_of_case(session, case, now=now)


def _void_outdated(session: Session, case: DisclosureCase, *, now: datetime) -> None:
    """Void a proposal that was made on an older version: nobody could approve it, and none could take its place."""
    waiting = session.scalars(select(Decision).where(Decision.open_key == case.id)).one_or_none()
    if waiting is not None and waiting.case_version != case.version:
        waiting.void(at=now)
        close_work(session, case, Work.APPROVE, by=SYSTEM.name, now=now)
        note(session, case, "proposal_voided", now=now, actor=SYSTEM, decision=str(waiting.id))


def reset_timers(session: Session, case: DisclosureCase, *, now: datetime) -> None:
    """Delete the timers of what the case was, and set those of what it is. A held case has none."""
    drop_timers(session, case.id)
    if case.held_at is not None:
        return
    if case.state in TERMINAL:
        if case.confirmed_at is not None:
            owe_purge(session, case, now=now, step=PURGE_PAPERS)
        owe_purge(session, case, now=now, step=PURGE_RECORD)
        return
    rules = policy()
    if case.run_out_at is not None:
        _set(session, case, Name.RUN_OUT, case.run_out_at)
    for days, at in _reminders(case, rules):
        if at > now:
            _set(session, case, Name.REMIND_PARTY, at, number=days)
    for number, at in enumerate(_alerts(case, rules), start=1):
        _set(session, case, Name.RAISE_ALERT, at, number=number)
    owe_end_of_service(session, case)


def owe_end_of_service(session: Session, case: DisclosureCase) -> None:
    """Set the timer of the end that the service brings, if it has one: to a form at once, to a case once wound up."""
    rules = policy()
    ends_at = rules.service_end_at if case.state is State.RECEIVED else rules.wind_down_until
    if ends_at is not None:
        _set(session, case, Name.END_SERVICE, ends_at)


def owe_purge(session: Session, case: DisclosureCase, *, now: datetime, step: int, again: bool = False) -> None:
    """Owe the look at what is to go of a case that has ended (S9).

    Args:
        session: the caller's transaction.
        case: it has ended.
        now: from when on it may go, if that is later than its retention.
        step: `PURGE_PAPERS` or `PURGE_RECORD`.
        again: it could not go yet: look again in a month.
    """
    ended_at, rules = case.ended_at or now, policy()
    if case.confirmed_at is None:
        due = now
    elif step == PURGE_PAPERS:
        due = end_of_days(ended_at, rules.papers_days_kept)
    else:
        due = end_of_months(ended_at, 12 * rules.case_years)
    _set(session, case, Name.PURGE_CASE, max(due, now + _A_MONTH if again else now), number=step)


def _set(session: Session, case: DisclosureCase, name: Name, at: datetime, *, number: int | None = None) -> None:
    ids: dict[str, Any] = {} if number is None else {"number": number}
    enqueue(session, name, due_at=at, timer_of=case.id, case_id=case.id, revision=case.version, **ids)


def _reminders(case: DisclosureCase, rules: CasePolicy) -> list[tuple[int, datetime]]:
    if case.deadline_at is None:
        return []
    match case.state:
        case State.NEGOTIATING:
            days: tuple[int, ...] = (rules.negotiation_days - rules.negotiation_reminder_days,)
        case State.AWAITING_DOCUMENTS | State.DOCUMENTS_DEFICIENT:
            days = rules.papers_reminders
        case State.AWAITING_FEE:
            days = rules.fee_reminders
        case _:
            days = ()
    return [(each, morning_before(case.deadline_at, each)) for each in days]


def _alerts(case: DisclosureCase, rules: CasePolicy) -> list[datetime]:
    since = case.state_since_at
    match case.state:
        case State.SCREENING:
            return [business_days_after(since, rules.screening_alert_days)]
        case State.EXCHANGING:
            return [since + after for after in ALERTS_OF_EXCHANGE]
        case State.REVIEWING:
            # When the other side's time is over somebody may propose, without anybody having done anything.
            heard = [] if case.opinion_due_at is None else [case.opinion_due_at]
            return [business_days_after(since, rules.review_alert_days), *heard]
        case State.RELEASING:
            return [business_days_after(since, rules.dispatch_alert_days)]
    return []
