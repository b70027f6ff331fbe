"""Opening what is sealed in a case for a person who says why: counted, written down, and only then shown (S5, S7).

What a protected address is about is opened for the legal department alone (S16).
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.decision import Decision
from models.disclosure import DisclosureCase, Party
from models.errors import TooManyRequests
from models.limit import Cap
from models.marketplace import Member, MemberSnapshot, Organisation, Trade
from models.roles import Operation, Role
from worker import auditing, limits, registry
from worker.cases import deciding, forms, noticing, papers
from worker.cases.moving import Actor, note
from worker.seals import Unreadable

LOOKS = Cap(60, timedelta(hours=1))
"""By one person. Whoever needs more looks at cases for another reason than working on them."""
PROTECTED = ("postal_code", "address")


class Part(StrEnum):
    """What of a case is sealed."""

    FORM = "form"
    """What the applicant wrote (D70 to D73)."""
    STAGE_2 = "stage_2"
    """What was stated to reach stage 2 (D22, D23)."""
    OPINION = "opinion"
    """What the counterparty stated (A12)."""
    PARTIES = "parties"
    """What is registered of both sides: now, and as it was (D43, A19)."""
    NOTES = "notes"
    """Why each decision was proposed."""
    WISHES = "wishes"
    """Which papers were asked for besides (D28)."""
    REASONS = "reasons"
    """The reasons in the trail."""


TAKES: Mapping[Part, Operation] = MappingProxyType(
    {part: Operation.READ_AUDIT if part is Part.REASONS else Operation.REVEAL for part in Part}
)
"""Part → what somebody must be allowed to do to have it opened."""


def reveal(
    session: Session, case: DisclosureCase, parts: Iterable[Part], *, by: Actor, reason: str, now: datetime
) -> dict[str, Any]:
    """Open parts of a case, and write down who looked at what and why, in the same transaction.

    A part that does not exist, or was shredded, is None. The caller shows nothing before the transaction is committed.

    Args:
        session: the caller's transaction.
        case: locked.
        parts: which.
        by: who looks; that they may is for the caller to see (`TAKES`).
        reason: in their own words; it is sealed.
        now: business time.

    Raises:
        TooManyRequests: this person has looked at so much within the hour that somebody should ask them.
    """
    wanted = [part for part in Part if part in set(parts)]
    _count(session, by, now=now)
    role = next((role for part in wanted if (role := by.role_for(TAKES[part])) is not None), None)
    note(session, case, "revealed", now=now, actor=by, role=role, reason=reason, what=[part.value for part in wanted])
    session.flush()
    return {part.value: _opened(session, case, part, by=by, now=now) for part in wanted}


def _count(session: Session, by: Actor, *, now: datetime) -> None:
    key = f"reveals:{by.name}"
    if limits.count(session, key, LOOKS, now=now) > LOOKS.most:
        raise TooManyRequests(retry_at=limits.counted(session, key, now=now)[1])


def _opened(session: Session, case: DisclosureCase, part: Part, *, by: Actor, now: datetime) -> Any:
    openers: Mapping[Part, Callable[[], Any]] = {
        Part.FORM: lambda: forms.form_of(session, case),
        Part.STAGE_2: lambda: forms.stage_2_of(session, case),
        Part.OPINION: lambda: forms.opinion_of(session, case),
        Part.PARTIES: lambda: _parties(session, case, by=by, now=now),
        Part.NOTES: lambda: _notes(session, case),
        Part.WISHES: lambda: _wishes(session, case),
        Part.REASONS: lambda: _reasons(session, case),
    }
    try:
        return openers[part]() or None
    except Unreadable:
        return None


def _notes(session: Session, case: DisclosureCase) -> dict[str, str]:
    decisions = session.scalars(select(Decision).where(Decision.case_id == case.id).order_by(Decision.id)).all()
    return {str(each.id): said for each in decisions if (said := deciding.note_of(session, each)) is not None}


def _wishes(session: Session, case: DisclosureCase) -> dict[str, str]:
    items = papers.items_of(session, case)
    return {str(item.id): said for item in items if (said := noticing.wish_of(session, item)) is not None}


def _reasons(session: Session, case: DisclosureCase) -> dict[str, str]:
    events = auditing.trail(session, case.id)
    return {str(each.number): said for each in events if (said := auditing.reason_of(session, each)) is not None}


def _parties(session: Session, case: DisclosureCase, *, by: Actor, now: datetime) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for party in Party:
        # One side may be erased, or not be found at all, and the other is there all the same.
        with suppress(LookupError, Unreadable):
            found[party.value] = _party(session, case, party, by=by, now=now)
    return {party.value: found.get(party.value) for party in Party}


def _party(session: Session, case: DisclosureCase, party: Party, *, by: Actor, now: datetime) -> dict[str, Any]:
    who = noticing.reader(session, case, party)
    if isinstance(who, Organisation):
        return {"organisation": who.name, **asdict(registry.contact_of(session, who))}
    return _member(session, case, who, by=by, now=now)


def _member(session: Session, case: DisclosureCase, who: Member, *, by: Actor, now: datetime) -> dict[str, Any]:
    withheld = PROTECTED if who.protected_address and Role.LEGAL not in by.roles else ()
    return {
        "member": who.external_id,
        "kind": who.kind.value,
        "status": who.status.value,
        "protected_address": who.protected_address,
        "withheld": list(withheld),
        "email_changed_at": who.email_changed_at,
        "registered": [
            {
                "as_of": sorted(names),
                "taken_at": snapshot.taken_at,
                **{
                    key: value
                    for key, value in asdict(registry.registered(session, snapshot)).items()
                    if key not in withheld
                },
            }
            for snapshot, names in _snapshots(session, case, who, now=now)
        ],
    }


def _snapshots(
    session: Session, case: DisclosureCase, who: Member, *, now: datetime
) -> list[tuple[MemberSnapshot, list[str]]]:
    """Return each snapshot once, with what it is of: often one is all of them."""
    trade = session.get(Trade, case.trade_id) if case.trade_id else None
    if trade is None:
        return [(session.get_one(MemberSnapshot, who.snapshot_id), ["now"])]
    named: dict[MemberSnapshot, list[str]] = {}
    for when, snapshot in registry.snapshots_of(session, who, trade, now=now).items():
        named.setdefault(snapshot, []).append(when.value)
    return list(named.items())
