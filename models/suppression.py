"""Addresses that nothing is sent to, since when, why, and until when. By digest: nobody can read them from here."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from uuid import UUID

from sqlalchemy import BigInteger, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, enum_of
from models.customer import Channel


@dataclass(frozen=True)
class Silence:
    """How long a reason silences an address; None: until a person lifts it."""

    lasts: timedelta | None


SILENCES: Mapping[str, Silence] = MappingProxyType(
    {
        "stop": Silence(None),
        "invalid": Silence(None),
        "not_mobile": Silence(None),
        "bounced": Silence(None),
        "spam_report": Silence(None),
        "unsubscribed": Silence(None),
        "unreachable": Silence(timedelta(days=30)),
    }
)
"""Reason → how long. A handset that is off, or a mailbox that is full for a day, is no reason."""


class Suppression(Base):
    """One silenced address."""

    __tablename__ = "suppressions"
    __table_args__ = (
        Index(
            "ix_suppressions_address",
            "channel",
            "address_digest",
            unique=True,
            postgresql_where=text("lifted_at IS NULL"),
            sqlite_where=text("lifted_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    channel: Mapped[Channel] = mapped_column(enum_of(Channel))
    address_digest: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(String(32))
    attempt_id: Mapped[UUID | None]
    since: Mapped[datetime]
    until: Mapped[datetime | None]
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str | None] = mapped_column(String(64))
    lifted_because: Mapped[str | None] = mapped_column(String(200))

    def is_in_force(self, now: datetime) -> bool:
        """Whether nothing may be sent to the address at `now`."""
        return self.lifted_at is None and (self.until is None or now < self.until)
