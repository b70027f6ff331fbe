"""Proving a contact with a code: how long it lives, how often it may be sent and guessed. The code itself is nowhere.

A code is derived from the row's id, purpose and generation, so neither the row nor anything else holds it.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, enum_of
from models.customer import Channel
from models.errors import CodeExhausted, HoldEnded, ResendTooOften, ResendTooSoon

MOST_ATTEMPTS = 5
MOST_RESENDS = 3
COOL_DOWN = timedelta(seconds=60)
KEPT_WHILE = timedelta(minutes=3)
"""A code with more life left than this is sent again as it is; one with less is replaced."""


class Purpose(StrEnum):
    """What a code is good for; a code for one purpose proves nothing for another."""

    BOOKING = "booking"
    ALONE = "alone"
    """For another system's own purpose."""


class Verification(Base):
    """One contact being proven for one purpose.

    Attributes:
        subject_id: what the proof is for; the booking, for a booking; itself, if it stands alone.
        customer_id: whose contact is proven.
        api_key_id: the caller that asked for a proof that stands alone.
        contact_digest: the contact over all shops, for caps on codes and tries.
        network_digest: the network that the code was asked for from, if it is known: whose tries are whose.
        prefix_digest: the beginning of the phone number, for telling toll fraud; None for mail and test numbers.
        page_host: the host of the page that asks for the code, for phones that fill it in.
        generation: counts new codes; a code of an older generation is wrong.
        sends: how many times a code was sent, the first included.
        attempts: codes tried, counted before they are compared, over all generations.
        expires_at: exclusive end of the present code's life.
        cap_at: exclusive end that no resend moves.
    """

    __tablename__ = "verifications"
    __table_args__ = (
        CheckConstraint("expires_at <= cap_at", name="life_within_cap"),
        Index("ix_verifications_subject", "purpose", "subject_id", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    purpose: Mapped[Purpose] = mapped_column(enum_of(Purpose))
    subject_id: Mapped[UUID]
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id"), index=True)
    api_key_id: Mapped[str | None] = mapped_column(ForeignKey("api_keys.id"))
    language: Mapped[str] = mapped_column(String(8))
    contact_digest: Mapped[str] = mapped_column(String(64))
    prefix_digest: Mapped[str | None] = mapped_column(String(64))
    network_digest: Mapped[str | None] = mapped_column(String(64))
    page_host: Mapped[str | None] = mapped_column(String(253))
    channel: Mapped[Channel] = mapped_column(enum_of(Channel))
    generation: Mapped[int]
    sends: Mapped[int]
    attempts: Mapped[int]
    last_sent_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    cap_at: Mapped[datetime]
    verified_at: Mapped[datetime | None]

    @classmethod
    def begin(cls, *, now: datetime, life: timedelta, cap: timedelta, **columns: Any) -> "Verification":
        """Return a fresh proof whose first code is being sent now.

        Args:
            now: when the request was received.
            life: of the code.
            cap: how long resends may keep it alive.
            columns: whose contact, for what.
        """
        return cls(
            generation=1,
            sends=1,
            attempts=0,
            last_sent_at=now,
            expires_at=now + min(life, cap),
            cap_at=now + max(life, cap),
            **columns,
        )

    def resend(self, *, received_at: datetime, life: timedelta) -> None:
        """Let a code be sent again: the same while it lives for long enough, else a new one.

        Raises:
            HoldEnded: the code's life is over; only a new request starts another.
            ResendTooSoon: the cool-down of 60 seconds is not over; `retry_at` says when it is.
            ResendTooOften: three times were sent again already.
        """
        if received_at >= self.expires_at or self.verified_at is not None:
            raise HoldEnded(verification_id=self.id)
        if self.sends > MOST_RESENDS:
            raise ResendTooOften(verification_id=self.id)
        if received_at < self.last_sent_at + COOL_DOWN:
            raise ResendTooSoon(verification_id=self.id, retry_at=self.last_sent_at + COOL_DOWN)
        if self.expires_at - received_at <= KEPT_WHILE:
            self.generation += 1
            self.expires_at = min(received_at + life, self.cap_at)
        self.sends += 1
        self.last_sent_at = received_at

    def count_attempt(self, *, received_at: datetime) -> None:
        """Count a try before anything is compared, so that parallel guesses cannot share one count.

        The caller commits the count whatever the comparison says.

        Raises:
            HoldEnded: `received_at` is at or past the end of the code's life.
            CodeExhausted: five were tried already.
        """
        if received_at >= self.expires_at:
            raise HoldEnded(verification_id=self.id)
        if self.attempts >= MOST_ATTEMPTS:
            raise CodeExhausted(verification_id=self.id)
        self.attempts += 1

    @property
    def is_exhausted(self) -> bool:
        """Whether no further code will be compared."""
        return self.attempts >= MOST_ATTEMPTS

    @property
    def attempts_left(self) -> int:
        """How many codes may still be tried."""
        return MOST_ATTEMPTS - self.attempts
