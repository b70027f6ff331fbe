"""What is asked of a call's provider besides entering: to close a room, and who is in one (B25, B26)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from models.job import Name
from worker.calls import looking
from worker.calls.looking import Look
from worker.jobs import outside_job
from worker.video import RoomFact, rooms
from worker.video.rooms import Closing

LEASE = timedelta(seconds=60)
"""Longer than both tries of one call take; past it the room is closed once more, which does no harm."""
LOOK_LEASE = timedelta(seconds=20)
"""Longer than a look takes, which is tried one time. Staff wait for the end of it."""


@outside_job(Name.CLOSE_ROOM, lease=LEASE)
class CloseRoom:
    """Put out whoever is still in a room, and let nobody in any more."""

    def claim(self, session: Session, now: datetime, room_id: UUID) -> Closing | None:
        """Look whether there is anything to close."""
        return rooms.to_close(session, room_id, now=now)

    def call(self, plan: Closing) -> str | None:
        """Ask the provider."""
        return rooms.close(plan)

    def record(self, session: Session, now: datetime, plan: Closing, result: str | None) -> None:
        """Write down that it is closed, or when to try again."""
        rooms.note_closing(session, plan.room_id, result, now=now)

    def lost(self, session: Session, now: datetime, room_id: UUID) -> None:
        """Nobody heard whether it was closed, so it is closed again."""
        rooms.note_closing(session, room_id, "lost", now=now)


@outside_job(Name.LOOK_INTO_ROOM, lease=LOOK_LEASE)
class LookIntoRoom:
    """Ask who is in the room of a call before a side that entered it is given up."""

    def claim(self, session: Session, now: datetime, call_id: UUID, look: int) -> Look | None:
        """Look whether there is a side yet that nobody told of."""
        return looking.to_look(session, call_id, look, now=now)

    def call(self, plan: Look) -> Sequence[RoomFact] | str:
        """Ask the provider."""
        return looking.look(plan)

    def record(self, session: Session, now: datetime, plan: Look, result: Sequence[RoomFact] | str) -> None:
        """Keep who was seen and judge the call again, or ask later."""
        looking.note(session, plan, result, now=now)

    def lost(self, session: Session, now: datetime, call_id: UUID, look: int) -> None:
        """Nobody heard the answer, so it is asked for again."""
        looking.lose(session, call_id, look, now=now)
