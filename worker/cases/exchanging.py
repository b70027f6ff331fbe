"""Stage 1: both registered addresses go out under one release, or neither does (D17 to D21, A5).

What is looked at before is looked at again in the transaction of the release itself. Once it is committed it is
finished on both sides, whatever happens: a message that one vendor call lost is settled, not sent to one side alone.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.contact import normalise_email
from models.customer import Channel
from models.decision import Stage
from models.disclosure import DisclosureCase, Party, State
from models.errors import ContactRefused, IllegalMove, NotReady, ReleasesStopped, TooManyRequests
from models.job import Name
from models.marketplace import Member
from models.message import Kind, Message
from models.message import State as MessageState
from models.notice import Notice
from models.release import Release
from models.roles import Operation
from models.work import Work
from worker import auditing, registry, suppressions
from worker.cases import noticing, releases
from worker.cases.moving import SYSTEM, Actor, moved, note, policy
from worker.cases.worklist import close_work, open_work
from worker.chance import new_id
from worker.clock import unix_ms
from worker.jobs import enqueue
from worker.seals import Place, Unreadable, seal

_LOOK_AGAIN = timedelta(minutes=5)
_NOTICE = {
    Party.APPLICANT: Kind.CASE_ADDRESS_TO_APPLICANT,
    Party.COUNTERPARTY: Kind.CASE_ADDRESS_TO_COUNTERPARTY,
}


def check(session: Session, case: DisclosureCase, *, now: datetime) -> bool:
    """See that both addresses can be written to; if not, nothing is sent to either, and a person looks at it.

    True if nothing stands in the way, or if the release is past this.
    """
    if case.state is not State.EXCHANGING or case.released_at is not None:
        return case.released_at is not None
    obstacles = list(_obstacles(session, case, now=now))
    if not obstacles:
        return True
    before = case.state
    case.stop_exchange(at=now, policy=policy())
    moved(session, case, before, "exchange_stopped", now=now, actor=SYSTEM, because=obstacles)
    open_work(session, case, Work.MEND_EXCHANGE, now=now)
    open_work(session, case, Work.SCREEN, now=now)
    return False


def release(session: Session, case: DisclosureCase, *, now: datetime) -> bool:
    """Make both mails sendable in this one commit; False if that was done, or something stands in the way.

    While releases are stopped the case waits where it is; beyond their rate it comes again when there is room (S17).
    """
    if case.state is not State.EXCHANGING or case.released_at is not None or not check(session, case, now=now):
        return False
    try:
        releases.admit(session, now=now)
    except ReleasesStopped:
        # Looked at again meanwhile: the switch may be turned back in the very moment in which this was read.
        enqueue(session, Name.RELEASE_ADDRESSES, due_at=now + _LOOK_AGAIN, timer_of=case.id, case_id=case.id)
        return False
    except TooManyRequests as full:
        retry_at = cast(datetime, full.facts["retry_at"])
        enqueue(session, Name.RELEASE_ADDRESSES, due_at=retry_at, timer_of=case.id, case_id=case.id)
        return False
    decision_id = case.decision_id
    if decision_id is None:
        raise LookupError("a release without a decision")
    made = Release(
        id=new_id(unix_ms()), case_id=case.id, decision_id=decision_id, stage=Stage.ADDRESSES, released_at=now
    )
    for party in Party:
        address = registry.email_of(session, _member(session, case, party))
        setattr(
            made,
            f"sealed_to_{party}",
            seal(session, Place(case.id, "releases", f"sealed_to_{party}", made.id), address),
        )
    session.add(made)
    session.flush()
    case.release_addresses(made.id, at=now)
    for party, kind in _NOTICE.items():
        noticing.write(session, case, party, kind, now=now, part=str(made.id), release=True)
        auditing.record_disclosure(
            session,
            case_id=case.id,
            release_id=made.id,
            at=now,
            actor=SYSTEM.name,
            whose_id=_member(session, case, _other(party)).id,
            recipient_id=_member(session, case, party).id,
            fields=["email"],
            stage=Stage.ADDRESSES,
            basis="guideline_2",
        )
    note(session, case, "addresses_released", now=now, actor=SYSTEM, release=str(made.id))
    return True


def hear(session: Session, case: DisclosureCase, message: Message, *, now: datetime) -> None:
    """One side's mail was taken by the vendor: when both were, the parties negotiate."""
    notice = session.get_one(Notice, message.id)
    if message.kind in _NOTICE.values() and notice.deemed_arrived_at is not None and message.party is not None:
        reached(session, case, message.party, at=notice.deemed_arrived_at, actor=SYSTEM, now=now)


def deem_arrived(
    session: Session, case: DisclosureCase, message: Message, *, by: Actor, reason: str, now: datetime
) -> bool:
    """A person records that a notice has arrived or counts as having arrived (D54). False if it does already.

    Raises:
        IllegalMove: it has not been sent yet.
    """
    notice = session.get_one(Notice, message.id, with_for_update=True, populate_existing=True)
    if message.state in {MessageState.QUEUED, MessageState.SENDING}:
        # It may still go out, or end unsent: then it would count as arrived and never have left.
        raise IllegalMove(case_id=case.id, message_id=message.id)
    if not notice.deem_arrived(at=now):
        return False
    note(
        session,
        case,
        "arrival_recorded",
        now=now,
        actor=by,
        role=by.role_for(Operation.DEEM_ARRIVED),
        reason=reason,
        notice=message.kind.value,
        message=str(message.id),
    )
    close_work(session, case, Work.MEND_NOTICE, by=by.name, now=now)
    if message.kind in _NOTICE.values() and message.party is not None:
        reached(session, case, message.party, at=now, actor=by, now=now)
    return True


def reached(session: Session, case: DisclosureCase, party: Party, *, at: datetime, actor: Actor, now: datetime) -> None:
    """One side has the other's address. Once both have, a cross-application that waits begins behind it (A18)."""
    before = case.state
    if not case.reach(party, at=at, policy=policy()):
        return
    moved(session, case, before, "both_reached", now=now, actor=actor)
    crossed = select(DisclosureCase.id).where(
        DisclosureCase.crossed_with_id == case.id, DisclosureCase.state == State.SCREENING
    )
    for other_id in session.scalars(crossed).all():
        enqueue(session, Name.AWAIT_DECISION, case_id=other_id)


def check_again(session: Session, case: DisclosureCase, party: Party, *, now: datetime) -> None:
    """See that one side may be written to again about the other's address, and count it as a release.

    Raises:
        NotReady: its address cannot be written to, or was changed a moment ago (A19); `lacks` says which.
        ReleasesStopped, TooManyRequests: see `releases.admit`.
    """
    mine = [obstacle for obstacle in _obstacles(session, case, now=now) if obstacle.startswith(party.value)]
    if mine:
        raise NotReady(case_id=case.id, lacks=",".join(mine))
    releases.admit(session, now=now)


def _obstacles(session: Session, case: DisclosureCase, *, now: datetime) -> Iterator[str]:
    for party in Party:
        member = _member(session, case, party)
        try:
            address = normalise_email(registry.email_of(session, member))
        except (Unreadable, ContactRefused):
            yield f"{party}_unreadable"
            continue
        if party is Party.APPLICANT and not member.is_active:
            # Who has left is no member in person any more (D18); the counterparty's data may be disclosed (A20).
            yield f"{party}_left"
        if suppressions.silenced(session, Channel.MAIL, address, now=now) is not None:
            yield f"{party}_silenced"
        if now < member.email_changed_at + timedelta(days=policy().cool_down_days) and not _is_first(member):
            yield f"{party}_changed"


def _is_first(member: Member) -> bool:
    # The address with which somebody joined was never changed.
    return member.email_changed_at <= member.registered_at


def _member(session: Session, case: DisclosureCase, party: Party) -> Member:
    return session.get_one(Member, case.member_of(party))


def _other(party: Party) -> Party:
    return Party.COUNTERPARTY if party is Party.APPLICANT else Party.APPLICANT
