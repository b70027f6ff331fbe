"""What a shop's catalogue says of an item that customers name, and when the catalogue may be asked (B21, B22).

An item is never a reason to refuse anybody: what is known of it is for the concierge to read.
"""

from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base

FRESH_FOR = timedelta(minutes=10)
"""How long an answer is good for; what is on sale, or running short, changes during a day."""

MOST_ITEMS_ASKED = 20
_PAUSES = (timedelta(0), timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=5))


class CatalogueItem(Base):
    """One item of one shop, as its catalogue described it last.

    Attributes:
        known: whether the catalogue has it; if not, whoever serves the customer is warned.
        name: as the catalogue calls it.
        on_sale, low_stock: that some questions about it may stay open (B22).
    """

    __tablename__ = "catalogue_items"

    shop_id: Mapped[str] = mapped_column(ForeignKey("shops.id"), primary_key=True)
    code: Mapped[str] = mapped_column(String(64), primary_key=True)
    known: Mapped[bool]
    name: Mapped[str | None] = mapped_column(String(200))
    on_sale: Mapped[bool]
    low_stock: Mapped[bool]
    looked_up_at: Mapped[datetime]

    def is_fresh(self, now: datetime) -> bool:
        """Whether the catalogue need not be asked again."""
        return now < self.looked_up_at + FRESH_FOR


class CatalogueHealth(Base):
    """How a shop's catalogue answered of late: one that is slow or away is left alone for a while."""

    __tablename__ = "catalogue_health"

    shop_id: Mapped[str] = mapped_column(ForeignKey("shops.id"), primary_key=True)
    failures: Mapped[int]
    paused_until: Mapped[datetime | None]

    def may_be_asked(self, now: datetime) -> bool:
        """Whether it is not left alone just now."""
        return self.paused_until is None or now >= self.paused_until

    def answered(self) -> None:
        """It answered as it should."""
        self.failures, self.paused_until = 0, None

    def failed(self, *, now: datetime) -> None:
        """It did not, or not in time: leave it alone for longer with each failure, five minutes at most."""
        self.failures += 1
        self.paused_until = now + _PAUSES[min(self.failures, len(_PAUSES) - 1)]


__all__ = ["FRESH_FOR", "MOST_ITEMS_ASKED", "CatalogueHealth", "CatalogueItem"]
