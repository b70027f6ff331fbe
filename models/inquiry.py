"""What a customer asks about a booking, whom it is handed over to, and what is asked of a customer (B31, B34).

Knows the way of an inquiry; its text is sealed, and the answer is given by people, elsewhere.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, enum_of
from models.errors import IllegalMove

LONGEST_INQUIRY = 1000
LONGEST_REQUEST = 120
"""An SMS carries it whole."""
ANSWERED_WITHIN = timedelta(days=30)
"""How long an inquiry that was handed over counts as open: whether it was answered by then only people know."""


class Topic(StrEnum):
    """What an inquiry is about."""

    ITEM = "item"
    """An item, or something bought afterwards."""
    BOOKING = "booking"
    SERVICE = "service"
    """How somebody was served."""
    VIDEO_CALL = "video_call"
    """The system of the call: it does not open, picture or sound fail."""
    PERSONAL_DATA = "personal_data"
    OTHER = "other"


class Recipient(StrEnum):
    """Whom an inquiry is handed over to: the brand, or the provider of the video calls."""

    SHOP = "shop"
    PROVIDER = "provider"


ROUTES: Mapping[Topic, Recipient] = MappingProxyType(
    {
        Topic.ITEM: Recipient.SHOP,
        Topic.BOOKING: Recipient.SHOP,
        Topic.SERVICE: Recipient.SHOP,
        Topic.VIDEO_CALL: Recipient.PROVIDER,
        # The brand manages personal data, by article 7 paragraph 2.
        Topic.PERSONAL_DATA: Recipient.SHOP,
        Topic.OTHER: Recipient.SHOP,
    }
)
"""Whom each topic is handed over to: 「お問い合わせの内容に応じ」 (B34)."""


class State(StrEnum):
    """Where an inquiry stands."""

    RECEIVED = "received"
    HANDED_OVER = "handed_over"
    ANSWERED = "answered"


MOVES: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.RECEIVED: frozenset({State.HANDED_OVER}),
        # A person may find that somebody else has to answer.
        State.HANDED_OVER: frozenset({State.HANDED_OVER, State.ANSWERED}),
        State.ANSWERED: frozenset(),
    }
)
"""Every move there is."""

TERMINAL = frozenset(state for state, onward in MOVES.items() if not onward)


class Inquiry(Base):
    """One inquiry about one booking.

    Attributes:
        customer_id: under whose key the text is sealed.
        sealed_text: None once the customer was erased.
        recipient: whom it was handed over to; None before.
        provider: the provider of video calls, if it is that.
        handovers: how often it was handed over; each is told to the customer once.
        answered_by: who wrote down that it was answered, as in the trail.
    """

    __tablename__ = "inquiries"
    __table_args__ = (Index("ix_inquiries_shop_received", "shop_id", "received_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    shop_id: Mapped[str] = mapped_column(ForeignKey("shops.id"))
    booking_id: Mapped[UUID] = mapped_column(ForeignKey("bookings.id"), index=True)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id"), index=True)
    language: Mapped[str] = mapped_column(String(8))
    topic: Mapped[Topic] = mapped_column(enum_of(Topic))
    state: Mapped[State] = mapped_column(enum_of(State))
    sealed_text: Mapped[bytes | None] = mapped_column(LargeBinary)
    recipient: Mapped[Recipient | None] = mapped_column(enum_of(Recipient))
    provider: Mapped[str | None] = mapped_column(String(40))
    handovers: Mapped[int]
    received_at: Mapped[datetime]
    handed_over_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[str | None] = mapped_column(String(80))

    def hand_over(self, recipient: Recipient, *, provider: str | None, now: datetime) -> bool:
        """Hand it over to whoever answers; False if they have it already.

        Raises:
            IllegalMove: it was answered.
        """
        if self.state is State.HANDED_OVER and self.recipient is recipient:
            return False
        self._move(State.HANDED_OVER)
        self.recipient = recipient
        self.provider = provider if recipient is Recipient.PROVIDER else None
        self.handovers += 1
        self.handed_over_at = now
        return True

    def answer(self, *, by: str, now: datetime) -> bool:
        """Write down that it was answered; False if it was written down before.

        Raises:
            IllegalMove: nobody has it yet.
        """
        if self.state is State.ANSWERED:
            return False
        self._move(State.ANSWERED)
        self.answered_at, self.answered_by = now, by
        return True

    def _move(self, to: State) -> None:
        if to not in MOVES[self.state]:
            raise IllegalMove(inquiry_id=self.id, inquiry_state=self.state)
        self.state = to


class CustomerRequest(Base):
    """One message in which an operator asks a customer to cooperate (B31).

    Attributes:
        sealed_text: under the customer's key; None once the customer was erased.
        by: who asks, as in the trail; why stands there.
    """

    __tablename__ = "customer_requests"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id"), index=True)
    sealed_text: Mapped[bytes | None] = mapped_column(LargeBinary)
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(80))


__all__ = [
    "ANSWERED_WITHIN",
    "LONGEST_INQUIRY",
    "LONGEST_REQUEST",
    "MOVES",
    "ROUTES",
    "TERMINAL",
    "CustomerRequest",
    "Inquiry",
    "Recipient",
    "State",
    "Topic",
]
