"""What the parties are told: written beside its cause, released by a link of the leg, worded when it is sent (D54).

Everything personal is read at that last moment. A deadline runs from when the notice will have arrived, so it is
settled here, just before its date is put into words; the text and the code can say nothing different.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.customer import Channel
from models.disclosure import DisclosureCase, Party, Path, State
from models.fee import Invoice
from models.job import Name
from models.marketplace import Member, MemberKind, Organisation, Trade, number_form
from models.message import NATURES, Kind, Message
from models.message import State as MessageState
from models.notice import Notice
from models.paper import DocumentItem, Standing
from models.period import end_of_days
from models.release import Letter, Release
from models.work import Work
from worker import links, registry
from worker.cases import forms, printed
from worker.cases.moving import SYSTEM, note, policy, reset_timers
from worker.cases.worklist import open_work
from worker.chance import new_id
from worker.clock import unix_ms
from worker.database import insert_new
from worker.jobs import enqueue
from worker.seals import Place, seal, unseal
from worker.settings import settings
from worker.vendors import Attachment
from worker.wording import FOLDER, Rendered, render
from worker.wording.case_words import CaseWords, FeeEntry, FlawedPaperEntry, PaperEntry

_USUAL_LANGUAGE = "ja"
_LASTS = timedelta(days=30)
"""A notice that cannot be sent for so long is a person's work."""

_OPENS: Mapping[Kind, State] = MappingProxyType(
    {
        Kind.CASE_INTAKE_DEFICIENT: State.INTAKE_DEFICIENT,
        Kind.CASE_PAPERS_WANTED: State.AWAITING_DOCUMENTS,
        Kind.CASE_PAPERS_DEFICIENT: State.DOCUMENTS_DEFICIENT,
        Kind.CASE_INVOICE: State.AWAITING_FEE,
    }
)
"""Notices from whose arrival a deadline runs, and the state whose it is."""

ADDRESSES = frozenset({Kind.CASE_ADDRESS_TO_APPLICANT, Kind.CASE_ADDRESS_TO_COUNTERPARTY})
"""What tells one side the other's address."""
_ABOUT_PAPERS = frozenset({Kind.CASE_PAPERS_WANTED, Kind.CASE_PAPERS_REMINDER, Kind.CASE_PAPERS_DEFICIENT})
_COURTESIES = frozenset(
    {
        Kind.CASE_CONFIRM_ADDRESS,
        Kind.CASE_NEGOTIATION_REMINDER,
        Kind.CASE_PAPERS_REMINDER,
        Kind.CASE_INVOICE_REMINDER,
    }
)
"""What is lost without harm: nobody needs to run after it."""
_ARRIVED = frozenset({MessageState.SENT, MessageState.DELIVERED, MessageState.UNDELIVERED})
_FAILED = frozenset({MessageState.FAILED, MessageState.EXPIRED, MessageState.UNDELIVERED})


@dataclass(frozen=True, repr=False)
class Composed:
    """A notice as it is sent. It does not print itself."""

    address: str
    rendered: Rendered
    attachments: tuple[Attachment, ...] = ()


def write(
    session: Session,
    case: DisclosureCase,
    party: Party,
    kind: Kind,
    *,
    now: datetime,
    part: str = "",
    expires_at: datetime | None = None,
    release: bool = False,
    **facts: Any,
) -> UUID | None:
    """Write a notice in the transaction that makes it necessary; None if it was written before.

    Args:
        session: that transaction.
        case: what it is about.
        party: which side it goes to.
        kind: what is said.
        now: business time.
        part: tells apart what may be said more than once a case.
        expires_at: from when on it would help nobody; by default in a month.
        release: send it at once; else a link of the leg releases it.
        facts: what the words need besides the rows, never personal data.
    """
    message_id: UUID | None = session.scalars(
        insert_new(session, Message)
        .values(
            id=new_id(unix_ms()),
            kind=kind,
            channel=Channel.MAIL,
            # The case's language is the applicant's; the other side shall not learn even that.
            language=case.language if party is Party.APPLICANT else _USUAL_LANGUAGE,
            case_id=case.id,
            party=party,
            once_key=f"{kind}:{case.id}:{part}",
            state=MessageState.QUEUED,
            tries=0,
            facts=facts,
            created_at=now,
            expires_at=expires_at or now + _LASTS,
        )
        .on_conflict_do_nothing(index_elements=[Message.once_key])
        .returning(Message.id)
    ).one_or_none()
    if message_id is None:
        return None
    notice = Notice(message_id=message_id, case_id=case.id, party=party, case_version=case.version, written_at=now)
    session.add(notice)
    note(session, case, "notice_written", now=now, actor=SYSTEM, notice=kind.value, party=party.value)
    if release:
        _release(session, notice, kind, now=now)
    return message_id


def release_to(session: Session, case: DisclosureCase, party: Party, *, now: datetime) -> int:
    """Release what was written to one side and not released yet; return how many notices that is."""
    waiting = (
        select(Notice, Message.kind)
        .join(Message, Message.id == Notice.message_id)
        .where(Notice.case_id == case.id, Notice.party == party, Notice.released_at.is_(None))
        .order_by(Notice.written_at, Notice.message_id)
    )
    released = 0
    for notice, kind in session.execute(waiting).all():
        released += _release(session, notice, kind, now=now)
    return released


def hear(session: Session, case: DisclosureCase, message: Message, *, now: datetime) -> None:
    """Learn what became of a notice. A fact: it may come twice and in any order.

    What the vendor took is deemed to have arrived (D54), also if it bounces afterwards; what did not reach a mailbox is
    a person's work, and no clock stops for it (A22).
    """
    notice = session.get_one(Notice, message.id, with_for_update=True)
    if message.state in _ARRIVED and notice.accept(at=now, delay=timedelta(hours=policy().arrival_hours)):
        note(
            session, case, "notice_accepted", now=now, actor=SYSTEM, notice=message.kind.value, message=str(message.id)
        )
    if message.state in _FAILED and notice.undeliverable_at is None:
        notice.undeliverable_at = now
        note(session, case, "notice_failed", now=now, actor=SYSTEM, notice=message.kind.value, message=str(message.id))
        # Once both were reached a dead address opens nothing again (D52).
        if message.kind in ADDRESSES and case.state is State.EXCHANGING:
            open_work(session, case, Work.FINISH_EXCHANGE, now=now)
        elif message.kind not in _COURTESIES:
            open_work(session, case, Work.MEND_NOTICE, now=now)


def compose(session: Session, message: Message, case: DisclosureCase, *, now: datetime) -> Composed:
    """Put a notice into words, and settle the deadline that it states.

    The caller holds the case's lock and opens an attempt in the same transaction.

    Raises:
        Unreadable: the reader's data was shredded.
        LookupError: a row that it needs is gone.
    """
    party = message.party or Party.APPLICANT
    # A notice that is sent again starts no clock again (A22).
    if not message.facts.get("again"):
        if _OPENS.get(message.kind) is case.state and case.announce(at=now, policy=policy()):
            reset_timers(session, case, now=now)
        if message.kind is Kind.CASE_STAGE_2_TOLD and case.announce_opinion(at=now, policy=policy()):
            reset_timers(session, case, now=now)
    words = _words(session, message, case, party)
    rendered = render(message.kind, channel=Channel.MAIL, language=message.language, words=words.words())
    address = _address(session, message, case, party)
    notice = session.get_one(Notice, message.id, with_for_update=True)
    notice.wording = wording_of(message.kind, message.language)
    notice.sealed_address = seal(session, _address_place(notice), address)
    return Composed(address, rendered, _attachments(session, message, case))


def has_arrived(session: Session, case: DisclosureCase, *kinds: Kind) -> bool:
    """Whether one of these notices is deemed to have arrived: only what went out can have (D54)."""
    arrived = (
        select(Notice.message_id)
        .join(Message, Message.id == Notice.message_id)
        .where(Notice.case_id == case.id, Message.kind.in_(kinds), Notice.deemed_arrived_at.is_not(None))
    )
    return session.scalars(arrived.limit(1)).first() is not None


def address_sent_to(session: Session, message: Message) -> str:
    """Return the address that a notice went to.

    Raises:
        Unreadable: the case's data was shredded.
        LookupError: it was never put into words.
    """
    notice = session.get_one(Notice, message.id)
    if notice.sealed_address is None:
        raise LookupError("the notice has not been sent")
    return unseal(session, _address_place(notice), notice.sealed_address)


@cache
def wording_of(kind: Kind, language: str) -> str:
    """Return the name of a notice's words and a digest of its files: what text went out can be shown for years."""
    parts = (FOLDER / kind / f"mail.{language}.txt", FOLDER / f"footer.case.{language}.txt", FOLDER / "case_labels.py")
    text = b"".join(part.read_bytes() for part in parts)
    return f"{kind}.{language}@{hashlib.sha256(text).hexdigest()[:32]}"


def reader(session: Session, case: DisclosureCase, party: Party) -> Member | Organisation:
    """Return who stands on a side.

    Raises:
        LookupError: nobody does.
    """
    who: Member | Organisation | None
    if party is Party.APPLICANT and case.path is Path.RIGHTS_HOLDER:
        who = session.get(Organisation, case.organisation_id) if case.organisation_id else None
    else:
        member_id = case.member_of(party)
        who = session.get(Member, member_id) if member_id else None
    if who is None:
        raise LookupError("nobody stands on that side of the case")
    return who


def bound_to(who: Member | Organisation) -> str:
    """Return what stands for somebody's registered address in our rows: links are worthless once it is another."""
    return f"{who.id}:{who.email_index}"


def page_url(session: Session, case: DisclosureCase, party: Party) -> str:
    """Return the case page of one side."""
    return links.case_url(links.CaseLinkRole.PAGE, case.id, party, bound_to(reader(session, case, party)))


def _release(session: Session, notice: Notice, kind: Kind, *, now: datetime) -> bool:
    if not notice.release(at=now):
        return False
    enqueue(session, Name.DELIVER_MESSAGE, queue=NATURES[kind].queue, message_id=notice.message_id)
    return True


def _address(session: Session, message: Message, case: DisclosureCase, party: Party) -> str:
    """Return where it goes: only ever a registered address, for a release the one it was made for (D19)."""
    # What is said again while both are not reached yet goes where the party is registered by now.
    if message.kind in ADDRESSES and not (message.facts.get("again") and case.state is State.EXCHANGING):
        return opened_address(session, _release_of(session, case), party)
    return registry.email_of(session, reader(session, case, party))


def opened_address(session: Session, release: Release, party: Party) -> str:
    """Open one side's address as it was released."""
    column = f"sealed_to_{party}"
    return unseal(session, Place(release.case_id, "releases", column, release.id), getattr(release, column))


def _release_of(session: Session, case: DisclosureCase) -> Release:
    return session.get_one(Release, case.release_id)


def _words(session: Session, message: Message, case: DisclosureCase, party: Party) -> CaseWords:
    configured, language = settings(), message.language
    return CaseWords.of(
        language=language,
        operator_name=configured.office_name,
        contact_url=configured.case_contact_url,
        reference=case.reference,
        written_at=message.created_at,
        transaction_number=transaction_of(session, case, party),
        deadline_at=case.deadline_at,
        **_links(session, message, case, party),
        **_particulars(session, message, case, party),
    )


def transaction_of(session: Session, case: DisclosureCase, party: Party) -> str:
    """Return the transaction's number: to the applicant as given, so that no notice tells whether it is known."""
    if party is Party.APPLICANT:
        return number_form(forms.form_of(session, case)["transaction_number"])
    return session.get_one(Trade, case.trade_id).number


def _links(session: Session, message: Message, case: DisclosureCase, party: Party) -> dict[str, Any]:
    bound = bound_to(reader(session, case, party))
    if message.kind is Kind.CASE_CONFIRM_ADDRESS:
        url = links.case_url(links.CaseLinkRole.CONFIRM, case.id, party, bound)
        return {"confirm_url": url, "expires_at": message.expires_at}
    return {"page_url": links.case_url(links.CaseLinkRole.PAGE, case.id, party, bound)}


def _particulars(session: Session, message: Message, case: DisclosureCase, party: Party) -> dict[str, Any]:
    """Return the words that one kind of notice has and others have not."""
    if message.kind in ADDRESSES:
        other = Party.COUNTERPARTY if party is Party.APPLICANT else Party.APPLICANT
        return {"other_email": opened_address(session, _release_of(session, case), other)}
    if message.kind in _ABOUT_PAPERS:
        return _papers(session, message, case)
    particulars: dict[str, Any] = {}
    match message.kind:
        case Kind.CASE_INTAKE_DEFICIENT:
            particulars = {"missing_facts": message.facts["missing"]}
        case Kind.CASE_STAGE_2_TOLD:
            opinion = [] if case.opinion_due_at is None else [case.opinion_due_at]
            particulars = {"opinion_deadlines_at": opinion, "cross_deadline_at": cross_deadline(case)}
        case Kind.CASE_INVOICE | Kind.CASE_INVOICE_REMINDER:
            particulars = invoice_words(session, case, message.language)
        case Kind.CASE_POSTED:
            particulars = posted_words(session, case)
        case Kind.CASE_DISCLOSED_TOLD:
            particulars = {"disclosed": message.facts["fields"]}
    return particulars


def invoice_words(session: Session, case: DisclosureCase, language: str) -> dict[str, Any]:
    """Return what is to be paid, and how, as words of a notice.

    Raises:
        LookupError: nothing is.
    """
    invoice = session.scalars(
        select(Invoice).where(Invoice.case_id == case.id).order_by(Invoice.issued_at.desc()).limit(1)
    ).one_or_none()
    if invoice is None:
        raise LookupError("there is no invoice in this case")
    fees = [FeeEntry.of(line["label"], line["yen"], language=language) for line in invoice.lines]
    pay_to = (settings().payment_account, settings().office_name)
    return {"fees": fees, "pay_to": pay_to, "payment_reference": case.reference}


def posted_words(session: Session, case: DisclosureCase) -> dict[str, Any]:
    """Return when the letter was posted and how it can be traced, as words of a notice."""
    letter = session.scalars(select(Letter).where(Letter.case_id == case.id, Letter.spoiled_at.is_(None))).one()
    return {"posted_at": letter.dispatched_at, "tracking_number": letter.tracking_number}


def cross_deadline(case: DisclosureCase) -> datetime | None:
    """Return until when the counterparty's own application counts as made when the applicant's was (A17)."""
    # A notice that a vendor's outage kept back takes nothing of the reader's time.
    told_at = case.stage_2_told_at or case.stage_2_at or case.told_counterparty_at
    if told_at is None:
        return None
    grace_ends = end_of_days(told_at + timedelta(hours=policy().arrival_hours), policy().cross_grace_days)
    service_ends = policy().service_end_at
    return grace_ends if service_ends is None else min(grace_ends, service_ends)


def _papers(session: Session, message: Message, case: DisclosureCase) -> dict[str, Any]:
    items = session.scalars(
        select(DocumentItem).where(DocumentItem.case_id == case.id).order_by(DocumentItem.position)
    ).all()
    language, is_shop = message.language, is_of_shop(session, case)
    if message.kind is Kind.CASE_PAPERS_DEFICIENT:
        flawed = [found_wrong(session, item, language=language, is_shop=is_shop) for item in items if not item.is_there]
        return {"flawed_papers": flawed, "post_address": post_address()}
    wanted = [item for item in items if message.kind is Kind.CASE_PAPERS_WANTED or not item.is_there]
    entries = [
        asked_for(session, item, language=language, is_shop=is_shop)
        for item in wanted
        if item.standing is not Standing.WAIVED
    ]
    return {"papers": entries, "post_address": post_address()}


def asked_for(session: Session, item: DocumentItem, *, language: str, is_shop: bool) -> PaperEntry:
    """Return how a paper is asked for, and what it must be."""
    runs_until = session.get_one(DisclosureCase, item.case_id).deadline_at
    # The case waits for all of them, so a deadline of its own that was given more time since is not shown (D28).
    own = item.deadline_at if runs_until is None or item.deadline_at == runs_until else None
    return PaperEntry.of(
        item.kind,
        language=language,
        of_representative=is_shop,
        months=policy().certificate_months,
        wish=wish_of(session, item),
        deadline_at=own,
    )


def found_wrong(session: Session, item: DocumentItem, *, language: str, is_shop: bool) -> FlawedPaperEntry:
    """Return what is wrong with a paper, or that it is missing."""
    return FlawedPaperEntry.of(
        item.kind,
        item.flaws or ["missing"],
        language=language,
        of_representative=is_shop,
        wish=wish_of(session, item),
    )


def post_address() -> tuple[str, ...]:
    """Return where papers go, line by line."""
    configured = settings()
    return (f"〒{configured.office_postal_code}", configured.office_address, configured.office_name)


def missing_facts(session: Session, case: DisclosureCase) -> list[str]:
    """Return what the applicant was last asked for besides the form, keys of `FACTS` (A10)."""
    asked = session.scalars(
        select(Message)
        .where(Message.case_id == case.id, Message.kind == Kind.CASE_INTAKE_DEFICIENT)
        .order_by(Message.created_at.desc(), Message.id.desc())
        .limit(1)
    ).one_or_none()
    return [] if asked is None else list(asked.facts["missing"])


def wish_of(session: Session, item: DocumentItem) -> str | None:
    """Open what a person asked for besides (D28)."""
    if item.sealed_wish is None:
        return None
    return unseal(session, Place(item.case_id, "document_items", "sealed_wish", item.id), item.sealed_wish)


def is_of_shop(session: Session, case: DisclosureCase) -> bool:
    """Whether the applicant is a shop, whose representative sends the papers (D31)."""
    if case.applicant_id is None:
        return False
    return session.get_one(Member, case.applicant_id).kind is MemberKind.SHOP


def _attachments(session: Session, message: Message, case: DisclosureCase) -> tuple[Attachment, ...]:
    if message.kind is not Kind.CASE_PAPERS_WANTED:
        return ()
    return (Attachment("pledge.pdf", "application/pdf", printed.pledge_of(session, case)),)


def _address_place(notice: Notice) -> Place:
    return Place(notice.case_id, "notices", "sealed_address", notice.message_id)
