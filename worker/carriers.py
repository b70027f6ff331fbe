"""Which account carries the next message, and what every worker knows of the accounts' health.

The choice, the breaker and the drift are models/carrier.py's; here are the rows and the counts.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import Session

from models.carrier import QUIET_FOR, SLOW_FROM, Carrier, CarrierMove, Seen, choose
from models.customer import Channel
from models.message import Answer, Attempt, Receipt, State, TryLater, Unknown
from worker.chance import jitter
from worker.database import insert_new
from worker.settings import settings

_log = logging.getLogger(__name__)
_SHORTEST_WAIT = timedelta(seconds=1)


def of_channel(session: Session, channel: Channel, *, now: datetime) -> Sequence[Carrier]:
    """Return the accounts that the settings name for a channel, with rows for those that are new."""
    configured = settings()
    accounts = configured.sms_carriers if channel is Channel.SMS else configured.mail_carriers
    names = [account.name for account in accounts]
    query = select(Carrier).where(Carrier.name.in_(names)).order_by(Carrier.name)
    known = session.scalars(query).all()
    if len(known) == len(names):
        return known
    for account in accounts:
        session.execute(
            insert_new(session, Carrier)
            .values(
                name=account.name,
                channel=channel,
                share=account.share,
                base_share=account.share,
                failures=0,
                rests=0,
                moved_at=now,
            )
            .on_conflict_do_nothing(index_elements=[Carrier.name])
        )
    return session.scalars(query).all()


def pick(session: Session, carriers: Sequence[Carrier], *, now: datetime, probes: bool = True) -> Carrier | None:
    """Choose the account for one call; None if all of them rest. One that has rested gets one call to show itself."""
    chosen = choose(carriers, now=now, chance=jitter(1.0) % 1.0, probes=probes)
    if chosen is None or chosen.rests_until is None:
        return chosen
    # Only here is the row locked: of all workers one makes the probe.
    session.refresh(chosen, with_for_update=True)
    if not chosen.is_open_to(now):
        return pick(session, carriers, now=now, probes=probes)
    chosen.begin_call(now)
    return chosen


def heard(session: Session, name: str, answer: Answer, *, now: datetime) -> None:
    """Let every worker know what this answer says of the account. Writes only where it says something new."""
    carrier = session.get(Carrier, name)
    if carrier is None:
        return
    was_ill = carrier.failures > 0 or carrier.rests_until is not None
    if isinstance(answer, TryLater) and answer.code != "connect":
        session.refresh(carrier, with_for_update=True)
        carrier.rest(now=now, lasts=answer.after or _SHORTEST_WAIT)
    elif isinstance(answer, Unknown | TryLater):
        session.refresh(carrier, with_for_update=True)
        rested = carrier.rests_until
        carrier.unwell(now=now, jitter=jitter(1.0))
        if carrier.rests_until is not None and rested is None:
            _log.error("a vendor's account does not answer and is left alone", extra={"vendor": name})
    elif was_ill:
        session.refresh(carrier, with_for_update=True)
        if carrier.rests_until is not None:
            _log.warning("a vendor's account answers again", extra={"vendor": name})
        carrier.well()


def let_drift(session: Session, *, now: datetime) -> int:
    """Move the shares by what was seen lately, and record each move; return how many moved."""
    moved = 0
    for carrier in session.scalars(select(Carrier).with_for_update()).all():
        drifted = carrier.drift(_seen(session, carrier, now), now=now)
        if drifted is not None:
            before, why = drifted
            _note(session, carrier, before=before, why=why, now=now)
            moved += 1
    return moved


def fix_share(session: Session, name: str, share: float | None, *, now: datetime, why: str) -> Carrier | None:
    """Override an account's drift with a person's choice, or end that (None); None if there is no such account."""
    carrier = session.get(Carrier, name, with_for_update=True)
    if carrier is None:
        return None
    before = carrier.weight
    carrier.fixed_share = share
    _note(session, carrier, before=before, why=why, now=now)
    return carrier


def _note(session: Session, carrier: Carrier, *, before: float, why: str, now: datetime) -> None:
    session.add(CarrierMove(carrier=carrier.name, at=now, before=before, after=carrier.weight, why=why))
    _log.warning("a vendor's share moved", extra={"vendor": carrier.name, "reason": why})


def _seen(session: Session, carrier: Carrier, now: datetime) -> Seen:
    since = max(carrier.moved_at, now - QUIET_FOR)
    mine = (Attempt.vendor == carrier.name, Attempt.started_at >= since)
    # A 429 is the vendor's own pace, not its fault.
    failed = or_(Attempt.answer == "unknown", and_(Attempt.answer == "try_later", Attempt.code == "connect"))
    calls, errors = session.execute(
        select(func.count(), func.coalesce(func.sum(case((failed, 1), else_=0)), 0)).where(
            *mine, Attempt.answer.is_not(None)
        )
    ).one()
    told = session.execute(
        select(Attempt.started_at, Receipt.received_at)
        .join(Receipt, Receipt.attempt_id == Attempt.id)
        .where(*mine, Receipt.fact == State.DELIVERED)
        .limit(1000)
    ).all()
    slow = sum(1 for started_at, received_at in told if received_at - started_at > SLOW_FROM)
    return Seen(calls=calls, errors=errors, receipts=len(told), slow_receipts=slow)
