"""What providers tell of rooms: put to the call that the room is of (B26, B33).

Nothing is refused here. What is of no room of ours changes nothing; who is in a room that should be closed is put out.
"""

import logging
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.orm import Session

from models.booking import Booking
from models.call import FailedSide
from models.call_fact import FactKind
from models.video_room import VideoRoom
from worker.in_call import facts
from worker.in_call.facts import Subject, Told
from worker.video import RoomFact, rooms

_log = logging.getLogger(__name__)


def hear(session: Session, told: Iterable[RoomFact], *, now: datetime) -> None:
    """Let calls learn what a provider tells of their rooms.

    Args:
        session: the transaction that stores it.
        told: what was told; its signature has been checked.
        now: when it was received.
    """
    for fact in told:
        room = rooms.room_named(session, fact.provider, fact.room_name)
        if room is None:
            _log.info("a provider told of a room that is not ours", extra={"provider": fact.provider})
            continue
        # Before the room, as everybody does: whoever ends the call holds it and wants the room.
        subject = rooms.locked_subject(session, room)
        if fact.kind is FactKind.JOINED and (room.closed_at is not None or now >= room.closes_at):
            rooms.close_again(session, room, now=now)
        _put(session, subject, room, fact, now=now)


def _put(session: Session, subject: Subject, room: VideoRoom, fact: RoomFact, *, now: datetime) -> None:
    # Of a room that a booking has moved away from, nothing is learnt about the booking as it stands.
    if fact.kind is None or fact.side is None or (isinstance(subject, Booking) and subject.revision != room.revision):
        return
    facts.record(
        session,
        subject,
        Told(
            kind=fact.kind,
            side=FailedSide(fact.side),
            source=fact.provider,
            fact_key=fact.fact_key,
            at=fact.at,
            room=fact.room_id,
            participant=fact.participant_id,
            error=fact.error,
        ),
        received_at=now,
    )


__all__ = ["hear"]
