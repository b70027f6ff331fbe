"""A notice of a case: when it was released, taken by the vendor, and deemed to have arrived (D54).

Every notice is a message; here stands what the law asks of it besides. Neither its opening nor a bounce changes that.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, enum_of
from models.disclosure import Party


class Notice(Base):
    """What is kept of one notice.

    Attributes:
        case_version: of the case when it was written.
        leg: which leg releases it; links of that leg find it by this.
        wording: name of the template, and SHA-256 of its files, as it was sent.
        sealed_address: the registered address it was sent to, as it was at that moment (D19).
        deemed_arrived_at: `accepted_at` and the usual delay; set once, it never changes.
        undeliverable_at: since when it is known not to have reached the mailbox; a person's work, not a new clock.
    """

    __tablename__ = "notices"
    __table_args__ = (Index("ix_notices_case", "case_id", "party"),)

    message_id: Mapped[UUID] = mapped_column(ForeignKey("messages.id"), primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("disclosure_cases.id"))
    party: Mapped[Party] = mapped_column(enum_of(Party))
    case_version: Mapped[int]
    wording: Mapped[str | None] = mapped_column(String(120))
    sealed_address: Mapped[bytes | None] = mapped_column(LargeBinary)
    written_at: Mapped[datetime]
    released_at: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    deemed_arrived_at: Mapped[datetime | None]
    undeliverable_at: Mapped[datetime | None]

    def release(self, *, at: datetime) -> bool:
        """It may be sent from now on; False if it might before."""
        if self.released_at is not None:
            return False
        self.released_at = at
        return True

    def accept(self, *, at: datetime, delay: timedelta) -> bool:
        """The vendor took it, so it is deemed to have arrived when mail usually arrives (D54). False if known."""
        if self.deemed_arrived_at is not None:
            return False
        self.accepted_at, self.deemed_arrived_at = at, at + delay
        return True

    def deem_arrived(self, *, at: datetime) -> bool:
        """A person records that it has arrived, or counts as having arrived. False if it does already."""
        if self.deemed_arrived_at is not None:
            return False
        self.deemed_arrived_at = at
        return True
