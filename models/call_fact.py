"""What is told of a call: by a provider or a page that somebody joined, left or failed; by staff how they were treated.

Evidence and nothing more: ids, instants and codes, no picture, no sound and no word of the call (B26, B32, B33). Knows
who is there by what was told; knows no booking's course.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, enum_of
from models.booking import Booking, Side, Visit
from models.call import Call, FailedSide
from models.errors import IllegalMove
from models.staff import StaffMember

PAGE = "page"
"""The source of what our own pages tell: a tap on the call's button, a page that was closed."""


class FactKind(StrEnum):
    """What can be told of one side of a call."""

    JOINED = "joined"
    LEFT = "left"
    CLOSED = "closed"
    """A page of ours was closed, which may have been open beside a room that somebody is still in."""
    FAILED = "failed"


class Symptom(StrEnum):
    """What somebody says does not work; which side that is follows from who says it (B26)."""

    DEVICE = "device"
    """Camera or microphone."""
    NETWORK = "network"
    ROOM = "room"
    """The provider's page does not open, or says that it cannot."""
    OTHER_SIDE = "other_side"
    """Everything seems to work, but the other one can be neither seen nor heard."""


def failed_side(problem: Symptom, told_by: Side) -> FailedSide:
    """Return on whose side a connection failed, as whoever tells it sees it (B26)."""
    if problem is Symptom.ROOM:
        return FailedSide.PROVIDER
    other = Side.STAFF if told_by is Side.CUSTOMER else Side.CUSTOMER
    return FailedSide(other if problem is Symptom.OTHER_SIDE else told_by)


class CallFact(Base):
    """One fact about one call, as it came. It may come twice, late and out of order, so it is stored before it is used.

    Attributes:
        booking_id, call_id: the booked call or the call at once that it is about; the other is None.
        revision: the booking's; a change makes another room.
        side: whose it is; a failure may also be the provider's or ours.
        source: `page`, or the name of the provider that told it.
        room, participant, error: the provider's own ids and code, as evidence (B33); never a text or a name.
        fact_key: what tells one fact from another; the same fact again changes nothing.
        at: when it happened, as its source says.
        received_at: when we were told.
    """

    __tablename__ = "call_facts"
    __table_args__ = (
        CheckConstraint("(booking_id IS NULL) <> (call_id IS NULL)", name="is_about_one_call"),
        Index(
            "ix_call_facts_booking",
            "booking_id",
            postgresql_where=text("booking_id IS NOT NULL"),
            sqlite_where=text("booking_id IS NOT NULL"),
        ),
        Index(
            "ix_call_facts_call",
            "call_id",
            postgresql_where=text("call_id IS NOT NULL"),
            sqlite_where=text("call_id IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    shop_id: Mapped[str] = mapped_column(ForeignKey("shops.id"))
    booking_id: Mapped[UUID | None] = mapped_column(ForeignKey(Booking.id))
    call_id: Mapped[UUID | None] = mapped_column(ForeignKey(Call.id))
    revision: Mapped[int | None]
    kind: Mapped[FactKind] = mapped_column(enum_of(FactKind))
    side: Mapped[FailedSide] = mapped_column(enum_of(FailedSide))
    source: Mapped[str] = mapped_column(String(40))
    room: Mapped[str | None] = mapped_column(String(200))
    participant: Mapped[str | None] = mapped_column(String(200))
    error: Mapped[str | None] = mapped_column(String(64))
    fact_key: Mapped[str] = mapped_column(String(200), unique=True)
    at: Mapped[datetime]
    received_at: Mapped[datetime]


def left_at(facts: Iterable[CallFact], side: Side, *, by_closing: bool = True) -> datetime | None:
    """Return when the last of a side left, by all that was told; None while somebody of it is there, or never was.

    Facts come out of order, so they are judged by when they happened. One person may be there twice, with a phone and a
    computer: the side has left when each of its participants has. What a provider says goes before what our page
    guesses: a page can be closed while the call goes on. Providers tell whole seconds; whoever came and left in the
    same one has left, since each that comes back is another participant.

    `by_closing`: whether to close our page is to leave.
    """
    last: dict[str | None, CallFact] = {}
    for fact in _course(facts, side, by_closing=by_closing):
        last[fact.participant] = fact
    if not last or any(fact.kind is FactKind.JOINED for fact in last.values()):
        return None
    return max(fact.at for fact in last.values())


def visits(facts: Iterable[CallFact], side: Side) -> list[Visit]:
    """Return from when until when somebody of a side was there, in order; whoever closed our page may have stayed."""
    found: list[Visit] = []
    there: set[str | None] = set()
    came: datetime | None = None
    for fact in _course(facts, side, by_closing=False):
        if fact.kind is FactKind.JOINED:
            there.add(fact.participant)
            came = came or fact.at
            continue
        there.discard(fact.participant)
        if came is not None and not there:
            found.append((came, fact.at))
            came = None
    return found if came is None else [*found, (came, None)]


def _course(facts: Iterable[CallFact], side: Side, *, by_closing: bool) -> list[CallFact]:
    """Return what says who of a side is there, as it happened: by the provider, or if it told nothing by our page."""
    kinds = {FactKind.JOINED, FactKind.LEFT} | ({FactKind.CLOSED} if by_closing else set())
    told = [fact for fact in facts if fact.side is FailedSide(side) and fact.kind in kinds]
    by_provider = [fact for fact in told if fact.source != PAGE]
    return sorted(by_provider or told, key=_as_it_happened)


def _as_it_happened(fact: CallFact) -> tuple[datetime, bool, datetime, str]:
    is_last = fact.source != PAGE and fact.kind is FactKind.LEFT
    return (fact.at, is_last, fact.received_at, str(fact.id))


class Category(StrEnum):
    """What a conduct report is about (B32, B38)."""

    ABUSE = "abuse"
    HARASSMENT = "harassment"
    IMPERSONATION = "impersonation"
    RECORDING = "recording"
    OTHER = "other"


class State(StrEnum):
    """Where a conduct report stands."""

    NEW = "new"
    SEEN = "seen"


MOVES: Mapping[State, frozenset[State]] = MappingProxyType(
    {State.NEW: frozenset({State.SEEN}), State.SEEN: frozenset()}
)
TERMINAL = frozenset(state for state, onward in MOVES.items() if not onward)


class ConductReport(Base):
    """What staff report of a customer's conduct in a call; an operator reads it and decides (B32, B38).

    Attributes:
        booking_id, call_id: the booked call or the call at once; the other is None.
        customer_id: whom it is about; None for a call at once without a contact.
        staff_id: who reports; None for a shop's own system.
        sealed_text: in the reporter's words, sealed as what else is known of the customer: it goes when that goes.
        seen_by: the operator's key.
        once_key: of the form that it was written in; the same form sent twice is one report.
    """

    __tablename__ = "conduct_reports"
    __table_args__ = (
        CheckConstraint("(booking_id IS NULL) <> (call_id IS NULL)", name="is_about_one_call"),
        ForeignKeyConstraint(["shop_id", "staff_id"], [StaffMember.shop_id, StaffMember.id]),
        Index("ix_conduct_reports_state", "state", "at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    shop_id: Mapped[str] = mapped_column(ForeignKey("shops.id"))
    booking_id: Mapped[UUID | None] = mapped_column(ForeignKey(Booking.id))
    call_id: Mapped[UUID | None] = mapped_column(ForeignKey(Call.id))
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customers.id"), index=True)
    staff_id: Mapped[str | None] = mapped_column(String(64))
    category: Mapped[Category] = mapped_column(enum_of(Category))
    sealed_text: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[State] = mapped_column(enum_of(State))
    at: Mapped[datetime]
    seen_at: Mapped[datetime | None]
    seen_by: Mapped[str | None] = mapped_column(String(64))
    once_key: Mapped[str | None] = mapped_column(String(64), unique=True)

    @property
    def subject(self) -> UUID:
        """Whose key seals it: the customer's, or the call's own where nobody left a contact."""
        subject = self.customer_id or self.call_id
        if subject is None:
            raise LookupError("a conduct report about nobody")
        return subject

    def see(self, *, by: str, at: datetime) -> None:
        """An operator has read it.

        Raises:
            IllegalMove: somebody had before.
        """
        self._move(State.SEEN)
        self.seen_at, self.seen_by = at, by

    def _move(self, to: State) -> None:
        if to not in MOVES[self.state]:
            raise IllegalMove(report_id=self.id, report_state=self.state)
        self.state = to


__all__ = [
    "MOVES",
    "PAGE",
    "TERMINAL",
    "CallFact",
    "Category",
    "ConductReport",
    "FactKind",
    "State",
    "Symptom",
    "failed_side",
    "left_at",
    "visits",
]
