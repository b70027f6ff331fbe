"""A customer as one shop knows them: a contact, sealed, and an index to find it again. Shops never share one (B36)."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, enum_of


class Channel(StrEnum):
    """How somebody is reached; the customer proves exactly one (B13)."""

    SMS = "sms"
    MAIL = "mail"


class Erased(StrEnum):
    """Why a customer was erased."""

    ASKED = "asked"
    """Somebody asked for it, and an operator saw to it."""
    RETENTION = "retention"
    """The shop keeps contacts for so long and no longer."""


class Customer(Base):
    """One contact at one shop; its id is the subject of the data key that seals everything about it.

    Attributes:
        contact_index: HMAC of the normalised contact: equal contacts meet, nobody can read them from it.
        sealed_contact: E.164 number or mailbox; empty once erased.
        erased_at: when everything personal was erased; what is left of the row is what others refer to (B36, B37).
    """

    __tablename__ = "customers"
    __table_args__ = (UniqueConstraint("shop_id", "contact_index"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    shop_id: Mapped[str] = mapped_column(ForeignKey("shops.id"))
    channel: Mapped[Channel] = mapped_column(enum_of(Channel))
    contact_index: Mapped[str] = mapped_column(String(64))
    sealed_contact: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    erased_at: Mapped[datetime | None]
    erased_because: Mapped[Erased | None] = mapped_column(enum_of(Erased))

    def erase(self, because: Erased, *, now: datetime) -> bool:
        """Forget the contact; False if it was forgotten before. The same contact is a new customer from now on."""
        if self.erased_at is not None:
            return False
        self.contact_index, self.sealed_contact = f"erased:{self.id.hex}", b""
        self.erased_at, self.erased_because = now, because
        return True


class DataKey(Base):
    """The key that seals one subject's data, itself wrapped. Deleting the row makes every copy unreadable."""

    __tablename__ = "data_keys"

    subject_id: Mapped[UUID] = mapped_column(primary_key=True)
    wrapping_key_id: Mapped[str] = mapped_column(String(40))
    wrapped: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
