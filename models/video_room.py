"""The room of one call at its provider of video calls: which, until when, and whether it is closed (B25, B33).

Evidence and duty: what the provider named it, what went wrong with it, when it has to be gone. Knows nothing of what
happens inside.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Json
from models.booking import Booking
from models.call import Call

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=10)
MOST_FAILURES = 100
"""After so many failures, most of a day, nobody tries to close a room any more; nobody can enter it either."""


class VideoRoom(Base):
    """One room, made at the first tap and never before.

    Attributes:
        booking_id, call_id: the booked call or the call at once that it is for; the other is None.
        revision: the booking's; a change makes another room. 1 for a call at once.
        provider: who carries the call, as `worker/video` names it; it stays that one whatever is configured later.
        name: ours, beyond guessing.
        room_ids: the provider's own ids of it, the latest last; more than one if it had to be made again.
        closes_at: exclusive end: nobody is let in from here on, and whoever is inside is put out.
        closed_at: when the provider was last known to have no such room any more.
        close_failures: how often closing it has failed in a row.
        last_error: the provider's latest refusal, as a code, never as its text.
    """

    __tablename__ = "video_rooms"
    __table_args__ = (
        CheckConstraint("(booking_id IS NULL) <> (call_id IS NULL)", name="is_for_one_call"),
        Index(
            "ux_video_rooms_booking",
            "booking_id",
            "revision",
            unique=True,
            postgresql_where=text("booking_id IS NOT NULL"),
            sqlite_where=text("booking_id IS NOT NULL"),
        ),
        Index(
            "ux_video_rooms_call",
            "call_id",
            unique=True,
            postgresql_where=text("call_id IS NOT NULL"),
            sqlite_where=text("call_id IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    shop_id: Mapped[str] = mapped_column(ForeignKey("shops.id"))
    booking_id: Mapped[UUID | None] = mapped_column(ForeignKey(Booking.id))
    call_id: Mapped[UUID | None] = mapped_column(ForeignKey(Call.id))
    revision: Mapped[int]
    provider: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(100), unique=True)
    room_ids: Mapped[list[str]] = mapped_column(Json, default=list)
    closes_at: Mapped[datetime]
    made_at: Mapped[datetime]
    opened_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    close_failures: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None] = mapped_column(String(64))

    def open(self, room_id: str | None, *, at: datetime) -> bool:
        """Note that the provider has it; False if it must not be there any more and has to be closed at once.

        Args:
            room_id: the provider's own id, if it has one.
            at: when that was heard, which may be after the room was closed.
        """
        if room_id and room_id not in self.room_ids:
            self.room_ids = [*self.room_ids, room_id]
        self.last_error = None
        self.opened_at = self.opened_at or at
        return self.closed_at is None and at < self.closes_at

    def fail_to_open(self, error: str) -> None:
        """Note why the provider did not make it."""
        self.last_error = error

    def reopen(self) -> None:
        """It is needed, whatever was done with it before."""
        self.closed_at = None
        self.close_failures = 0

    def close(self, *, at: datetime) -> None:
        """Note that the provider has no such room any more."""
        self.closed_at = at
        self.close_failures = 0
        self.last_error = None

    def fail_to_close(self, error: str, *, at: datetime) -> datetime | None:
        """Note that it may still be there, and return when to try again; None: never."""
        self.close_failures += 1
        self.last_error = error
        if self.close_failures >= MOST_FAILURES:
            return None
        return at + min(LONGEST_PAUSE, FIRST_PAUSE * (1 << min(self.close_failures - 1, 10)))


__all__ = ["MOST_FAILURES", "VideoRoom"]
