"""Who is in the room of a call, as its provider says when it is asked: before a side that entered is given up (B26).

Webhooks tell it first, and one that is lost must not put out two people who talk. It judges nothing itself.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from models.job import Name
from worker.calls import ending, ringing
from worker.clock import clock
from worker.jobs import enqueue
from worker.video import RoomFact, RoomUnavailable, hearing, provider_named, rooms

_log = logging.getLogger(__name__)

PAUSES: Final = (timedelta(seconds=5), timedelta(seconds=10))
"""From the beginning of a look that was not answered to the next one; after the last it is judged by what is known.

A look takes eight seconds at most, so three of them take less than half a minute.
"""


@dataclass(frozen=True)
class Look:
    """What it takes to look into one room.

    Attributes:
        number: of this look; the first is 1.
    """

    call_id: UUID
    number: int
    provider: str
    room_name: str
    began_at: datetime


def to_look(session: Session, call_id: UUID, number: int, *, now: datetime) -> Look | None:
    """Return where to look; None if the call is over, or both sides were told of meanwhile."""
    call = ringing.locked(session, call_id)
    if call is None or ending.unseen_side(session, call) is None:
        return None
    room = next(iter(rooms.rooms_of(session, call)), None)
    if room is None:
        # Nobody can be in a room that is not on record, so there is nothing to ask.
        ending.give_up_unseen(session, call, now=now)
        return None
    return Look(call.id, number, room.provider, room.name, now)


def look(plan: Look) -> Sequence[RoomFact] | str:
    """Ask who is in the room; a code if nobody answered. Called with no transaction open."""
    try:
        # Of a provider that cannot tell nothing more is learnt.
        return provider_named(plan.provider).who_is_in(plan.room_name, now=clock().now()) or ()
    except RoomUnavailable as failure:
        return failure.code


def note(session: Session, plan: Look, seen: Sequence[RoomFact] | str, *, now: datetime) -> None:
    """Keep who was seen as the provider's own word, and judge again; or look again, if nobody answered.

    What comes when the call is over, or both sides were told of, changes nothing.
    """
    call = ringing.locked(session, plan.call_id)
    unseen = None if call is None else ending.unseen_side(session, call)
    if call is None or unseen is None:
        return
    about = {"call_id": str(call.id), "provider": plan.provider}
    if isinstance(seen, str):
        _log.warning("a room could not be looked into", extra={**about, "error": seen, "look": plan.number})
        if _look_again(session, call.id, plan.number, began_at=plan.began_at):
            return
    else:
        there = [fact for fact in seen if fact.side is unseen]
        if there:
            _log.warning("a side is in a room that no webhook told of", extra={**about, "side": str(unseen)})
        hearing.hear(session, there, now=now)
    ending.give_up_unseen(session, call, now=now)


def lose(session: Session, call_id: UUID, number: int, *, now: datetime) -> None:
    """Nobody heard how a look ended: to ask does no harm, so it counts as one that was not answered."""
    call = ringing.locked(session, call_id)
    if call is None or ending.unseen_side(session, call) is None:
        return
    if not _look_again(session, call_id, number, began_at=now):
        ending.give_up_unseen(session, call, now=now)


def _look_again(session: Session, call_id: UUID, number: int, *, began_at: datetime) -> bool:
    """Owe another look; False if that was the last."""
    if number > len(PAUSES):
        return False
    due_at = began_at + PAUSES[number - 1]
    enqueue(session, Name.LOOK_INTO_ROOM, due_at=due_at, timer_of=call_id, call_id=call_id, look=number + 1)
    return True


__all__ = ["PAUSES", "Look", "look", "lose", "note", "to_look"]
