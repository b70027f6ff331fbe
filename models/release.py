"""What left the house: one release for both addresses (D20), and the letter of stage 2, printed once (D41).

A release cannot be taken back, so everything here is a record.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Integer, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Json, enum_of
from models.decision import Stage
from models.errors import IllegalMove


class Release(Base):
    """One release under one decision.

    Attributes:
        sealed_to_applicant, sealed_to_counterparty: stage 1: the registered addresses as they were (D19).
    """

    __tablename__ = "releases"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("disclosure_cases.id"), index=True)
    decision_id: Mapped[UUID] = mapped_column(ForeignKey("decisions.id"), unique=True)
    stage: Mapped[Stage] = mapped_column(enum_of(Stage))
    released_at: Mapped[datetime]
    sealed_to_applicant: Mapped[bytes | None] = mapped_column(LargeBinary)
    sealed_to_counterparty: Mapped[bytes | None] = mapped_column(LargeBinary)


class ReleaseSwitch(Base):
    """One turn of the switch that stops every release and lets them go on (S17). Rows are added only; the last counts.

    Attributes:
        number: 1, 2, 3 …: of two people who turn it at once, one is second.
        sealed_reason: why, in a person's words.
    """

    __tablename__ = "release_switches"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    stopped: Mapped[bool]
    turned_at: Mapped[datetime]
    turned_by: Mapped[str] = mapped_column(String(64))
    sealed_reason: Mapped[bytes] = mapped_column(LargeBinary)


class Letter(Base):
    """The letter with the particulars, rendered from the approved digest.

    Attributes:
        serial: 1, or one more than the letter that was spoiled in printing; it stands on the paper.
        sealed_pdf: the document, base64, under the case's key.
        sha256: of the document.
        by_hand: what needs a pen before it is posted, as names of values: a character that the typeface lacks.
    """

    __tablename__ = "letters"
    __table_args__ = (
        Index(
            "ix_letters_standing",
            "case_id",
            unique=True,
            postgresql_where=text("spoiled_at IS NULL"),
            sqlite_where=text("spoiled_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("disclosure_cases.id"), index=True)
    decision_id: Mapped[UUID] = mapped_column(ForeignKey("decisions.id"))
    digest: Mapped[str] = mapped_column(String(64))
    serial: Mapped[int]
    sealed_pdf: Mapped[bytes | None] = mapped_column(LargeBinary)
    sha256: Mapped[str] = mapped_column(String(64))
    by_hand: Mapped[list[str]] = mapped_column(Json, default=list)
    rendered_at: Mapped[datetime]
    printed_at: Mapped[datetime | None]
    printed_by: Mapped[str | None] = mapped_column(String(64))
    spoiled_at: Mapped[datetime | None]
    spoiled_by: Mapped[str | None] = mapped_column(String(64))
    dispatched_at: Mapped[datetime | None]
    dispatched_by: Mapped[str | None] = mapped_column(String(64))
    tracking_number: Mapped[str | None] = mapped_column(String(40))

    def print_once(self, *, by: str, at: datetime) -> None:
        """Hand it to the printer.

        Raises:
            IllegalMove: it was printed, or is spoiled.
        """
        if self.printed_at is not None or self.spoiled_at is not None:
            raise IllegalMove(case_id=self.case_id, letter_id=self.id)
        self.printed_at, self.printed_by = at, by

    def spoil(self, *, by: str, at: datetime) -> None:
        """The print failed and was shredded; another may be rendered under the next serial.

        Raises:
            IllegalMove: it was not printed, or was posted.
        """
        if self.printed_at is None or self.dispatched_at is not None or self.spoiled_at is not None:
            raise IllegalMove(case_id=self.case_id, letter_id=self.id)
        self.spoiled_at, self.spoiled_by = at, by

    def dispatch(self, *, by: str, at: datetime, tracking_number: str) -> None:
        """It was posted.

        Raises:
            IllegalMove: it was not printed, is spoiled, or was posted before.
        """
        if self.printed_at is None or self.spoiled_at is not None or self.dispatched_at is not None:
            raise IllegalMove(case_id=self.case_id, letter_id=self.id)
        self.dispatched_at, self.dispatched_by, self.tracking_number = at, by, tracking_number
