"""Contacts that are refused the service, by a keyed hash: why, since when, and who lifted it. Nobody can read them.

What somebody did is judged by people; this knows that they decided.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, enum_of


class Because(StrEnum):
    """Which of the prohibitions of article 8 a contact was blocked for (B38)."""

    UNLAWFUL_PURPOSE = "unlawful_purpose"
    DEFAMATION = "defamation"
    OBSTRUCTION = "obstruction"
    BREACH_OF_TERMS = "breach_of_terms"
    SIMILAR_ACT = "similar_act"


PARAGRAPHS: Mapping[Because, str] = MappingProxyType(
    {
        Because.UNLAWFUL_PURPOSE: "第8条(1)",
        Because.DEFAMATION: "第8条(2)",
        Because.OBSTRUCTION: "第8条(3)",
        Because.BREACH_OF_TERMS: "第8条(4)",
        Because.SIMILAR_ACT: "第8条(5)",
    }
)
"""Where the terms of use prohibit it."""


class Block(Base):
    """One contact that one shop, or every shop, does not serve.

    Attributes:
        shop_id: which shop's; None for all shops'.
        contact_hash: HMAC of the contact, under a label of its own: it meets no customer's row, and outlives them all.
        because: which prohibition.
        report_id: the conduct report that led to it, if one did.
        sealed_words: the operator's own words, under the block's own key, which goes some time after the lift.
        by: who blocked it, as in the trail.
        live_key: shop and hash while it stands, None once it is lifted: one standing block per shop and contact.
    """

    __tablename__ = "blocks"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    shop_id: Mapped[str | None] = mapped_column(ForeignKey("shops.id"))
    contact_hash: Mapped[str] = mapped_column(String(64))
    because: Mapped[Because] = mapped_column(enum_of(Because))
    report_id: Mapped[UUID | None]
    sealed_words: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(80))
    live_key: Mapped[str | None] = mapped_column(String(140), unique=True)
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str | None] = mapped_column(String(80))

    @staticmethod
    def key(shop_id: str | None, contact_hash: str) -> str:
        """Return what a standing block of this contact, by this shop or by all, bears as `live_key`."""
        return f"{shop_id or ''}:{contact_hash}"

    def lift(self, *, now: datetime, by: str) -> bool:
        """Serve the contact again; False if the block was lifted before."""
        if self.lifted_at is not None:
            return False
        self.live_key, self.lifted_at, self.lifted_by = None, now, by
        return True


__all__ = ["PARAGRAPHS", "Because", "Block"]
