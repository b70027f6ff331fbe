"""What a disclosure costs the applicant, and what came in (D41, D42). Payments are facts: early, late and twice."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Json
from models.case_policy import CasePolicy


class Invoice(Base):
    """One itemised invoice; a new decision makes a new one.

    Attributes:
        lines: `{"label": "postage" | "expenses" | "postage_due", "yen": …}`.
    """

    __tablename__ = "invoices"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("disclosure_cases.id"), index=True)
    decision_id: Mapped[UUID] = mapped_column(ForeignKey("decisions.id"), unique=True)
    lines: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    total_yen: Mapped[int] = mapped_column(Integer)
    issued_at: Mapped[datetime]


class Payment(Base):
    """Money that came in for a case.

    Attributes:
        once_key: the bank's or the payment provider's number: told twice it is one payment.
        paid_at: when it came in, by which the deadline is judged.
    """

    __tablename__ = "payments"
    __table_args__ = (
        UniqueConstraint("case_id", "once_key"),
        CheckConstraint("amount_yen > 0", name="money_comes_in"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("disclosure_cases.id"), index=True)
    once_key: Mapped[str] = mapped_column(String(64))
    amount_yen: Mapped[int] = mapped_column(Integer)
    paid_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str] = mapped_column(String(64))


def lines_for(policy: CasePolicy, *, postage_due_yen: Sequence[int] = ()) -> list[dict[str, Any]]:
    """Return what an invoice holds: the letter's postage, expenses, and what we paid for insufficient stamps."""
    lines: list[dict[str, Any]] = [{"label": "postage", "yen": policy.postage_yen}]
    if policy.expenses_yen:
        lines.append({"label": "expenses", "yen": policy.expenses_yen})
    if sum(postage_due_yen):
        lines.append({"label": "postage_due", "yen": sum(postage_due_yen)})
    return lines


def paid_in_time(payments: Iterable[Payment], deadline_at: datetime | None) -> int:
    """Return the sum of what came in before the deadline, an exclusive end."""
    return sum(payment.amount_yen for payment in payments if deadline_at is None or payment.paid_at < deadline_at)
