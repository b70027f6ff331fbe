"""How much is too much: rates that are waited for, caps that are refused. Numbers only; what is counted is a key."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


@dataclass(frozen=True)
class Rate:
    """So much a second, with a burst.

    Attributes:
        per_second: units a second in the long run.
        burst_seconds: how many seconds' worth may go at once after a pause.
    """

    per_second: float
    burst_seconds: float = 1.0


@dataclass(frozen=True)
class Cap:
    """At most so many in a window that begins with the first."""

    most: int
    window: timedelta


class Bucket(Base):
    """A rate's account, shared by all workers: until when it is spent (the generic cell rate algorithm).

    Attributes:
        key: what is limited, such as "segments:twilio".
        spent_until: database time up to which the rate is used up.
    """

    __tablename__ = "buckets"

    key: Mapped[str] = mapped_column(String(120), primary_key=True)
    spent_until: Mapped[datetime]


class Counter(Base):
    """How often something happened in a window. The key holds digests, never an address."""

    __tablename__ = "counters"

    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    window_ends_at: Mapped[datetime] = mapped_column(index=True)
    count: Mapped[int] = mapped_column(Integer)
