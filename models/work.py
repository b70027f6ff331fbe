"""What waits for a person: one open item per case and kind of work, with who may do it and since when."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, enum_of
from models.roles import Role


class Work(StrEnum):
    """Kinds of work."""

    SCREEN = "screen"
    APPROVE = "approve"
    MEND_EXCHANGE = "mend_exchange"
    """An address cannot be written to, or was changed a moment ago (A19): nothing was sent."""
    MEND_NOTICE = "mend_notice"
    """A notice did not reach its mailbox: correct the address or record its arrival (A22)."""
    FINISH_EXCHANGE = "finish_exchange"
    """One side has the other's address and the other has not yet."""
    REVIEW_PAPERS = "review_papers"
    PROPOSE = "propose"
    """Every paper is good and the other side was heard: somebody proposes what is disclosed."""
    CHECK_PAYMENT = "check_payment"
    """Money came too late, or too little, or for a case that is over."""
    PRINT_LETTER = "print_letter"
    POST_LETTER = "post_letter"
    DESTROY_PAPERS = "destroy_papers"
    LOOK_AT_MISUSE = "look_at_misuse"
    """A party says that what was disclosed is used for something else (D10)."""
    LOOK_AT_PATTERN = "look_at_pattern"
    """One applicant applies again and again against one counterparty (S16)."""


DONE_BY: Mapping[Work, Role] = MappingProxyType(
    {
        Work.SCREEN: Role.MAKER,
        Work.APPROVE: Role.CHECKER,
        Work.MEND_EXCHANGE: Role.INTAKE,
        Work.MEND_NOTICE: Role.INTAKE,
        Work.FINISH_EXCHANGE: Role.INTAKE,
        Work.REVIEW_PAPERS: Role.REVIEWER,
        Work.PROPOSE: Role.MAKER,
        Work.CHECK_PAYMENT: Role.ACCOUNTING,
        Work.PRINT_LETTER: Role.MAIL_ROOM,
        Work.POST_LETTER: Role.MAIL_ROOM,
        Work.DESTROY_PAPERS: Role.MAIL_ROOM,
        Work.LOOK_AT_MISUSE: Role.LEGAL,
        Work.LOOK_AT_PATTERN: Role.LEGAL,
    }
)

CLOSED_BY_HAND = frozenset(
    {Work.MEND_EXCHANGE, Work.MEND_NOTICE, Work.CHECK_PAYMENT, Work.LOOK_AT_MISUSE, Work.LOOK_AT_PATTERN}
)
"""What a person may take off the list. All other work ends by being done, or a case would wait for nobody."""


class WorkItem(Base):
    """One piece of work.

    Attributes:
        overdue_at: since when it lies longer than it should; an alarm was raised.
        open_key: case and kind while it is open: the same work stands on the list once.
    """

    __tablename__ = "work_items"
    __table_args__ = (
        # What is done stays as a record; the list reads only what is open.
        Index(
            "ix_work_items_open",
            "role",
            "opened_at",
            postgresql_where=text("closed_at IS NULL"),
            sqlite_where=text("closed_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("disclosure_cases.id"), index=True)
    work: Mapped[Work] = mapped_column(enum_of(Work))
    role: Mapped[Role] = mapped_column(enum_of(Role))
    opened_at: Mapped[datetime]
    overdue_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None] = mapped_column(String(64))
    open_key: Mapped[str | None] = mapped_column(String(80), unique=True)

    def close(self, *, by: str, at: datetime) -> None:
        """It is done."""
        self.closed_at, self.closed_by, self.open_key = at, by, None
