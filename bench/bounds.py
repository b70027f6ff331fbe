"""What must hold of an hour without vendors, and a sentence for each thing that did not. It knows numbers only.

Redis holds what may be rung at once and no more, however long the vendors are out; nobody is called faster than its
rate; what died meanwhile is not sent; nothing is lost, and nothing is twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

WINDOWS_SECONDS = (1, 10, 60)
BYTES_A_RING = 2_048
"""What a message of ours may take in Redis: ids, Celery's headers, its place in the list."""
BESIDES = 2_000
"""What a queue may hold beyond what a sweep lets be rung: a second sweep's page, marks, what was due as it was owed."""
CONNECTIONS_BYTES = 2_000_000
"""What Redis may use beside its queues, for the workers' connections and the file it appends to."""
AT_ONCE_SECONDS = 0.2
"""A rate may be ahead by so much after a pause, and each process that sends may hold back as much for a moment."""
SENDERS = 2
"""Processes that send here: the codes' worker and the bookings'."""
UNDER_WAY = 16
"""Calls that may be granted in one second and arrive in a later one, where the machine stalls: one for each thread."""


@dataclass(frozen=True)
class Look:
    """What was seen at one moment.

    Attributes:
        minute: of business time, since the vendors were gone.
        memory: bytes that Redis says it uses.
        longest: messages in the longest queue.
        waiting: messages in all queues.
    """

    minute: float
    memory: int
    longest: int
    waiting: int


@dataclass(frozen=True)
class Paced:
    """One rate of one account, and what the account took by its own ledger.

    Attributes:
        what: such as "requests to twilio".
        per_second: the rate that is set.
        taken: instants in seconds, and the units taken then.
    """

    what: str
    per_second: float
    taken: Sequence[tuple[float, float]]

    def most_in(self, seconds: float) -> float:
        """Return the most units in any window of so many seconds, wherever it begins."""
        ordered = sorted(self.taken)
        most = held = 0.0
        first = 0
        for at, units in ordered:
            held += units
            while ordered[first][0] <= at - seconds:
                held -= ordered[first][1]
                first += 1
            most = max(most, held)
        return most

    def allowed_in(self, seconds: float) -> float:
        """Return the most that may arrive in any window of so many seconds."""
        largest = max((units for _, units in self.taken), default=0.0)
        return self.per_second * (seconds + AT_ONCE_SECONDS * (1 + SENDERS)) + UNDER_WAY * largest


@dataclass(frozen=True, kw_only=True)
class Fates:
    """What became of what was owed, in messages.

    Attributes:
        owed: due when the vendors went.
        taken: what a vendor took, by its ledger.
        twice: of these, what was taken more than once.
        claimed: what our rows call sent and no vendor took.
        dead: codes whose life ended before the vendors were back.
        dead_expired, dead_taken: of these, what ended as expired; what a vendor took all the same.
        late: codes asked for towards the end, which outlived it.
        late_taken, late_waiting: of these, what a vendor took; what will be looked at again while it lives.
        unknown: what was called out to a vendor that answered 503, so that nobody knows; a person is told.
        late_unknown: late codes among these.
        left: what still waits.
        forgotten: of these, what no job will look at again.
        racing: jobs that deliver what another one delivers as well.
        ended: what ended unsent for any other reason.
    """

    owed: int
    taken: int
    twice: int
    claimed: int
    dead: int
    dead_expired: int
    dead_taken: int
    late: int
    late_taken: int
    late_waiting: int
    unknown: int
    late_unknown: int
    left: int
    forgotten: int
    racing: int
    ended: int


@dataclass(frozen=True, kw_only=True)
class Outage:
    """What an outage showed.

    Attributes:
        idle_memory: bytes that Redis used before anything was due.
        most_rung: messages that a sweep leaves in a queue at most.
        looks: during the outage and the drain, in order.
        calls: how often the vendors were called while they were gone.
        paced: what was taken in the drain.
        drained_seconds: how long it was watched.
        late_seconds: after what time each late code was taken, from when the vendors were back.
        is_complete: whether the drain was watched to its end.
    """

    idle_memory: int
    most_rung: int
    looks: Sequence[Look]
    calls: int
    paced: Sequence[Paced]
    fates: Fates
    drained_seconds: float
    late_seconds: Sequence[float]
    is_complete: bool

    @property
    def memory(self) -> int:
        """The most bytes that Redis used, over what it uses idle."""
        return max(look.memory for look in self.looks) - self.idle_memory

    @property
    def longest(self) -> int:
        """The longest queue."""
        return max(look.longest for look in self.looks)


def broken(seen: Outage) -> list[str]:
    """Return a sentence for each bound that did not hold."""
    return [*_of_redis(seen), *_of_rates(seen.paced), *_of_fates(seen.fates, is_complete=seen.is_complete)]


def _of_redis(seen: Outage) -> Iterator[str]:
    most = seen.most_rung + BESIDES
    if seen.longest > most:
        yield f"A queue held {seen.longest:,} messages; {most:,} are the most."
    # With the line above this bounds the whole, however long the outage lasts and however many rows are due.
    for look in seen.looks:
        explained = look.waiting * BYTES_A_RING + CONNECTIONS_BYTES
        if look.memory - seen.idle_memory > explained:
            yield (
                f"In minute {look.minute:.0f} Redis used {look.memory - seen.idle_memory:,} bytes more than idle;"
                f" {look.waiting:,} messages explain {explained:,}."
            )
            break


def _of_rates(paced: Sequence[Paced]) -> Iterator[str]:
    for each in paced:
        if not each.taken:
            yield f"There were no {each.what} after the outage."
        for seconds in WINDOWS_SECONDS:
            most, allowed = each.most_in(seconds), each.allowed_in(seconds)
            if most > allowed:
                yield f"There were {most:,.0f} {each.what} within {seconds} s; {allowed:,.0f} are allowed."


def _of_fates(fates: Fates, *, is_complete: bool) -> Iterator[str]:
    late_lost = fates.late - fates.late_taken - fates.late_unknown - fates.late_waiting
    for count, what in (
        (fates.dead_taken, "codes were sent although their life was over"),
        (fates.dead - fates.dead_expired - fates.dead_taken, "codes whose life was over did not end as expired"),
        (late_lost, "codes that still lived when the vendors were back were not sent"),
        (fates.twice, "messages were sent twice"),
        (fates.claimed, "messages are called sent that no vendor took"),
        (fates.forgotten, "messages wait with no job to deliver them"),
        (fates.racing, "jobs deliver what another one delivers as well"),
        (fates.ended, "messages ended unsent that were still true"),
        (fates.left if is_complete else 0, "messages were not sent in the end"),
    ):
        if count > 0:
            yield f"{count:,} {what}."
