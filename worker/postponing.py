"""How long a message that cannot go now waits before it is looked at again. A wait is a due job, no worker's time.

Whatever makes many wait at once (an outage, a slow sender) must not wake them all at once, so a wait is spread over as
long as the vendor will need for all of them.
"""

import threading
import time
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models.calendar import local_date, local_instant
from models.customer import Channel
from models.message import Kind, Message, State
from worker.chance import jitter

LONGEST_PAUSE = timedelta(minutes=5)
SHORTEST_PAUSE = timedelta(seconds=1)
QUIET_FROM_MINUTE, QUIET_UNTIL_MINUTE = 21 * 60, 8 * 60
"""Nights, on the shop's clock: 21:00 to 08:00."""
_MOST_COUNTED = 20_000
_COUNT_LASTS_SECONDS = 2.0


class _Backlogs:
    """How many wait, counted every two seconds at most: the spread need not be exact, the count is not free."""

    def __init__(self) -> None:
        self._known: dict[tuple[Channel, str | None, frozenset[Kind] | None], tuple[float, int]] = {}
        self._lock = threading.Lock()

    def of(self, session: Session, channel: Channel, shop_id: str | None, kinds: frozenset[Kind] | None) -> int:
        with self._lock:
            counted_at, known = self._known.get((channel, shop_id, kinds), (float("-inf"), 0))
        if time.monotonic() - counted_at < _COUNT_LASTS_SECONDS:
            return known
        waiting = select(Message.id).where(Message.state == State.QUEUED, Message.channel == channel)
        if shop_id is not None:
            waiting = waiting.where(Message.shop_id == shop_id)
        if kinds is not None:
            waiting = waiting.where(Message.kind.in_(kinds))
        count = session.scalars(select(func.count()).select_from(waiting.limit(_MOST_COUNTED).subquery())).one()
        with self._lock:
            self._known[channel, shop_id, kinds] = (time.monotonic(), count)
        return count


_backlogs = _Backlogs()


def after_failure(tries: int) -> timedelta:
    """Return a pause after so many tries: full jitter over a doubling ceiling, but at least a second."""
    ceiling = min(LONGEST_PAUSE, timedelta(seconds=2 ** min(tries, 9)))
    return max(SHORTEST_PAUSE, timedelta(seconds=jitter(ceiling.total_seconds())))


def spread(
    session: Session,
    channel: Channel,
    *,
    per_second: float,
    shop_id: str | None = None,
    kinds: frozenset[Kind] | None = None,
) -> timedelta:
    """Return a wait somewhere in the time that all who wait will need at this rate.

    Args:
        session: a transaction.
        channel: whose messages wait.
        per_second: how many of them will go.
        shop_id: counts this shop's only; None: every shop's.
        kinds: counts these only; None: every kind.
    """
    waiting = _backlogs.of(session, channel, shop_id, kinds)
    return max(SHORTEST_PAUSE, timedelta(seconds=jitter(max(1.0, waiting / per_second))))


def end_of_quiet(now: datetime, zone: str) -> datetime | None:
    """Return when the night ends that `now` lies in, on the shop's clock; None by day."""
    day = local_date(now, zone)
    morning = local_instant(day, QUIET_UNTIL_MINUTE, zone)
    if now < morning:
        return morning
    if now >= local_instant(day, QUIET_FROM_MINUTE, zone):
        return local_instant(day + timedelta(days=1), QUIET_UNTIL_MINUTE, zone)
    return None
