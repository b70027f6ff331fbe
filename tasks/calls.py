"""What a call's timers propose, and who is told of a call that nobody took."""

import logging
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from models.call import Call, Status
from models.job import Name
from models.message import Kind
from models.shop import Shop
from worker.calls import ending, ringing
from worker.jobs import job
from worker.messages import tell_caller, tell_shop

_log = logging.getLogger(__name__)
_HELPS_FOR = timedelta(hours=12)
"""After half a day nobody calls back."""


@job(Name.END_RINGING)
def end_ringing(session: Session, now: datetime, call_id: UUID) -> None:
    """End a ring that nobody answered. The timer only proposes, so the call decides."""
    call = ringing.locked(session, call_id)
    if call is not None:
        ending.ring_over(session, call, now=now)


@job(Name.CHECK_CALLER)
def check_caller(session: Session, now: datetime, call_id: UUID) -> None:
    """Stop ringing for somebody whose page is closed."""
    call = ringing.locked(session, call_id)
    if call is not None:
        ending.check_caller(session, call, now=now)


@job(Name.CHECK_ENTRY)
def check_entry(session: Session, now: datetime, call_id: UUID) -> None:
    """Give up an answered call that a side never entered, and free whoever answered."""
    call = ringing.locked(session, call_id)
    if call is not None:
        ending.check_entry(session, call, now=now)


@job(Name.END_CALL)
def end_call(session: Session, now: datetime, call_id: UUID) -> None:
    """End a call that lasts longer than the shop allows."""
    call = ringing.locked(session, call_id)
    if call is not None:
        ending.end_longest(session, call, now=now)


@job(Name.ANNOUNCE_MISSED_CALL)
def announce_missed_call(session: Session, now: datetime, call_id: UUID) -> None:
    """Tell the shop what it missed, and a caller who left a contact where to book (S10, M11)."""
    call = session.get_one(Call, call_id)
    shop = session.get_one(Shop, call.shop_id)
    expires_at = now + _HELPS_FOR
    tell_shop(session, shop, Kind.SHOP_CALL_MISSED, now=now, expires_at=expires_at, about=str(call.id), call=call)
    if call.status is Status.UNANSWERED:
        tell_caller(session, call, Kind.CALL_MISSED, now=now, expires_at=expires_at)


@job(Name.ESCALATE_MISSED_CALLS)
def escalate_missed_calls(session: Session, now: datetime, call_id: UUID) -> None:
    """Raise an alarm about a shop that answers nobody: by a notice, and in the log."""
    call = session.get_one(Call, call_id)
    shop = session.get_one(Shop, call.shop_id)
    _log.error("a shop has not answered several calls in a row", extra={"shop_id": shop.id, "call_id": str(call.id)})
    expires_at = now + _HELPS_FOR
    tell_shop(session, shop, Kind.SHOP_CALLS_UNANSWERED, now=now, expires_at=expires_at, about=str(call.id), call=call)
