"""An hour without vendors, in less: what Redis holds meanwhile, how fast it drains afterwards, and what is too late.

Business time is moved by the clock's own offset, so what would be spread over an hour meets the machine within a minute
or ten. The drain takes place in real time, with the offset at rest: rates are kept by the database's own clock.
"""

import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from bench import rows
from bench.bounds import Fates, Look, Outage, Paced
from bench.ground import MAIL_ACCOUNT, SMS_ACCOUNT, Ledger, Pace, Site
from models.carrier import Carrier
from models.customer import Channel
from models.job import Job, Name, Queue
from models.message import Attempt, Kind, Message, State
from worker.clock import Clock
from worker.database import Database
from worker.jobs.ringing import MOST_RUNG

HOUR = timedelta(hours=1)
CODES = 500
"""Owed as the hour begins; they live for ten minutes."""
LATE_CODES = 50
LATE_CODES_AT = timedelta(minutes=57)
"""They live on when the hour is over."""
REFUSES_CONNECTIONS_FOR = timedelta(minutes=45)
"""Then it answers, with 503: the other way in which a vendor is out."""
MAIL_PART = 0.4
_CALLS_ARE_IN = timedelta(hours=12)
_SENT = frozenset({State.SENT, State.DELIVERED})
_ENDED = frozenset({State.FAILED, State.UNDELIVERED, State.VOIDED, State.EXPIRED})
_LOOK_SECONDS = 0.2
_SETTLE_SECONDS = 4.0
_CLOCKS_AGREE_SECONDS = 1.5
"""Processes keep the clock's offset for a second."""
_COUNT_SECONDS = 5.0
_PATIENCE_SECONDS = 3 * 3600.0


@dataclass(frozen=True, kw_only=True)
class Hour:
    """The sizes of one outage.

    Attributes:
        owed: messages that are due as it begins.
        lasts_seconds: of real time.
        drain_seconds: how long the drain is watched; None: to its end.
        pace: how fast the vendors may be called: slower than the machine, or the machine is what is measured.
    """

    owed: int
    lasts_seconds: float
    drain_seconds: float | None
    pace: Pace


def endure(site: Site, ledger: Ledger, database: Database, hour: Hour) -> Outage:
    """Let the vendors be gone for an hour of business time while messages are due, and drain.

    Args:
        site: workers, beat and a sandbox, frozen.
        ledger: the sandbox's.
        database: the site's.
        hour: the sizes.
    """
    others = [name for name in site.names if name != "sandbox"]
    time_passes = _Time(site, Clock(database.engine))
    codes = _owe(database, hour.owed, now=time_passes.now)
    idle = time_passes.look().memory
    site.wake("sandbox")
    # It is kept with the ledger, so there is no moment in which a vendor that comes up answers well.
    ledger.answer_everything("refuse_503")
    site.stack.put_down("sandbox")
    site.wake(*others)
    time_passes.begin()
    time_passes.leap_to(REFUSES_CONNECTIONS_FOR, hour.lasts_seconds)
    site.stack.bring_up("sandbox")
    site.stack.wait_until_ready("sandbox")
    time_passes.leap_to(LATE_CODES_AT, hour.lasts_seconds)
    late_codes = _ask_for_codes(database, LATE_CODES, now=time_passes.now)
    time_passes.leap_to(HOUR, hour.lasts_seconds)
    # What waits looks again by the same clock as when the vendors are back.
    time_passes.wait(_SETTLE_SECONDS)
    # Nobody calls while this is done, so that all calls after it are made and counted by one and the same clock.
    site.freeze(*others)
    ledger.answer_truly()
    back_at = time_passes.leap_to_the_end_of_rests(database)
    site.wake(*others)
    drained_seconds = _drain(time_passes, database, hour.drain_seconds)
    site.freeze(*others)
    taken = list(ledger.taken())
    after = _Afterwards(database, taken, codes, late_codes)
    return Outage(
        idle_memory=idle,
        most_rung=MOST_RUNG,
        looks=time_passes.looks,
        calls=after.calls_before(back_at),
        paced=_paced(taken, hour.pace),
        fates=after.fates(hour.owed),
        drained_seconds=drained_seconds,
        late_seconds=after.late_seconds(back_at),
        is_complete=hour.drain_seconds is None,
    )


@dataclass
class _Time:
    """Lets time pass, business time by leaps, and looks at Redis meanwhile."""

    site: Site
    clock: Clock
    looks: list[Look] = field(default_factory=list)
    _began_at: datetime | None = None

    @property
    def now(self) -> datetime:
        """Business time."""
        return self.clock.now()

    def begin(self) -> None:
        """Begin the hour."""
        self._began_at = self.now

    def leap_to(self, moment: timedelta, hour_lasts_seconds: float) -> None:
        """Let time pass up to a moment of the hour, as fast as makes the whole of it last so many seconds."""
        leap = (HOUR - timedelta(seconds=hour_lasts_seconds)) / hour_lasts_seconds
        while (left := moment - self._gone()) > timedelta(0):
            self.clock.advance(min(leap, left))
            self.wait(1.0)

    def leap_to_the_end_of_rests(self, database: Database) -> datetime:
        """Leap to shortly before the accounts may be called again; return when all clocks agree on that."""
        with database.snapshot() as session:
            rests_until = session.scalars(select(func.max(Carrier.rests_until))).one() or self.now
        self.clock.advance(max(timedelta(0), rests_until - self.now - timedelta(seconds=2 * _CLOCKS_AGREE_SECONDS)))
        time.sleep(_CLOCKS_AGREE_SECONDS)
        return self.now

    def wait(self, seconds: float) -> None:
        """Let real time pass."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.looks.append(self.look())
            time.sleep(_LOOK_SECONDS)

    def look(self) -> Look:
        """Return what Redis holds now."""
        with self.site.redis.pipeline(transaction=False) as pipeline:
            pipeline.info("memory")
            for queue in Queue:
                pipeline.llen(str(queue))
            memory, *lengths = pipeline.execute()
        minute = self._gone() / timedelta(minutes=1)
        return Look(minute, int(memory["used_memory"]), max(lengths), sum(lengths))

    def _gone(self) -> timedelta:
        return self.now - self._began_at if self._began_at else timedelta(0)


def _owe(database: Database, count: int, *, now: datetime) -> frozenset[UUID]:
    """Owe so many messages that are due at once, and return the proofs of the codes among them."""
    others = count - CODES
    mails = int(others * MAIL_PART)
    with database.transaction() as session:
        texted = rows.add_bookings(session, others - mails, now=now, starts_in=_CALLS_ARE_IN)
        mailed = rows.add_bookings(session, mails, now=now, channel=Channel.MAIL, starts_in=_CALLS_ARE_IN)
        # Neither channel stands behind the other.
        both = _mixed(texted, mailed)
        rows.add_messages(session, both[: others // 2], now=now, kind=Kind.BOOKING_CONFIRMED)
        rows.add_messages(session, both[others // 2 :], now=now, kind=Kind.BOOKING_REMINDER_DAY)
    return _ask_for_codes(database, CODES, now=now)


def _mixed(*kinds: Sequence[UUID]) -> list[UUID]:
    """Return all, each kind spread evenly over the whole."""
    placed = [(place / len(ids), each) for ids in kinds for place, each in enumerate(ids)]
    return [each for _, each in sorted(placed)]


def _ask_for_codes(database: Database, count: int, *, now: datetime) -> frozenset[UUID]:
    with database.transaction() as session:
        return frozenset(rows.add_codes(session, count, now=now))


def _drain(time_passes: _Time, database: Database, seconds: float | None) -> float:
    """Watch the drain for so long, or until nothing waits; return how long that was."""
    began = time.monotonic()
    if seconds is not None:
        time_passes.wait(seconds)
        return time.monotonic() - began
    while _waiting(database):
        if time.monotonic() - began > _PATIENCE_SECONDS:
            raise TimeoutError("the drain did not come to an end; the workers' logs are in var/bench")
        time_passes.wait(_COUNT_SECONDS)
    return time.monotonic() - began


def _waiting(database: Database) -> int:
    with database.snapshot() as session:
        query = select(func.count()).where(Message.state.in_((State.QUEUED, State.SENDING)))
        return session.scalars(query).one()


def _paced(taken: Sequence[Mapping[str, Any]], pace: Pace) -> list[Paced]:
    sms = [(_seconds(each), each["segments"]) for each in taken if each["channel"] == Channel.SMS]
    mail = [(_seconds(each), 1.0) for each in taken if each["channel"] == Channel.MAIL]
    return [
        Paced(f"requests to {SMS_ACCOUNT}", pace.sms_requests, [(at, 1.0) for at, _ in sms]),
        Paced(f"segments to {SMS_ACCOUNT}", pace.sms_segments, sms),
        Paced(f"requests to {MAIL_ACCOUNT}", pace.mail_requests, mail),
    ]


def _seconds(taken: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(taken["accepted_at"]).timestamp()


class _Afterwards:
    """What the rows say once the workers have gone, held against the ledger."""

    def __init__(
        self,
        database: Database,
        taken: Sequence[Mapping[str, Any]],
        codes: Collection[UUID],
        late_codes: Collection[UUID],
    ) -> None:
        with database.snapshot() as session:
            self._states = dict(session.execute(select(Message.id, Message.state)).tuples().all())
            proofs = session.execute(
                select(Message.id, Message.facts).where(Message.kind == Kind.VERIFICATION_CODE)
            ).tuples()
            proven = {message: UUID(facts["verification_id"]) for message, facts in proofs}
            called = select(Attempt.message_id).where(Attempt.answer == "unknown")
            self._unknown = set(session.scalars(called))
            self._calls = list(session.scalars(select(Attempt.started_at)))
            owed = session.execute(select(Job.args, Job.due_at).where(Job.name == Name.DELIVER_MESSAGE)).tuples().all()
            ends = dict(session.execute(select(Message.id, Message.expires_at)).tuples().all())
        due = {UUID(args["message_id"]): due_at for args, due_at in owed}
        self._in_time = {message for message, due_at in due.items() if due_at and due_at < ends[message]}
        self._delivering = Counter(UUID(args["message_id"]) for args, _ in owed)
        self._times = {UUID(each["message"]): _seconds(each) for each in taken}
        self._taken = Counter(UUID(each["message"]) for each in taken)
        self._codes = (len(codes), {message for message, proof in proven.items() if proof in codes})
        self._late = (len(late_codes), {message for message, proof in proven.items() if proof in late_codes})

    def calls_before(self, instant: datetime) -> int:
        """Return how often the vendors were called up to then."""
        return sum(1 for began_at in self._calls if began_at < instant)

    def late_seconds(self, since: datetime) -> list[float]:
        """Return how long after an instant each late code was taken."""
        return [self._times[message] - since.timestamp() for message in self._late[1] & self._times.keys()]

    def fates(self, owed: int) -> Fates:
        """Return what became of everything."""
        dead_count, dead = self._codes
        late_count, late = self._late
        taken = self._taken.keys()
        waiting = {message for message, state in self._states.items() if state is State.QUEUED}
        ended = {message for message, state in self._states.items() if state in _ENDED and message not in self._unknown}
        return Fates(
            owed=owed,
            taken=len(taken),
            twice=sum(1 for times in self._taken.values() if times > 1),
            claimed=sum(1 for message, state in self._states.items() if state in _SENT and message not in taken),
            dead=dead_count,
            dead_expired=sum(1 for message in dead if self._states[message] is State.EXPIRED),
            dead_taken=len(dead & taken),
            late=late_count,
            late_taken=len(late & taken),
            late_waiting=len(late & waiting & self._in_time),
            unknown=len(self._unknown),
            late_unknown=len(late & self._unknown - taken),
            left=len(waiting),
            forgotten=len(waiting - self._delivering.keys()),
            racing=sum(self._delivering.values()) - len(self._delivering),
            ended=len(ended - dead),
        )
