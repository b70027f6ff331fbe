"""Somebody of the shop takes a call, and both sides enter it, each by an entry of its own that opens once (B2, B7)."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from models.booking import Side
from models.call import Call, Status
from models.job import Name
from models.shop import Shop
from models.webhook import EventType
from worker import presence
from worker.calls import ringing
from worker.jobs import drop_timers, enqueue
from worker.video import rooms
from worker.video.rooms import Entry
from worker.webhooks import tell_of_call


def accept(session: Session, call: Call, staff_id: str, received_at: datetime) -> bool:
    """Take the call for a member of the staff; the first wins. False if they had taken it before.

    Args:
        session: the request's transaction.
        call: locked.
        staff_id: who answers.
        received_at: when they did.

    Raises:
        StaffUnknown: the shop has no such member of the staff.
        StaffBusy: they are in another call.
        CallTaken: another one was faster.
        RingOver: it rings no more.
    """
    presence.member(session, call.shop_id, staff_id)
    shop = session.get_one(Shop, call.shop_id)
    lasts, connects = timedelta(minutes=shop.longest_call_minutes), timedelta(seconds=shop.connect_seconds)
    if call.status is Status.RINGING:
        # The row of whoever answers is locked, so that they cannot take two calls at once.
        presence.engage(session, call.shop_id, staff_id, call.id, now=received_at)
    if not call.answer(staff_id, received_at=received_at, lasts_at_most=lasts, connects_within=connects):
        return False
    ringing.desk(session, call.shop_id).answered()
    drop_timers(session, call.id)
    _set_timers(session, call, connects_until=received_at + connects, ends_latest_at=received_at + lasts)
    tell_of_call(session, EventType.CALL_ANSWERED, call, now=received_at)
    return True


def admit(session: Session, call: Call, side: Side, *, now: datetime) -> Entry:
    """Let one side in by its entry, and return what opens the room once this is committed (`worker.video.rooms.enter`).

    The entry is used when there is a room: what a provider, or a crash, kept from anybody may be pressed again.

    Args:
        session: the request's transaction.
        call: locked.
        side: who enters.
        now: when the request was received.

    Raises:
        IllegalMove: it is not connected, or the entries' time is over.
        EntryUsed: this side used its entry before.
    """
    call.check_entry(side, now=now)
    return rooms.prepare(session, call, side, now=now)


def _set_timers(session: Session, call: Call, *, connects_until: datetime, ends_latest_at: datetime) -> None:
    checked_at = connects_until + ringing.TIMER_GRACE
    enqueue(session, Name.CHECK_ENTRY, due_at=checked_at, timer_of=call.id, call_id=call.id)
    enqueue(session, Name.END_CALL, due_at=ends_latest_at, timer_of=call.id, call_id=call.id)
