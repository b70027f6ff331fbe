"""Writing a case's trail, reading it, and taking it away when its time is over. Knows no case's rules.

Everything happens in the caller's transaction, so that an event is there exactly if what it is about is.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast
from uuid import UUID, uuid5

from sqlalchemy import Table, delete, select, update
from sqlalchemy.orm import Session

from models.audit import (
    BEGINNING,
    DISCLOSED,
    CaseChain,
    CaseEvent,
    CaseStub,
    DisclosureRecord,
    checked_event,
    event_hash,
    plain,
    record_hash,
    stub_statement,
)
from models.period import end_of_months
from worker.auditing import signing
from worker.database import insert_new
from worker.seals import Place, seal, unseal

RECORDS_KEPT_MONTHS = 36
_SHOPS = UUID("5d2c1f5e-8f0b-4a57-9c3c-6a4f5b9e1d70")
"""The name space of shops' chains; drawn once, never changed."""
_SEALED_FOR = "sealed_for"

# Core tables, without the ORM: what it has loaded of a chain may be older than the lock.
_CHAINS = cast(Table, CaseChain.__table__)
_EVENTS = cast(Table, CaseEvent.__table__)
_RECORDS = cast(Table, DisclosureRecord.__table__)


class StillKept(Exception):  # noqa: N818 - a state of the data
    """A case may not be purged yet: a disclosure record of it must be kept longer. Bears the case's id."""


def chain_of_shop(shop_id: str | None) -> UUID:
    """Return the id under which what people do about a shop's customers is chained; None: about all shops'.

    A shop's chain is verified and signed as a case's is, and stands in the same tables under this id. It is never
    purged. Its reasons are sealed for whom they are about (`sealed_for`), so that they can go without it.
    """
    return uuid5(_SHOPS, shop_id or "")


def append(
    session: Session,
    case_id: UUID,
    kind: str,
    *,
    at: datetime,
    actor: str,
    role: str | None = None,
    reason: str | None = None,
    **facts: object,
) -> CaseEvent:
    """Add an event to the end of a case's chain; the chain stays locked until the transaction ends.

    Nothing that the caller has not finished is flushed.

    Args:
        session: the transaction of what the event is about.
        case_id: whose chain; its first event begins it.
        kind: a word, such as `decision_approved`.
        at: when it happened, in business time.
        actor: `system`, `applicant`, `counterparty`, `person:<name>` or `key:<id>`; never a mail address.
        role: in which role a person acted.
        reason: a person's own words, up to 400 characters; sealed under the case's key, or under the key of whom the
            fact `sealed_for` names, such as a customer.
        facts: see `models.audit.plain`: ids, numbers, instants and words, never personal data.

    Raises:
        TypeError: a fact is free text or of another type.
        ValueError: kind, actor, role or reason do not fit.
        sqlalchemy.exc.IntegrityError: the case was purged.
    """
    checked_event(kind, actor, role, reason)
    known = plain(facts)
    chain = _locked(session, case_id) or _begun(session, case_id)
    number = chain.length + 1
    event = CaseEvent(
        case_id=case_id,
        number=number,
        at=at,
        kind=str(kind),
        actor=str(actor),
        role=None if role is None else str(role),
        sealed_reason=None if reason is None else seal(session, _place(case_id, number, known), reason),
        facts=known,
        previous_hash=chain.head,
    )
    event.hash = event_hash(
        case_id=case_id,
        number=number,
        at=at,
        kind=event.kind,
        actor=event.actor,
        role=event.role,
        sealed_reason=event.sealed_reason,
        facts=known,
        previous_hash=chain.head,
    )
    with session.no_autoflush:
        session.execute(update(_CHAINS).where(_CHAINS.c.case_id == case_id).values(length=number, head=event.hash))
    session.add(event)
    return event


def record_disclosure(
    session: Session,
    case_id: UUID,
    *,
    at: datetime,
    actor: str,
    release_id: UUID,
    whose_id: UUID,
    recipient_id: UUID,
    fields: Sequence[str],
    stage: str,
    basis: str,
    role: str | None = None,
    kept_until: datetime | None = None,
) -> DisclosureRecord:
    """Write down whose data went to whom, with an event in the case's chain that bears the record's hash.

    Args:
        session: the transaction that releases the data.
        case_id: the case.
        at: when it was disclosed.
        actor: who disclosed it, as for `append`.
        release_id: the release.
        whose_id: the member whose data it was.
        recipient_id: the member or organisation that got it.
        fields: names of the fields.
        stage: a word of up to 20 letters.
        basis: a word of up to 40 letters: the clause or law.
        role: as for `append`.
        kept_until: three years after `at` unless told.

    Raises:
        ValueError: it would be kept for less than three years.

    Source: 個人情報保護法29条, 同法施行規則21条.
    """
    least = end_of_months(at, RECORDS_KEPT_MONTHS)
    if kept_until is not None and kept_until < least:
        raise ValueError("a disclosure record is kept for three years at least")
    chain = _locked(session, case_id) or _begun(session, case_id)
    record = DisclosureRecord(
        case_id=case_id,
        number=chain.length + 1,
        release_id=release_id,
        at=at,
        whose_id=whose_id,
        recipient_id=recipient_id,
        fields=plain(list(fields)),
        stage=plain(stage),
        basis=plain(basis),
        kept_until=kept_until or least,
    )
    session.add(record)
    vouched = record_hash(
        **{column.key: getattr(record, column.key) for column in _RECORDS.c if column is not _RECORDS.c.id}
    )
    append(session, case_id, DISCLOSED, at=at, actor=actor, role=role, release_id=release_id, record_sha256=vouched)
    return record


def trail(session: Session, case_id: UUID) -> Sequence[CaseEvent]:
    """Return the events of a case, the first first."""
    return session.scalars(select(CaseEvent).where(CaseEvent.case_id == case_id).order_by(CaseEvent.number)).all()


def reason_of(session: Session, event: CaseEvent) -> str | None:
    """Return the reason in the words of who gave it. Looking at it is worth an event.

    Raises:
        worker.seals.Shredded: the case's key is gone.
        worker.seals.Tampered: it was sealed for another event, or is damaged.
    """
    if event.sealed_reason is None:
        return None
    return unseal(session, _place(event.case_id, event.number, event.facts), event.sealed_reason)


def purge(session: Session, case_id: UUID, *, at: datetime, because: str) -> CaseStub:
    """Delete a case's events and disclosure records, and leave a signed stub of the chain in their place.

    Whether the case is on hold, and shredding its key, are the caller's business.

    Args:
        session: the transaction that purges the case.
        case_id: the case.
        at: business time; records must have been kept until then.
        because: which retention is over, a word of up to 40 letters.

    Raises:
        StillKept: a disclosure record of it must be kept longer.
        LookupError: it has no chain, or was purged before.
    """
    session.flush()
    chain = _locked(session, case_id)
    if chain is None:
        raise LookupError(f"case {case_id} has no trail to purge")
    held = select(_RECORDS.c.id).where(_RECORDS.c.case_id == case_id, _RECORDS.c.kept_until > at).limit(1)
    if session.scalars(held).one_or_none() is not None:
        raise StillKept(f"case {case_id} has a disclosure record that is kept longer")
    stub = CaseStub(
        case_id=case_id,
        purged_at=at,
        length=chain.length,
        head=chain.head,
        because=plain(because),
        key_id=signing.key_id(),
    )
    stub.signature = signing.sign(
        stub_statement(
            case_id=case_id,
            purged_at=at,
            length=stub.length,
            head=stub.head,
            because=stub.because,
            key_id=stub.key_id,
        )
    )
    session.add(stub)
    # The triggers look for the stub.
    session.flush()
    for table in (_EVENTS, _RECORDS, _CHAINS):
        session.execute(delete(table).where(table.c.case_id == case_id))
    return stub


class _End(NamedTuple):
    length: int
    head: str


def _locked(session: Session, case_id: UUID) -> _End | None:
    wanted = select(_CHAINS.c.length, _CHAINS.c.head).where(_CHAINS.c.case_id == case_id).with_for_update()
    with session.no_autoflush:
        found = session.execute(wanted).one_or_none()
    return None if found is None else _End(found.length, found.head)


def _begun(session: Session, case_id: UUID) -> _End:
    """Begin the chain, or find that somebody else has just begun it."""
    first = insert_new(session, CaseChain).values(case_id=case_id, length=0, head=BEGINNING)
    with session.no_autoflush:
        session.execute(first.on_conflict_do_nothing())
    chain = _locked(session, case_id)
    if chain is None:
        raise LookupError(f"the chain of case {case_id} is being taken away")
    return chain


def _place(case_id: UUID, number: int, facts: Mapping[str, Any]) -> Place:
    subject = UUID(facts[_SEALED_FOR]) if _SEALED_FOR in facts else case_id
    return Place(subject, "case_events", "sealed_reason", f"{case_id}:{number}")


__all__ = ["StillKept", "append", "chain_of_shop", "purge", "reason_of", "record_disclosure", "trail"]
