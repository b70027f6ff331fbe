"""Who carries messages: several accounts a channel, each with a share that drifts and a breaker that all workers see.

Knows when an account is left alone and when its share moves; knows no vendor's protocol and no message.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, CheckConstraint, Float, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, enum_of
from models.customer import Channel

FAILURES_TO_OPEN = 5
"""So many calls in a row without a proper answer, and the account is left alone for a while."""
FIRST_REST = timedelta(seconds=10)
LONGEST_REST = timedelta(minutes=1)
"""A code lives for ten minutes, so an account that is back must be found within one."""
PROBE_LASTS = timedelta(seconds=40)
"""A probe that was not heard of for so long (longer than a call can take) died with its worker."""

LEAST_SHARE = 0.05
"""No account drifts to nothing: with no traffic at all nobody would see it recover."""
STEP_AWAY = 0.5
STEP_BACK = 0.1
BAD_FROM = 0.05
"""The part of calls that failed, or of receipts that came late, from which on an account is bad."""
FEWEST_CALLS = 20
QUIET_FOR = timedelta(minutes=5)
SLOW_FROM = timedelta(minutes=2)
"""A delivery that is reported later than this after the call is slow."""


@dataclass(frozen=True)
class Seen:
    """What was seen of an account since its share last moved, in the last minutes at most.

    Attributes:
        errors: calls that were not answered properly.
        slow_receipts: reports of a delivery that came later than they should.
    """

    calls: int = 0
    errors: int = 0
    receipts: int = 0
    slow_receipts: int = 0


class Carrier(Base):
    """One account at one vendor.

    Attributes:
        share: its part of the channel's messages, as it has drifted; all of a channel's add up to any number.
        base_share: where it drifts back to.
        fixed_share: a person's choice, which overrides the drift; None: the drift decides.
        failures: calls in a row without a proper answer.
        rests_until: no call before; None: the breaker is closed.
        rests: how often it was rested in a row; each rest is twice as long.
        probed_at: when the one call that a rested account is allowed was begun.
    """

    __tablename__ = "carriers"
    __table_args__ = (CheckConstraint("share >= 0 AND base_share >= 0", name="shares_are_parts"),)

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    channel: Mapped[Channel] = mapped_column(enum_of(Channel))
    share: Mapped[float] = mapped_column(Float)
    base_share: Mapped[float] = mapped_column(Float)
    fixed_share: Mapped[float | None] = mapped_column(Float)
    failures: Mapped[int] = mapped_column(Integer, default=0)
    rests_until: Mapped[datetime | None]
    rests: Mapped[int] = mapped_column(Integer, default=0)
    probed_at: Mapped[datetime | None]
    moved_at: Mapped[datetime]

    @property
    def weight(self) -> float:
        """Its part in the choice."""
        return self.share if self.fixed_share is None else self.fixed_share

    def is_open_to(self, now: datetime) -> bool:
        """Whether it may be called now, be it for a probe."""
        if self.rests_until is None:
            return True
        if now < self.rests_until:
            return False
        return self.probed_at is None or now >= self.probed_at + PROBE_LASTS

    def begin_call(self, now: datetime) -> None:
        """Take the one probe of an account that has rested; nothing for one that is well."""
        if self.rests_until is not None:
            self.probed_at = now

    def well(self) -> None:
        """A call was answered properly, be it with a refusal: the account is there."""
        self.failures, self.rests, self.rests_until, self.probed_at = 0, 0, None, None

    def unwell(self, *, now: datetime, jitter: float) -> None:
        """A call was not answered. After five in a row, or one probe, the account rests.

        `jitter` between 0 and 1 lengthens the rest by up to a quarter, so that processes do not come back in step.
        """
        self.failures += 1
        if self.rests_until is None and self.failures < FAILURES_TO_OPEN:
            return
        rest = min(LONGEST_REST, FIRST_REST * 2 ** min(self.rests, 10))
        self.rests += 1
        self.probed_at = None
        self.rests_until = now + rest * (1 + jitter / 4)

    def rest(self, *, now: datetime, lasts: timedelta) -> None:
        """Leave the account alone for as long as it asked; that is no failure."""
        until = now + min(lasts, LONGEST_REST)
        self.rests_until = max(until, self.rests_until or until)
        self.probed_at = None

    def drift(self, seen: "Seen", *, now: datetime) -> tuple[float, str] | None:
        """Move the share away from trouble, or back after a quiet while; return the old share and why, if it moved."""
        before, why = self.share, self._why_away(seen)
        if why is not None:
            self.share = max(LEAST_SHARE, self.share * STEP_AWAY)
        elif self.share < self.base_share and now - self.moved_at >= QUIET_FOR and self.rests_until is None:
            self.share, why = min(self.base_share, self.share + STEP_BACK), "quiet"
        if why is None or self.share == before:
            return None
        self.moved_at = now
        return before, why

    def _why_away(self, seen: "Seen") -> str | None:
        if self.rests_until is not None:
            return "resting"
        if seen.calls >= FEWEST_CALLS and seen.errors >= seen.calls * BAD_FROM:
            return "errors"
        if seen.receipts >= FEWEST_CALLS and seen.slow_receipts >= seen.receipts * BAD_FROM:
            return "slow_receipts"
        return None


class CarrierMove(Base):
    """One move of a share, and why. Append-only."""

    __tablename__ = "carrier_moves"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    carrier: Mapped[str] = mapped_column(String(32), index=True)
    at: Mapped[datetime]
    before: Mapped[float] = mapped_column(Float)
    after: Mapped[float] = mapped_column(Float)
    why: Mapped[str] = mapped_column(String(200))


def choose(carriers: Sequence[Carrier], *, now: datetime, chance: float, probes: bool = True) -> Carrier | None:
    """Return one of those that may be called, by weight; None if all of them rest.

    Args:
        carriers: one channel's, in a fixed order.
        now: business time.
        chance: from 0 up to, not including, 1.
        probes: whether this message may be the one that shows whether a rested account is well again. One that was
            put off already may not while another account is well, or it would be put off without end.
    """
    # Whom a person took out gets no probe either: a probe is a customer's message.
    ready = [carrier for carrier in carriers if carrier.weight > 0 and carrier.is_open_to(now)]
    # A probe costs a message some delay at worst, so it is not left to chance whether it is made.
    rested = next((carrier for carrier in ready if carrier.rests_until is not None), None)
    well = [carrier for carrier in ready if carrier.rests_until is None]
    if not well or (rested is not None and probes):
        return rested
    point = chance * sum(carrier.weight for carrier in well)
    for carrier in well:
        point -= carrier.weight
        if point < 0:
            return carrier
    return well[-1]


def next_ready_at(carriers: Sequence[Carrier], *, now: datetime) -> datetime:
    """Return when the first of those that all rest may be called again."""
    times = [
        max(carrier.rests_until, (carrier.probed_at or now) + PROBE_LASTS if carrier.probed_at else carrier.rests_until)
        for carrier in carriers
        if carrier.rests_until is not None and carrier.weight > 0
    ]
    return max(now, min(times, default=now + FIRST_REST))
