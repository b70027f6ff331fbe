"""The room of a call from the tap to its end: on record first, then at the provider, closed by a job owed from then.

It knows calls and rows; which provider it is, it does not care. No transaction is open while a provider is called.
"""

import base64
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from models.booking import Booking, Side
from models.call import Call, FailedSide
from models.call_fact import FactKind
from models.errors import IllegalMove, Refusal
from models.job import Name
from models.video_room import VideoRoom
from worker.chance import new_id
from worker.clock import clock, unix_ms
from worker.database import database
from worker.derived_keys import authenticated, derived
from worker.in_call import entering, facts
from worker.in_call.facts import Subject, Told
from worker.jobs import enqueue
from worker.video import RoomUnavailable, provider_named

_log = logging.getLogger(__name__)

_NAME_BYTES: Final = 20
_AT_ONCE: Final = 1
"""The revision of a call at once, which never moves."""


@dataclass(frozen=True)
class Entry:
    """Somebody who tapped and may enter, as the first transaction leaves it, to be acted upon after it.

    Attributes:
        closes_at: exclusive end of the room.
        tapped_at: when the tap was received.
    """

    room_id: UUID
    provider: str
    name: str
    side: Side
    closes_at: datetime
    tapped_at: datetime


def prepare(session: Session, subject: Subject, side: Side, *, now: datetime) -> Entry:
    """Put the room of a call on record and owe its closing, before the provider hears of it: so none is forgotten.

    Args:
        session: the transaction that lets one side in, in which `subject` is locked.
        subject: the booking, or the call at once.
        side: who enters.
        now: when the tap was received.

    Source: clauses B2 and B25; spec of the call URL: made at the tap, never earlier.
    """
    room = session.scalars(_room_of(subject)).one_or_none()
    if room is None:
        room = _made(subject, now=now)
        session.add(room)
        session.flush()
        _owe_closing(session, room, at=room.closes_at)
    elif room.closed_at is not None:
        room.reopen()
        _owe_closing(session, room, at=room.closes_at)
    if subject.provider is None:
        subject.provider = room.provider
    return Entry(room.id, room.provider, room.name, side, room.closes_at, now)


def enter(entry: Entry) -> str:
    """Have the room at the provider, note who came, and return where they enter. Called with no transaction open.

    Raises:
        RoomUnavailable: the provider has no room for us now; that is on record, with its side, and another tap may try.
        IllegalMove: the call ended, or was moved, while the provider was asked.
        EntryUsed: the entry was used by another press meanwhile.
    """
    provider = provider_named(entry.provider)
    now = clock().now()
    try:
        given_id = provider.open_room(entry.name, closes_at=entry.closes_at, now=now)
    except RoomUnavailable as failure:
        _note_failure(entry, failure.code)
        raise
    _note_opening(entry, given_id)
    return provider.entry_url(entry.name, entry.side, closes_at=entry.closes_at, now=now)


def owe_closing(session: Session, subject: Subject, *, now: datetime) -> None:
    """Close what rooms a call still has, now: it is over before its time, or has moved to another one."""
    # At its end a room's own closing is due anyway.
    open_ones = _all_rooms_of(subject).where(VideoRoom.closed_at.is_(None), VideoRoom.closes_at > now)
    for room in session.scalars(open_ones):
        _owe_closing(session, room, at=now)


def rooms_of(session: Session, subject: Subject) -> Sequence[VideoRoom]:
    """Return the rooms that a call has had, the oldest first (B33)."""
    return session.scalars(_all_rooms_of(subject).order_by(VideoRoom.revision)).all()


@dataclass(frozen=True)
class Closing:
    """What it takes to close one room."""

    room_id: UUID
    provider: str
    name: str


def to_close(session: Session, room_id: UUID, *, now: datetime) -> Closing | None:
    """Return what is to be closed; None if it is closed, or if its provider has nothing to be closed."""
    room = session.get_one(VideoRoom, room_id, with_for_update=True)
    if room.closed_at is not None:
        return None
    if not provider_named(room.provider).keeps_rooms:
        room.close(at=now)
        return None
    return Closing(room.id, room.provider, room.name)


def close(closing: Closing) -> str | None:
    """Close one room at its provider; return why it may still be there, as a code. Called with no transaction open."""
    try:
        provider_named(closing.provider).close_room(closing.name)
    except RoomUnavailable as failure:
        return failure.code
    return None


def note_closing(session: Session, room_id: UUID, error: str | None, *, now: datetime) -> None:
    """Record that a room is closed, or try again later: closing what is closed does no harm."""
    room = session.get_one(VideoRoom, room_id, with_for_update=True)
    if error is None:
        room.close(at=now)
        return
    again_at = room.fail_to_close(error, at=now)
    _log.warning(
        "a room could not be closed",
        extra={"room_id": str(room.id), "provider": room.provider, "error": error, "failures": room.close_failures},
    )
    if again_at is not None:
        _owe_closing(session, room, at=again_at)


def room_named(session: Session, provider: str, name: str) -> VideoRoom | None:
    """Return the room that a provider speaks of, if it is one of ours."""
    return session.scalars(
        select(VideoRoom).where(VideoRoom.name == name, VideoRoom.provider == provider)
    ).one_or_none()


def locked_subject(session: Session, room: VideoRoom) -> Subject:
    """Return the call that a room is of, locked; the call comes first, the room after it."""
    if room.booking_id is not None:
        return session.get_one(Booking, room.booking_id, with_for_update=True, populate_existing=True)
    return session.get_one(Call, room.call_id, with_for_update=True, populate_existing=True)


def close_again(session: Session, room: VideoRoom, *, now: datetime) -> None:
    """Close a room that somebody is in although its time is over, or it was closed."""
    room.reopen()
    _owe_closing(session, room, at=now)


def _made(subject: Subject, *, now: datetime) -> VideoRoom:
    is_booked = isinstance(subject, Booking)
    revision = subject.revision if isinstance(subject, Booking) else _AT_ONCE
    return VideoRoom(
        id=new_id(unix_ms()),
        shop_id=subject.shop_id,
        booking_id=subject.id if is_booked else None,
        call_id=None if is_booked else subject.id,
        revision=revision,
        provider=provider_named(subject.provider).name,
        name=room_name(subject.id, revision),
        room_ids=[],
        closes_at=_closes_at(subject),
        made_at=now,
        close_failures=0,
    )


def room_name(subject_id: UUID, revision: int) -> str:
    """Return a name that nobody can guess: 160 bits of HMAC over call and revision.

    Of lower case and digits alone, because Jitsi folds names to lower case.
    """
    secret = authenticated(derived("video rooms"), subject_id.bytes, str(revision))[:_NAME_BYTES]
    return f"toritsugi-{base64.b32encode(secret).decode().lower()}"


def _closes_at(subject: Subject) -> datetime:
    """Return when nobody may be in the room any more: the end of the slot with its grace, or of the longest call."""
    if isinstance(subject, Booking):
        return subject.entry_closes_at
    if subject.ends_latest_at is None:
        raise LookupError("a call that nobody has answered has no room")
    return subject.ends_latest_at


def _all_rooms_of(subject: Subject) -> Select[VideoRoom]:
    column = VideoRoom.booking_id if isinstance(subject, Booking) else VideoRoom.call_id
    return select(VideoRoom).where(column == subject.id)


def _room_of(subject: Subject) -> Select[VideoRoom]:
    revision = subject.revision if isinstance(subject, Booking) else _AT_ONCE
    return _all_rooms_of(subject).where(VideoRoom.revision == revision)


def _owe_closing(session: Session, room: VideoRoom, *, at: datetime) -> None:
    # Of the room and not of the call: the call's own timers go when it leaves a state, this one must not.
    enqueue(session, Name.CLOSE_ROOM, due_at=at, timer_of=room.id, room_id=room.id)


def _note_opening(entry: Entry, given_id: str | None) -> None:
    def note(session: Session) -> Refusal | None:
        subject = locked_subject(session, session.get_one(VideoRoom, entry.room_id))
        room = session.get_one(VideoRoom, entry.room_id, with_for_update=True, populate_existing=True)
        now = clock().now()
        # While we asked for it, somebody may have ended the call, or its time.
        if not room.open(given_id, at=now):
            close_again(session, room, now=now)
            return IllegalMove(room_id=room.id)
        if isinstance(subject, Booking) and subject.revision != room.revision:
            return IllegalMove(room_id=room.id)
        return entering.came(session, subject, entry.side, now=entry.tapped_at)

    refusal = database().transact(note)
    if refusal is not None:
        raise refusal


def _note_failure(entry: Entry, code: str) -> None:
    with database().transaction() as session:
        room = session.get_one(VideoRoom, entry.room_id)
        subject = locked_subject(session, room)
        now = clock().now()
        room.fail_to_open(code)
        key = f"{room.id}:{entry.side}:{now.isoformat()}"
        failed = Told(FactKind.FAILED, FailedSide.PROVIDER, room.provider, key, now, room=room.name, error=code)
        facts.record(session, subject, failed, received_at=now)
        entering.turned_away(session, subject, entry.side)


__all__ = [
    "Closing",
    "Entry",
    "Subject",
    "close",
    "close_again",
    "enter",
    "locked_subject",
    "note_closing",
    "owe_closing",
    "prepare",
    "room_name",
    "room_named",
    "rooms_of",
    "to_close",
]
