"""Who of a shop's staff is there: heartbeats, and who is in a call. A beat is one row written anew, nothing else.

What each says of themselves only they change (`models/staff.py`); here is who is locked, and in which order.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from models.errors import CallTaken, StaffBusy, StaffUnknown
from models.staff import Presence, PresenceState, StaffMember
from worker.database import insert_new


def member(session: Session, shop_id: str, staff_id: str) -> StaffMember:
    """Return a member of the staff who takes calls.

    Raises:
        StaffUnknown: the shop has none of that name, or they take no calls.
    """
    found = session.get(StaffMember, (shop_id, staff_id))
    if found is None or not found.enabled:
        raise StaffUnknown(shop_id=shop_id)
    return found


def beat(session: Session, shop_id: str, staff_id: str, state: PresenceState | None, now: datetime) -> PresenceState:
    """Take a heartbeat and return how they stand: whoever is in a call is busy until it is over.

    No job and no event: there is one every few seconds for everybody at work.

    Args:
        session: the transaction it belongs to.
        shop_id: which shop's.
        staff_id: which member of its staff.
        state: what they say of themselves; None keeps alive what they said last.
        now: when it was received.

    Raises:
        StaffUnknown: see `member`.
    """
    there = _locked(session, shop_id, staff_id, now=now)
    if state is None:
        there.beat(now=now)
    else:
        there.say(state, now=now)
    return there.stands


def engage(
    session: Session, shop_id: str, staff_id: str, call_id: UUID, *, now: datetime, colleague_stays: bool | None = None
) -> None:
    """Note that they are in this call, or booked call, from now on; that again changes nothing.

    A colleague who is in it makes room for them if they have left. `colleague_stays` says whether they are there still;
    None: nobody can tell, so whoever is heard of is.

    Raises:
        StaffUnknown: see `member`.
        StaffBusy: they are in another one.
        CallTaken: a colleague is in it, and there.
    """
    there = _locked(session, shop_id, staff_id, call_id, now=now)
    if there.call_id not in {None, call_id}:
        raise StaffBusy(call_id=call_id)
    for colleague in session.scalars(_in(shop_id, call_id).where(Presence.staff_id != staff_id)):
        if colleague.is_fresh(now) if colleague_stays is None else colleague_stays:
            raise CallTaken(call_id=call_id)
        colleague.release(call_id)
    there.engage(call_id, now=now)


def engage_again(session: Session, shop_id: str, staff_id: str, call_id: UUID, *, now: datetime) -> None:
    """Note that they have come back to a call; whoever has taken another one meanwhile stays in that."""
    there = session.get(Presence, (shop_id, staff_id), with_for_update=True, populate_existing=True)
    if there is not None and there.call_id is None:
        there.engage(call_id, now=now)


def release(session: Session, shop_id: str, call_id: UUID) -> None:
    """Free whoever is in this call, or booked call."""
    query = _in(shop_id, call_id).order_by(Presence.staff_id).with_for_update()
    for there in session.scalars(query.execution_options(populate_existing=True)):
        there.release(call_id)


def of(session: Session, shop_id: str, staff_id: str) -> Presence | None:
    """Return what was last heard of them, to look at."""
    return session.get(Presence, (shop_id, staff_id))


def is_in(session: Session, shop_id: str, staff_id: str, call_id: UUID) -> bool:
    """Whether they are in this call, or booked call."""
    there = of(session, shop_id, staff_id)
    return there is not None and there.call_id == call_id


def _locked(session: Session, shop_id: str, staff_id: str, call_id: UUID | None = None, *, now: datetime) -> Presence:
    """Return their presence, locked along with those of whoever is in this call: in one order, so that none waits."""
    member(session, shop_id, staff_id)
    session.execute(
        insert_new(session, Presence)
        .values(shop_id=shop_id, staff_id=staff_id, state=PresenceState.AWAY, said_at=now, seen_at=now)
        .on_conflict_do_nothing()
    )
    theirs = (
        or_(Presence.staff_id == staff_id, Presence.call_id == call_id) if call_id else Presence.staff_id == staff_id
    )
    query = select(Presence).where(Presence.shop_id == shop_id, theirs).order_by(Presence.staff_id).with_for_update()
    found = session.scalars(query.execution_options(populate_existing=True)).all()
    return next(each for each in found if each.staff_id == staff_id)


def _in(shop_id: str, call_id: UUID) -> Select[Presence]:
    return select(Presence).where(Presence.shop_id == shop_id, Presence.call_id == call_id)
