"""A disclosure case as people work on it, put together from its rows. It opens nothing that is sealed.

What a person decides by (checks, the ground of a refusal, what exactly is decided) is for those who judge or audit.
"""

from itertools import pairwise
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from api.resources import instant
from models.audit import CaseChain, CaseEvent, DisclosureRecord, event_hash
from models.decision import Decision
from models.disclosure import CaseCheck, DisclosureCase
from models.fee import Invoice, Payment
from models.marketplace import Member, Organisation, Trade
from models.message import Message
from models.notice import Notice
from models.paper import DocumentItem, Paper
from models.release import Letter
from models.roles import Operation, may
from models.work import WorkItem
from worker import auditing
from worker.cases import deciding, papers
from worker.cases.moving import Actor
from worker.cases.revealing import Part

_MOST_RELATED = 20


def case_now(session: Session, case: DisclosureCase) -> dict[str, Any]:
    """Return where a case stands; a refusal tells it, so that a person can decide again."""
    proposal = deciding.standing(session, case)
    return {
        **_brief(case),
        "version": case.version,
        "since": instant(case.state_since_at),
        "deadline_at": instant(case.deadline_at),
        "held_at": instant(case.held_at),
        "proposal": None
        if proposal is None
        else {"id": str(proposal.id), "digest": proposal.digest, "proposed_by": proposal.proposed_by},
    }


def case_at_work(session: Session, case: DisclosureCase, *, by: Actor) -> dict[str, Any]:
    """Return all that somebody may see of a case without opening anything."""
    judges = may(by.roles, Operation.REVEAL) or may(by.roles, Operation.READ_AUDIT)
    trade = session.get(Trade, case.trade_id) if case.trade_id else None
    organisation = session.get(Organisation, case.organisation_id) if case.organisation_id else None
    return {
        **case_now(session, case),
        "path": case.path,
        "language": case.language,
        "filed_at": instant(case.filed_at),
        "confirmed_at": instant(case.confirmed_at),
        "is_eligible": case.is_eligible if judges else None,
        "needs_legal": case.needs_legal,
        "applicant": _known_as(session, case.applicant_id),
        "counterparty": _known_as(session, case.counterparty_id),
        "organisation": organisation.external_id if organisation else None,
        "transaction": trade.number if trade else None,
        "related": _related(session, case),
        "told_counterparty_at": instant(case.told_counterparty_at),
        "intake_rounds": case.intake_rounds,
        "paper_rounds": case.paper_rounds,
        "released_at": instant(case.released_at),
        "applicant_reached_at": instant(case.applicant_reached_at),
        "counterparty_reached_at": instant(case.counterparty_reached_at),
        "stage_2_at": instant(case.stage_2_at),
        "opinion_due_at": instant(case.opinion_due_at),
        "opinion_at": instant(case.opinion_at),
        "fee_yen": case.fee_yen,
        "paid_yen": case.paid_yen,
        "dispatched_at": instant(case.dispatched_at),
        "ended_at": instant(case.ended_at),
        "sealed": _sealed(session, case),
        "checks": _checks(session, case) if judges else [],
        "decisions": _decisions(session, case, judges=judges),
        "items": [_item(item) for item in papers.items_of(session, case)],
        "papers": _papers(session, case),
        **_money(session, case),
        "letters": _letters(session, case),
        "notices": _notices(session, case),
        "work": _work(session, case),
        "timeline": [event_out(event) for event in auditing.trail(session, case.id)],
    }


def work_out(item: WorkItem, case: DisclosureCase) -> dict[str, Any]:
    """Return a piece of work and where its case stands."""
    return {
        "id": str(item.id),
        "case": str(case.id),
        "reference": case.reference,
        "state": case.state,
        "work": item.work,
        "role": item.role,
        "since": instant(item.opened_at),
        "overdue_at": instant(item.overdue_at),
        "held_at": instant(case.held_at),
    }


def event_out(event: CaseEvent) -> dict[str, Any]:
    """Return a line of the trail."""
    return {
        "number": event.number,
        "at": instant(event.at),
        "kind": event.kind,
        "actor": event.actor,
        "role": event.role,
        "facts": event.facts,
        "has_reason": event.sealed_reason is not None,
    }


def audit_out(session: Session, case: DisclosureCase) -> dict[str, Any]:
    """Return a case's trail whole, with what chains it and what was disclosed."""
    events = auditing.trail(session, case.id)
    records = session.scalars(
        select(DisclosureRecord).where(DisclosureRecord.case_id == case.id).order_by(DisclosureRecord.number)
    ).all()
    return {
        "events": [{**event_out(each), "hash": each.hash, "previous_hash": each.previous_hash} for each in events],
        "disclosures": [
            {
                "number": each.number,
                "at": instant(each.at),
                "whose": str(each.whose_id),
                "recipient": str(each.recipient_id),
                "fields": each.fields,
                "stage": each.stage,
                "basis": each.basis,
                "kept_until": instant(each.kept_until),
            }
            for each in records
        ],
        "unbroken": _is_unbroken(session, case, list(events)),
    }


def _brief(case: DisclosureCase) -> dict[str, Any]:
    return {"id": str(case.id), "reference": case.reference, "state": case.state}


def _is_unbroken(session: Session, case: DisclosureCase, events: list[CaseEvent]) -> bool:
    chain = session.get_one(CaseChain, case.id)
    reckoned = [
        event_hash(
            case_id=each.case_id,
            number=each.number,
            at=each.at,
            kind=each.kind,
            actor=each.actor,
            role=each.role,
            sealed_reason=each.sealed_reason,
            facts=each.facts,
            previous_hash=each.previous_hash,
        )
        for each in events
    ]
    follows = all(after.previous_hash == before.hash for before, after in pairwise(events))
    is_whole = chain.length == len(events) and (not events or events[-1].hash == chain.head)
    return follows and is_whole and reckoned == [each.hash for each in events]


def _known_as(session: Session, member_id: UUID | None) -> str | None:
    return session.get_one(Member, member_id).external_id if member_id else None


def _related(session: Session, case: DisclosureCase) -> list[dict[str, Any]]:
    """Name the crossed case (D39), earlier ones about the same transaction (A15), others of the same two (A23)."""
    if case.applicant_id is None or case.counterparty_id is None:
        return []
    sides = (case.applicant_id, case.counterparty_id)
    others = session.scalars(
        select(DisclosureCase)
        .where(
            DisclosureCase.id != case.id,
            DisclosureCase.confirmed_at.is_not(None),
            or_(
                DisclosureCase.trade_id == case.trade_id,
                DisclosureCase.applicant_id.in_(sides) & DisclosureCase.counterparty_id.in_(sides),
            ),
        )
        .order_by(DisclosureCase.id.desc())
        .limit(_MOST_RELATED)
    ).all()
    return [{**_brief(other), "because": _because(case, other)} for other in others]


def _because(case: DisclosureCase, other: DisclosureCase) -> str:
    if case.crossed_with_id == other.id or other.crossed_with_id == case.id:
        return "crossed"
    return "same_transaction" if case.trade_id == other.trade_id else "same_parties"


def _sealed(session: Session, case: DisclosureCase) -> list[Part]:
    wishes = any(item.sealed_wish is not None for item in papers.items_of(session, case))
    notes = select(Decision.id).where(Decision.case_id == case.id, Decision.sealed_note.is_not(None)).limit(1)
    reasons = select(CaseEvent.id).where(CaseEvent.case_id == case.id, CaseEvent.sealed_reason.is_not(None)).limit(1)
    there = {
        Part.FORM: case.sealed_form is not None,
        Part.STAGE_2: case.sealed_stage_2 is not None,
        Part.OPINION: case.sealed_opinion is not None,
        Part.PARTIES: case.applicant_id is not None or case.organisation_id is not None,
        Part.NOTES: session.scalars(notes).first() is not None,
        Part.WISHES: wishes,
        Part.REASONS: session.scalars(reasons).first() is not None,
    }
    return [part for part in Part if there[part]]


def _checks(session: Session, case: DisclosureCase) -> list[dict[str, Any]]:
    found = session.scalars(select(CaseCheck).where(CaseCheck.case_id == case.id).order_by(CaseCheck.id)).all()
    return [
        {
            "clause": each.clause,
            "holds": each.holds,
            "evidence": each.evidence,
            "checked_by": each.checked_by,
            "checked_at": instant(each.checked_at),
        }
        for each in found
    ]


def _decisions(session: Session, case: DisclosureCase, *, judges: bool) -> list[dict[str, Any]]:
    found = session.scalars(select(Decision).where(Decision.case_id == case.id).order_by(Decision.id)).all()
    return [
        {
            "id": str(each.id),
            "stage": each.stage,
            "verdict": each.verdict,
            "refusal": each.refusal if judges else None,
            "content": each.content if judges else None,
            "digest": each.digest,
            "standing": _standing(each),
            "proposed_by": each.proposed_by,
            "proposed_at": instant(each.proposed_at),
            "reviewed_by": each.reviewed_by,
            "approved_by": each.approved_by,
            "approved_at": instant(each.approved_at),
            "as_legal": each.as_legal,
            "sent_back_by": each.sent_back_by,
            "sent_back_at": instant(each.sent_back_at),
            "voided_at": instant(each.voided_at),
        }
        for each in found
    ]


def _standing(decision: Decision) -> str:
    if decision.voided_at is not None:
        return "void"
    if decision.sent_back_at is not None:
        return "sent_back"
    return "waiting" if decision.approved_at is None else "approved"


def _item(item: DocumentItem) -> dict[str, Any]:
    return {
        "id": str(item.id),
        "position": item.position,
        "kind": item.kind,
        "standing": item.standing,
        "flaws": item.flaws,
        "deadline_at": instant(item.deadline_at),
        "paper": str(item.paper_id) if item.paper_id else None,
    }


def _papers(session: Session, case: DisclosureCase) -> list[dict[str, Any]]:
    found = session.scalars(select(Paper).where(Paper.case_id == case.id).order_by(Paper.arrived_at, Paper.id)).all()
    return [
        {
            "id": str(each.id),
            "number": each.once_key,
            "item": str(each.item_id) if each.item_id else None,
            "kind": each.kind,
            "is_original": each.is_original,
            "issued_on": each.issued_on.isoformat() if each.issued_on else None,
            "pledge_version": each.pledge_version,
            "address_equal": each.address_equal,
            "seal_matches": each.seal_matches,
            "forbidden_data_visible": each.forbidden_data_visible,
            "arrived_at": instant(each.arrived_at),
            "recorded_by": each.recorded_by,
            "shelf": each.shelf,
            "postage_due_yen": each.postage_due_yen,
            "destroyed_by": each.destroyed_by,
            "destroyed_with": each.destroyed_with,
            "destroyed_at": instant(each.destroyed_at),
        }
        for each in found
    ]


def _money(session: Session, case: DisclosureCase) -> dict[str, list[dict[str, Any]]]:
    invoices = session.scalars(select(Invoice).where(Invoice.case_id == case.id).order_by(Invoice.issued_at)).all()
    payments = session.scalars(select(Payment).where(Payment.case_id == case.id).order_by(Payment.recorded_at)).all()
    return {
        "invoices": [
            {"lines": each.lines, "total_yen": each.total_yen, "issued_at": instant(each.issued_at)}
            for each in invoices
        ],
        "payments": [
            {
                "number": each.once_key,
                "amount_yen": each.amount_yen,
                "paid_at": instant(each.paid_at),
                "recorded_by": each.recorded_by,
            }
            for each in payments
        ],
    }


def _letters(session: Session, case: DisclosureCase) -> list[dict[str, Any]]:
    found = session.scalars(select(Letter).where(Letter.case_id == case.id).order_by(Letter.serial)).all()
    return [
        {
            "serial": each.serial,
            "digest": each.digest,
            "sha256": each.sha256,
            "by_hand": each.by_hand,
            "rendered_at": instant(each.rendered_at),
            "printed_at": instant(each.printed_at),
            "printed_by": each.printed_by,
            "spoiled_at": instant(each.spoiled_at),
            "spoiled_by": each.spoiled_by,
            "dispatched_at": instant(each.dispatched_at),
            "dispatched_by": each.dispatched_by,
            "tracking_number": each.tracking_number,
        }
        for each in found
    ]


def _notices(session: Session, case: DisclosureCase) -> list[dict[str, Any]]:
    found = session.execute(
        select(Notice, Message)
        .join(Message, Message.id == Notice.message_id)
        .where(Notice.case_id == case.id)
        .order_by(Notice.written_at, Notice.message_id)
    ).all()
    return [
        {
            "id": str(message.id),
            "kind": message.kind,
            "party": notice.party,
            "state": message.state,
            "written_at": instant(notice.written_at),
            "released_at": instant(notice.released_at),
            "accepted_at": instant(notice.accepted_at),
            "deemed_arrived_at": instant(notice.deemed_arrived_at),
            "undeliverable_at": instant(notice.undeliverable_at),
        }
        for notice, message in found
    ]


def _work(session: Session, case: DisclosureCase) -> list[dict[str, Any]]:
    query = select(WorkItem).where(WorkItem.case_id == case.id, WorkItem.closed_at.is_(None))
    return [work_out(item, case) for item in session.scalars(query.order_by(WorkItem.opened_at, WorkItem.id))]
