"""How far business time is ahead of the hosts' clocks: one row, zero in production."""

from sqlalchemy import CheckConstraint, Float
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class ClockOffset(Base):
    """The one row (id 1) that every process reads."""

    __tablename__ = "clock"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"), CheckConstraint("offset_seconds >= 0", name="forward"))

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    offset_seconds: Mapped[float] = mapped_column(Float, default=0.0)
