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


class Customer(Base):
    """One contact at one shop; its id is the subject of the data key that seals everything about it.

    Attributes:
        contact_index: HMAC of the normalised contact: equal contacts meet, nobody can read them from it.
        sealed_contact: E.164 number or mailbox.
    """

    __tablename__ = "customers"
    __table_args__ = (UniqueConstraint("shop_id", "contact_index"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    shop_id: Mapped[str] = mapped_column(ForeignKey("shops.id"))
    channel: Mapped[Channel] = mapped_column(enum_of(Channel))
    contact_index: Mapped[str] = mapped_column(String(64))
    sealed_contact: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]


class DataKey(Base):
    """The key that seals one subject's data, itself wrapped. Deleting the row makes every copy unreadable."""

    __tablename__ = "data_keys"

    subject_id: Mapped[UUID] = mapped_column(primary_key=True)
    wrapping_key_id: Mapped[str] = mapped_column(String(40))
    wrapped: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
