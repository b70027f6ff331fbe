"""How much one contact, or one network, may ask of a shop, so that its times are left to everybody (B39).

Numbers, and what follows from them for instants that it is given; it counts nothing itself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Self

from models.calendar import RuleError

_MOST = 100_000


@dataclass(frozen=True)
class FairUse:
    """A shop's limits.

    Attributes:
        open_bookings: confirmed bookings of one contact that are not over, the one being made included.
        cancellations: by one customer within `cancellation_days`, from which on new holds pause.
        cancellation_days: how long a cancellation counts.
        pause_hours: how long new holds are refused after the last of so many cancellations.
        holds_per_network: holds from one network address in an hour. It may be a whole office or a carrier's gateway.
        calls_per_network: calls at once from one network address in an hour.
        refusals_per_network: refused requests from one network address in an hour, then none is looked at:
            or the refusals could be asked who is on the block list.
    """

    open_bookings: int = 3
    cancellations: int = 3
    cancellation_days: int = 7
    pause_hours: int = 24
    holds_per_network: int = 60
    calls_per_network: int = 60
    refusals_per_network: int = 60

    @classmethod
    def parse(cls, rules: Mapping[str, Any]) -> Self:
        """Read the JSON form; what it leaves out is as by default.

        Raises:
            RuleError: a name is unknown, or a number is not between 1 and 100,000.
        """
        known = {each.name for each in fields(cls)}
        for name, value in rules.items():
            if name not in known:
                raise RuleError(f"/{name}", "there is no such limit")
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST:
                raise RuleError(f"/{name}", f"it is a whole number from 1 to {_MOST}")
        return cls(**rules)

    def dump(self) -> dict[str, int]:
        """Return the JSON form."""
        return asdict(self)

    @property
    def cancellations_count_for(self) -> timedelta:
        """How long a cancellation counts."""
        return timedelta(days=self.cancellation_days)

    def paused_until(self, cancelled_at: Iterable[datetime], *, now: datetime) -> datetime | None:
        """Return until when a customer who cancelled at these instants makes no new hold; None if they may.

        Once the pause is over they may again, though the cancellations still count: the next one pauses anew.
        """
        lately = [at for at in cancelled_at if at > now - self.cancellations_count_for]
        if len(lately) < self.cancellations:
            return None
        until = max(lately) + timedelta(hours=self.pause_hours)
        return until if until > now else None


__all__ = ["FairUse"]
