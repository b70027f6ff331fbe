"""From the form to a case: taking it, finding whom it names, proving the address; and what the parties ask for later.

Whether anything that the form names exists is found out by a job, so no answer and no timing can tell (S12, D50).
"""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from models.disclosure import DisclosureCase, Party, Path, State
from models.errors import AlreadyOpen, IllegalMove, NotReady, ServiceEnded, TooManyRequests
from models.job import Name
from models.limit import Cap
from models.marketplace import Organisation, nickname_form, number_form
from models.message import Kind
from worker import limits, registry
from worker.cases import forms, guideline, noticing, papers
from worker.cases.moving import SYSTEM, Actor, moved, note, policy
from worker.chance import new_id
from worker.clock import unix_ms
from worker.derived_keys import fingerprint
from worker.jobs import Link, enqueue, enqueue_chain
from worker.networks import network_of

_log = logging.getLogger(__name__)

APPLICANT, COUNTERPARTY = Actor("applicant"), Actor("counterparty")
A_MAILBOX_A_DAY = Cap(5, timedelta(days=1))
"""Links to confirm an address, to one registered address, whoever asks for them."""
LIMITS: Mapping[str, Cap] = {
    "network": Cap(20, timedelta(hours=1)),
    "claimed": Cap(5, timedelta(days=1)),
    "transaction": Cap(10, timedelta(days=1)),
}
"""Forms from one network, in one nickname, about one transaction: a form makes a mail go out to somebody (S12)."""


@dataclass(frozen=True, repr=False)
class Form:
    """What an applicant sends (D70 to D73). It does not print itself.

    Attributes:
        consents: for each section of the guideline, the digest of the text that was agreed to (D64).
        organisation: on the rights holders' path, who asks, by our own id for it.
        attestation: on that path, what the organisation attests (D59).
    """

    path: Path
    language: str
    transaction_number: str
    counterparty_nickname: str
    item_number: str
    item_name: str
    won_on: date
    situation: str
    reason: str
    consents: Mapping[str, str]
    nickname: str | None = None
    name: str | None = None
    organisation: str | None = None
    attestation: str | None = None
    network: str | None = None


def receive(
    session: Session, form: Form, *, received_at: datetime, caller: str, proven_by: UUID | None = None
) -> DisclosureCase:
    """Take a form. It is no case yet: the registered address has to confirm it (D68).

    Raises:
        ServiceEnded: nothing new is taken any more (D3).
        ConsentMissing: a section of the guideline was not agreed to, or in another wording.
        TooManyRequests: too many forms came from there, in that name or about that transaction.
    """
    rules = policy()
    if rules.service_has_ended(received_at):
        raise ServiceEnded
    guideline.check_consents(form.consents, form.language)
    _admit(session, form, proven_by=proven_by, now=received_at)
    case = DisclosureCase(
        id=new_id(unix_ms()),
        path=form.path,
        state=State.RECEIVED,
        version=1,
        language=form.language,
        filed_at=received_at,
        filed_by=caller,
        state_since_at=received_at,
        deadline_at=received_at + timedelta(hours=rules.confirm_hours),
        needs_legal=form.path is Path.RIGHTS_HOLDER,
        consents=dict(form.consents),
    )
    case.sealed_form = forms.sealed(session, case, "sealed_form", _members_of(form))
    session.add(case)
    session.flush()
    moved(session, case, None, "received", now=received_at, actor=Actor(f"key:{caller}"))
    enqueue(session, Name.RECEIVE_APPLICATION, case_id=case.id)
    return case


def match(session: Session, case: DisclosureCase, *, now: datetime) -> None:
    """Find whom a form names, and write to the registered address if there is one. What is not found lapses."""
    if case.state is not State.RECEIVED:
        return
    form = forms.form_of(session, case)
    if case.path is Path.RIGHTS_HOLDER:
        organisation = session.scalars(
            select(Organisation).where(Organisation.external_id == form["organisation"])
        ).one_or_none()
        if organisation is None:
            return
        case.organisation_id = organisation.id
    else:
        member = registry.member_by_nickname(session, form["nickname"])
        if member is None or not member.is_active:
            return
        case.applicant_id = member.id
    find_trade(session, case)
    reader_id = case.applicant_id or case.organisation_id
    if limits.count(session, f"confirmations:{reader_id}", A_MAILBOX_A_DAY, now=now) > A_MAILBOX_A_DAY.most:
        # Whoever fills in forms in somebody's name learns nothing of it, and fills no mailbox.
        return
    noticing.write(
        session,
        case,
        Party.APPLICANT,
        Kind.CASE_CONFIRM_ADDRESS,
        now=now,
        expires_at=case.deadline_at,
        release=True,
    )


def find_trade(session: Session, case: DisclosureCase) -> None:
    """Find the transaction that a form names, and with it the other side; a later look finds one that was fed since."""
    trade = registry.trade_by_number(session, forms.form_of(session, case)["transaction_number"])
    if trade is None:
        return
    if case.path is Path.RIGHTS_HOLDER:
        # The seller's contact and nobody else's (D60).
        counterparty_id = trade.seller_id
    elif case.applicant_id is not None and trade.side_of(case.applicant_id) is not None:
        counterparty_id = trade.buyer_id if trade.seller_id == case.applicant_id else trade.seller_id
    else:
        return
    case.trade_id, case.counterparty_id = trade.id, counterparty_id


def find_trade_since(session: Session, case: DisclosureCase) -> None:
    """Find a transaction that was not known when the form came; if a case about it is there, that one stands."""
    try:
        with session.begin_nested():
            find_trade(session, case)
            case.live_key = _live_key(case)
    except IntegrityError:
        _log.warning("a second case about one transaction", extra={"case_id": str(case.id)})


def look_again(session: Session, case: DisclosureCase, *, now: datetime) -> None:
    """Something about the transaction has become known: a case that waits for its decision is checked anew (D11)."""
    if case.state is not State.SCREENING or case.is_eligible is None:
        return
    case.is_eligible = None
    note(session, case, "checked_anew", now=now, actor=SYSTEM)
    open_leg(session, case)


def confirm(session: Session, case: DisclosureCase, *, received_at: datetime) -> None:
    """The registered address proved itself by its link; from here on it is a case. A second tap changes nothing.

    Raises:
        DeadlinePassed: the link's life is over.
        ServiceEnded: the service has ended meanwhile.
        AlreadyOpen: the same applicant has an open case about the same transaction.
    """
    if case.state is not State.RECEIVED and case.confirmed_at is not None:
        return
    try:
        with session.begin_nested():
            case.confirm(at=received_at, live_key=_live_key(case), policy=policy())
    except IntegrityError:
        raise AlreadyOpen(case_id=case.id) from None
    moved(session, case, State.RECEIVED, "confirmed", now=received_at, actor=APPLICANT)
    open_leg(session, case)


def standing_beside(session: Session, case: DisclosureCase) -> DisclosureCase | None:
    """Return the open case for whose sake a form cannot become one: same transaction, applicant and path."""
    query = select(DisclosureCase).where(DisclosureCase.live_key == _live_key(case), DisclosureCase.id != case.id)
    return session.scalars(query).one_or_none()


def counterpart(session: Session, case: DisclosureCase) -> DisclosureCase | None:
    """Return the counterparty's own open case about the same transaction, if it has applied in turn (D39)."""
    query = select(DisclosureCase).where(
        DisclosureCase.trade_id == case.trade_id,
        DisclosureCase.applicant_id == case.counterparty_id,
        DisclosureCase.path == Path.PARTY,
        DisclosureCase.live_key.is_not(None),
    )
    return session.scalars(query).one_or_none()


def open_leg(session: Session, case: DisclosureCase) -> None:
    """Owe the leg that opens a case: checks, both notices, and then it waits for people."""
    enqueue_chain(
        session,
        *(
            Link(name, {"case_id": case.id})
            for name in (Name.SCREEN_CASE, Name.NOTIFY_APPLICANT, Name.NOTIFY_COUNTERPARTY, Name.AWAIT_DECISION)
        ),
    )


def begin_behind(session: Session, case: DisclosureCase, *, now: datetime) -> bool:
    """Let a cross-application begin behind a stage 1 that was mutual; False if there was none (A18)."""
    if case.crossed_with_id is None or not case.is_eligible or case.held_at is not None:
        return False
    original = session.get_one(DisclosureCase, case.crossed_with_id)
    if not original.is_mutual:
        return False
    case.begin_after(original, at=now, policy=policy())
    moved(session, case, State.SCREENING, "began_behind", now=now, actor=SYSTEM, other=str(original.id))
    return True


def resubmit(session: Session, case: DisclosureCase, facts: Mapping[str, str], *, received_at: datetime) -> None:
    """Take what was missing (D66); the checks run again.

    Raises:
        IllegalMove, DeadlinePassed: see `DisclosureCase.resubmit`.
    """
    before = case.state
    case.resubmit(at=received_at, policy=policy())
    form = {**forms.form_of(session, case), **{key: text for key, text in facts.items() if text}}
    case.sealed_form = forms.sealed(session, case, "sealed_form", form)
    moved(session, case, before, "resubmitted", now=received_at, actor=APPLICANT, given=sorted(facts))
    open_leg(session, case)


@dataclass(frozen=True, repr=False)
class StageTwo:
    """What an applicant states to reach stage 2. It does not print itself.

    Attributes:
        attempts: how the parties tried to come to terms by mail (D22).
        necessity: why a lawsuit or the like has become necessary (D23).
        knows_no_return: the applicant was told that papers are not given back (D29).
    """

    attempts: str
    necessity: str
    knows_no_return: bool


def apply_for_stage_2(session: Session, case: DisclosureCase, wish: StageTwo, *, received_at: datetime) -> None:
    """Take the application for stage 2 and tell both sides in the same transaction (D26, D38).

    Raises:
        NotReady: it was not acknowledged that papers are not given back.
        IllegalMove, DeadlinePassed, ServiceEnded: see `DisclosureCase.apply_for_stage_2`.
    """
    if not wish.knows_no_return:
        raise NotReady(case_id=case.id, lacks="no_return_acknowledged")
    before = case.state
    case.apply_for_stage_2(at=received_at, policy=policy())
    stated = {"attempts": wish.attempts, "necessity": wish.necessity}
    case.sealed_stage_2 = forms.sealed(session, case, "sealed_stage_2", stated)
    if case.tell_counterparty(at=received_at):
        noticing.write(session, case, Party.COUNTERPARTY, Kind.CASE_STAGE_2_TOLD, now=received_at)
    noticing.write(session, case, Party.APPLICANT, Kind.CASE_PAPERS_WANTED, now=received_at)
    moved(session, case, before, "stage_2_applied", now=received_at, actor=APPLICANT)
    enqueue_chain(
        session,
        *(
            Link(name, {"case_id": case.id})
            for name in (Name.ISSUE_PLEDGE, Name.NOTIFY_APPLICANT, Name.NOTIFY_COUNTERPARTY, Name.AWAIT_PAPERS)
        ),
    )


def give_opinion(session: Session, case: DisclosureCase, text: str, *, received_at: datetime) -> bool:
    """Keep the counterparty's opinion (A12), also late; the first one counts.

    Raises:
        IllegalMove: nobody asked for it, or the case is over.
    """
    # How the case stands is not the counterparty's to know.
    if case.stage_2_at is None or case.told_counterparty_at is None or not case.is_open:
        raise IllegalMove(case_id=case.id)
    if not case.take_opinion(at=received_at):
        return False
    case.sealed_opinion = forms.sealed(session, case, "sealed_opinion", {"opinion": text})
    in_time = case.opinion_due_at is None or received_at < case.opinion_due_at
    note(session, case, "opinion_given", now=received_at, actor=COUNTERPARTY, in_time=in_time)
    papers.ask_for_proposal(session, case, now=received_at)
    return True


def cross_apply(session: Session, case: DisclosureCase, form: Form, *, received_at: datetime) -> DisclosureCase:
    """The counterparty applies in turn (D39): a full case of its own, linked; neither ever waits for the other (D40).

    Its address is proven by the link under which it comes. Where stage 1 was mutual already it begins behind it (A18).

    Raises:
        IllegalMove: the counterparty was not told of anything, or this is not a party's path.
        ServiceEnded, ConsentMissing, TooManyRequests: see `receive`.
        AlreadyOpen: it has an open case already.
    """
    if case.told_counterparty_at is None or case.path is not Path.PARTY or case.counterparty_id is None:
        raise IllegalMove(case_id=case.id)
    crossed = receive(session, form, received_at=received_at, caller="pages", proven_by=case.id)
    crossed.applicant_id, crossed.counterparty_id = case.counterparty_id, case.applicant_id
    crossed.trade_id, crossed.crossed_with_id = case.trade_id, case.id
    case.crossed_with_id = case.crossed_with_id or crossed.id
    confirm(session, crossed, received_at=received_at)
    note(session, case, "crossed", now=received_at, actor=COUNTERPARTY, with_case=str(crossed.id))
    return crossed


def counts_as_filed_at(session: Session, case: DisclosureCase) -> datetime:
    """Return the instant by which the months of D14 are judged: the form's (A2), or the original's (A17)."""
    if case.crossed_with_id is None:
        return case.filed_at
    original = session.get_one(DisclosureCase, case.crossed_with_id)
    if original.filed_at >= case.filed_at:
        return case.filed_at
    grace_ends = noticing.cross_deadline(original)
    return original.filed_at if grace_ends is not None and case.filed_at < grace_ends else case.filed_at


def earlier_cases(session: Session, case: DisclosureCase) -> int:
    """Return how many other cases the applicant has had about this transaction (A15)."""
    query = select(func.count()).where(
        DisclosureCase.trade_id == case.trade_id,
        DisclosureCase.applicant_id == case.applicant_id,
        DisclosureCase.confirmed_at.is_not(None),
        DisclosureCase.id != case.id,
    )
    return session.scalars(query).one()


def cases_against(session: Session, case: DisclosureCase, *, since: datetime) -> int:
    """Return how many cases this applicant has begun against this counterparty since then (S16)."""
    query = select(func.count()).where(
        DisclosureCase.applicant_id == case.applicant_id
        if case.organisation_id is None
        else DisclosureCase.organisation_id == case.organisation_id,
        DisclosureCase.counterparty_id == case.counterparty_id,
        DisclosureCase.confirmed_at >= since,
    )
    return session.scalars(query).one()


def _admit(session: Session, form: Form, *, proven_by: UUID | None, now: datetime) -> None:
    """Count a form. What anybody may type counts by the network it came from, or each could lock the other out."""
    network = network_of(form.network) if form.network else ""
    keys: dict[str, tuple[str, ...]] = (
        {
            "network": (network,),
            "claimed": (network, nickname_form(form.nickname or form.organisation or "")),
            "transaction": (network, number_form(form.transaction_number)),
        }
        if proven_by is None
        else {"claimed": (str(proven_by),)}
    )
    for what, parts in keys.items():
        cap = LIMITS[what]
        key = f"forms:{what}:{fingerprint('case-forms', what, *parts)}"
        if limits.count(session, key, cap, now=now) > cap.most:
            _, ends_at = limits.counted(session, key, now=now)
            raise TooManyRequests(retry_at=ends_at)


def _live_key(case: DisclosureCase) -> str:
    return f"{case.trade_id or case.id}:{case.applicant_id or case.organisation_id}:{case.path}"


def _members_of(form: Form) -> dict[str, str]:
    """Return what is sealed: all that the applicant wrote."""
    known = {key: value for key, value in asdict(form).items() if key not in {"path", "consents", "network"}}
    return {key: str(value) for key, value in known.items() if value is not None}
