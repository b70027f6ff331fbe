"""How a call at once ends, answered or not: who is free again, what the shop counts, and who is told (§2.6)."""

from datetime import datetime

from sqlalchemy.orm import Session

from models.booking import Side
from models.call import TERMINAL, Call, EndReason, FailedSide, Status
from models.call_fact import PAGE, FactKind
from models.job import Name
from models.shop import Shop
from models.webhook import EventType
from worker import presence
from worker.calls import ringing
from worker.in_call import facts
from worker.jobs import drop_timers, enqueue
from worker.video import provider_named, rooms
from worker.webhooks import tell_of_call


def hang_up(session: Session, call: Call, *, received_at: datetime) -> None:
    """The caller hangs up: before an answer the call is abandoned, after one it ends. What is over stays as it was.

    Whoever has waited for the whole ring hangs up nothing, whether or not its timer has come.
    """
    if ring_over(session, call, now=received_at):
        return
    if call.status is Status.RINGING:
        call.hang_up(received_at=received_at)
        _missed(session, call, now=received_at)
    else:
        end(session, call, by=Side.CUSTOMER, now=received_at)


def end(session: Session, call: Call, *, by: Side, now: datetime) -> None:
    """One side ends an answered call (B32). What is over stays as it was.

    Raises:
        IllegalMove: it was not answered.
    """
    if call.status not in TERMINAL:
        reason = EndReason.CUSTOMER_ENDED if by is Side.CUSTOMER else EndReason.STAFF_ENDED
        call.end(reason, at=now, actor=by)
        _ended(session, call, now=now)


def end_after_both_left(session: Session, call: Call, *, now: datetime) -> None:
    """Both sides left and did not come back. What is over stays as it was."""
    if call.status is Status.CONNECTED and call.have_both_left:
        call.end(EndReason.BOTH_LEFT, at=now, actor="system")
        _ended(session, call, now=now)


def fail(
    session: Session, call: Call, side: FailedSide, *, now: datetime, reason: EndReason = EndReason.CONNECTION
) -> None:
    """The connection never came up, or broke for good; on whose side is kept (B26). What is over stays as it was."""
    if call.status is Status.CONNECTED:
        call.fail(side, reason, at=now)
        _ended(session, call, now=now)
        enqueue(session, Name.ANNOUNCE_MISSED_CALL, call_id=call.id)


def ring_over(session: Session, call: Call, *, now: datetime) -> bool:
    """End the ringing if its time is over; a row of such calls raises one alarm. False if there is nothing to end."""
    if not call.stop_ringing(now=now):
        return False
    _missed(session, call, now=now)
    shop = session.get_one(Shop, call.shop_id)
    if ringing.desk(session, call.shop_id).missed(escalate_after=shop.escalate_after):
        enqueue(session, Name.ESCALATE_MISSED_CALLS, call_id=call.id)
    return True


def check_caller(session: Session, call: Call, *, now: datetime) -> None:
    """End the ringing if the caller's page has fallen silent, or look again later."""
    if call.lose_caller(now=now):
        _missed(session, call, now=now)
    elif call.rings_until is not None and now >= call.rings_until + ringing.TIMER_GRACE:
        ring_over(session, call, now=now)
    elif call.status is Status.RINGING and call.caller_seen_at is not None:
        ringing.check_caller_later(session, call, seen_at=call.caller_seen_at, now=now)


def check_entry(session: Session, call: Call, *, now: datetime) -> None:
    """Give the call up if a side has not used its entry in time; whoever answered is free again (B26).

    A side that used it, and of which the provider has told nothing, may be in the room all the same: one report can be
    lost. So the room is looked into before that side is given up (`worker/calls/looking.py`).
    """
    if call.status is not Status.CONNECTED or call.connects_until is None or now < call.connects_until:
        return
    absent = call.absent_side()
    if absent is not None:
        _give_up(session, call, absent, EndReason.NEVER_ENTERED, now=now)
    elif unseen_side(session, call) is not None:
        enqueue(session, Name.LOOK_INTO_ROOM, timer_of=call.id, call_id=call.id, look=1)


def give_up_unseen(session: Session, call: Call, *, now: datetime) -> None:
    """Give the call up if there still is a side that the provider has not told of; its room was looked into (B26)."""
    unseen = unseen_side(session, call)
    if unseen is not None:
        _give_up(session, call, FailedSide(unseen), EndReason.CONNECTION, now=now)


def unseen_side(session: Session, call: Call) -> Side | None:
    """Return which side of a call that goes on its provider has not told of, though it has told of the other.

    None if there is no such side. A provider that has told of nobody may be one whose reports are all lost, so that
    proves nothing; nor does one that keeps no rooms.
    """
    if call.status is not Status.CONNECTED or not provider_named(call.provider).keeps_rooms:
        return None
    told = facts.facts_of(session, call)
    seen = {fact.side for fact in told if fact.kind is FactKind.JOINED and fact.source != PAGE}
    unseen = [side for side in Side if FailedSide(side) not in seen]
    return unseen[0] if len(unseen) == 1 else None


def end_longest(session: Session, call: Call, *, now: datetime) -> None:
    """End a call that has lasted as long as the shop allows."""
    if call.lasts_too_long(now):
        call.end(EndReason.LONGEST, at=now, actor="system")
        _ended(session, call, now=now)


def _give_up(session: Session, call: Call, absent: FailedSide, reason: EndReason, *, now: datetime) -> None:
    # Where a connection was reported to have failed, the side that it failed on is the one that is kept.
    failed = [fact.side for fact in facts.facts_of(session, call) if fact.kind is FactKind.FAILED]
    fail(session, call, failed[-1] if failed else absent, now=now, reason=reason)


def _missed(session: Session, call: Call, *, now: datetime) -> None:
    drop_timers(session, call.id)
    enqueue(session, Name.ANNOUNCE_MISSED_CALL, call_id=call.id)
    tell_of_call(session, EventType.CALL_MISSED, call, now=now)


def _ended(session: Session, call: Call, *, now: datetime) -> None:
    presence.release(session, call.shop_id, call.id)
    rooms.owe_closing(session, call, now=now)
    drop_timers(session, call.id)
    tell_of_call(session, EventType.CALL_ENDED, call, now=now)
