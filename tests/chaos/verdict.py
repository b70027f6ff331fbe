"""What came of it all: the vendor's ledger held against the rows, and both against what the callers were promised.

It reads and judges. What is wrong becomes a sentence with ids in it, never an address.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import select

from models.booking import HOLD_GRACE, Booking, Status
from models.job import Job
from models.message import Attempt, Kind, Message, State, WhenUnknown
from models.verification import Purpose, Verification
from sandbox.faults import KINDS
from tests.chaos.customers import Promises
from tests.chaos.scene import Scene

WORTH_A_CLAIM = 50
"""So often each kind of fault is met in a storm that is worth a claim; one that is shorter than that shows less."""
FEWEST_MESSAGES = 2000
FULL_STORM_SECONDS = 600
UNDER_WAY = frozenset({State.QUEUED, State.SENDING})
_ENDED_UNSENT = frozenset({State.FAILED, State.UNDELIVERED, State.EXPIRED, State.VOIDED})
_NOBODY_KNOWS = frozenset({"never_known", "a_person_decided"})
_CONFIRMATIONS = frozenset({Kind.BOOKING_CONFIRMED, Kind.BOOKING_CONFIRMED_SAME_DAY})
_CHANGES = frozenset({Kind.BOOKING_CHANGED, Kind.BOOKING_CHANGED_FINAL})
_CANCELLATIONS = frozenset({Kind.BOOKING_CANCELLED})

_LETTERS = """
SELECT message, attempt, delivered_at, status, error_code, play,
    json_extract(details, '$.service') AS service, json_extract(details, '$.suppressed') AS suppressed
FROM letter ORDER BY id"""
# The fate of a mail that a suppressed mailbox does not get is that it is dropped, whatever the script says.
_PLAYED = """
SELECT kind, count(*) AS times FROM played
WHERE attempt IS NULL OR attempt NOT IN (
    SELECT attempt FROM letter WHERE attempt IS NOT NULL AND json_extract(details, '$.suppressed') IS NOT NULL)
GROUP BY kind"""
_VALIDITY_OVER = 30036
_AGAIN = ":again"
"""Ends the key of a message that says once more what another one said that did not arrive."""


@dataclass
class Found:
    """Everything there is to judge by, read once.

    Attributes:
        letters: what the vendor took: message, attempt, delivered_at, status, error_code, play, service, suppressed.
        played: how often each kind of fault was met.
    """

    now: datetime
    messages: Mapping[UUID, Message]
    attempts: Sequence[Attempt]
    bookings: Mapping[UUID, Booking]
    verifications: Sequence[Verification]
    jobs: Sequence[Job]
    letters: Sequence[Mapping[str, Any]]
    played: Mapping[str, int]
    promises: Promises
    broken: list[str] = field(default_factory=list)

    @cached_property
    def deliveries(self) -> Counter[str]:
        """How often the vendor delivered each message."""
        return Counter(str(letter["message"]) for letter in self.letters if letter["delivered_at"] is not None)

    @cached_property
    def once_keys(self) -> frozenset[str]:
        """What every message is the only one to bear."""
        return frozenset(message.once_key for message in self.messages.values())

    @cached_property
    def kinds_of_booking(self) -> Mapping[UUID, Mapping[Kind, set[int | None]]]:
        """The messages that a booking has, by kind: of which revisions."""
        found: dict[UUID, dict[Kind, set[int | None]]] = {}
        for message in self.messages.values():
            if message.booking_id is not None:
                found.setdefault(message.booking_id, {}).setdefault(message.kind, set()).add(message.revision)
        return found


def read(scene: Scene, promises: Promises) -> Found:
    """Read the rows and the ledger."""
    with scene.database.snapshot() as session:
        messages = {message.id: message for message in session.scalars(select(Message))}
        bookings = {booking.id: booking for booking in session.scalars(select(Booking))}
        attempts = session.scalars(select(Attempt)).all()
        verifications = session.scalars(select(Verification)).all()
        jobs = session.scalars(select(Job)).all()
    letters = scene.ledger_rows(_LETTERS)
    played = scene.ledger_rows(_PLAYED)
    return Found(
        now=scene.clock.now(),
        messages=messages,
        attempts=attempts,
        bookings=bookings,
        verifications=verifications,
        jobs=jobs,
        letters=[dict(letter) for letter in letters],
        played={row["kind"]: row["times"] for row in played},
        promises=promises,
    )


def violations(found: Found) -> list[str]:
    """Return everything that should not be, as sentences; empty when all is as it should be."""
    return [
        *_messages(found),
        *_ledger(found),
        *_codes(found),
        *_promised(found),
        *_jobs(found),
        *_holds(found),
        *(f"{times} × {what}" for what, times in found.promises.odd.items()),
        *(["nothing was delivered at all"] if not found.deliveries else []),
    ]


def fate_of(found: Found, message: Message) -> str:
    """Return what became of a message, in one of the words that are allowed; anything else begins with `WRONG`."""
    times = found.deliveries[str(message.id)]
    if times > 1:
        return f"WRONG: delivered {times} times"
    match message.state:
        case State.QUEUED | State.SENDING:
            fate = f"WRONG: still {message.state}"
        case State.UNKNOWN if message.nature.when_unknown is WhenUnknown.A_PERSON_DECIDES:
            fate = "unknown, on a person's list"
        case State.UNKNOWN:
            fate = "WRONG: unknown, though its kind ends it"
        case state if state in _ENDED_UNSENT:
            fate = _ended(message, times)
        case _ if times == 1:
            fate = "delivered once"
        case _:
            fate = f"WRONG: {message.state} by our rows, not delivered by the ledger"
    return fate


def _ended(message: Message, times: int) -> str:
    if message.because is None:
        return f"WRONG: {message.state} without a reason"
    if times and message.because not in _NOBODY_KNOWS:
        return f"WRONG: {message.state} ({message.because}), but delivered"
    return f"ended: {message.state}" + (", nobody could find out" if message.because in _NOBODY_KNOWS else "")


def _messages(found: Found) -> Iterator[str]:
    for message in found.messages.values():
        fate = fate_of(found, message)
        if fate.startswith("WRONG"):
            tries = [
                f"{each.answer}/{each.code or each.reference} at {each.started_at:%H:%M:%S}"
                for each in found.attempts
                if each.message_id == message.id
            ]
            plays = [letter["play"] for letter in found.letters if letter["message"] == str(message.id)]
            yield (
                f"{message.kind} {message.id} ({message.channel}, because {message.because}) {fate}; "
                f"attempts {tries}, taken by the vendor with {plays}"
            )


def _ledger(found: Found) -> Iterator[str]:
    strangers = set(found.deliveries) - {str(message_id) for message_id in found.messages}
    yield from (f"the vendor delivered {stranger}, which stands in no row" for stranger in strangers)
    said = Counter[str]()
    for message in found.messages.values():
        said[message.once_key.removesuffix(_AGAIN)] += found.deliveries[str(message.id)]
    yield from (f"{what} reached somebody {times} times" for what, times in said.items() if times > 1)
    calls = Counter(str(letter["attempt"]) for letter in found.letters)
    yield from (f"attempt {attempt} was taken {times} times" for attempt, times in calls.items() if times > 1)
    yield from (
        f"attempt {each.id} has no answer, not even that it is unknown" for each in found.attempts if not each.answer
    )


def _codes(found: Found) -> Iterator[str]:
    """A proof that was begun is there, and each code that was asked for is one message."""
    for proof, number, verification in _codes_asked_for(found):
        if verification is None:
            yield f"{proof} was accepted and stands in no row"
        elif not _is_written(found, verification, number) and verification.purpose is Purpose.ALONE:
            yield f"code {number} of {proof} was accepted and never written"


def _promised(found: Found) -> Iterator[str]:
    for booking_id, revision, kinds in _news_owed(found):
        booking = found.bookings.get(booking_id)
        if booking is None:
            yield f"booking {booking_id} was accepted and stands in no row"
        elif not _is_told(found, booking, revision, kinds) and not _moved_on(booking, revision, kinds):
            yield f"booking {booking_id}, revision {revision}: none of {', '.join(sorted(kinds))} was written"


def overtaken(found: Found) -> int:
    """Return how often there was nothing left to say: the hold or the revision had ended before it was written."""
    codes = sum(
        verification is not None and not _is_written(found, verification, number)
        for _, number, verification in _codes_asked_for(found)
    )
    news = sum(
        booking_id in found.bookings and not _is_told(found, found.bookings[booking_id], revision, kinds)
        for booking_id, revision, kinds in _news_owed(found)
    )
    return codes + news


def _codes_asked_for(found: Found) -> Iterator[tuple[str, int, Verification | None]]:
    by_proof = {str(each.id): each for each in found.verifications}
    by_proof |= {str(each.subject_id): each for each in found.verifications}
    for proof, times in found.promises.codes.items():
        for number in range(1, times + 1):
            yield proof, number, by_proof.get(proof)


def _is_written(found: Found, verification: Verification, number: int) -> bool:
    alone = verification.purpose is Purpose.ALONE
    key = (
        f"{Kind.VERIFICATION_CODE}:{verification.id}:{number}"
        if alone
        else f"{Kind.BOOKING_CODE}:{verification.subject_id}:1:{number}"
    )
    return key in found.once_keys


def _news_owed(found: Found) -> Iterator[tuple[UUID, int, frozenset[Kind]]]:
    promises = found.promises
    owed = ((promises.completed, _CONFIRMATIONS), (promises.changed, _CHANGES), (promises.cancelled, _CANCELLATIONS))
    for promised, kinds in owed:
        yield from ((UUID(booking_id), revision, kinds) for booking_id, revision in promised)


def _is_told(found: Found, booking: Booking, revision: int, kinds: frozenset[Kind]) -> bool:
    has = found.kinds_of_booking.get(booking.id, {})
    return any(revision in has.get(kind, set()) for kind in kinds)


def _moved_on(booking: Booking, revision: int, kinds: frozenset[Kind]) -> bool:
    """Whether what was to be said was no longer true before it could be written; a cancellation is for ever."""
    return kinds is not _CANCELLATIONS and (booking.revision > revision or booking.status is not Status.CONFIRMED)


def _jobs(found: Found) -> Iterator[str]:
    for job in found.jobs:
        if job.parked_at is not None:
            yield f"job {job.name} {job.id} is parked: {job.last_error} ({job.failures} failures, {job.starts} starts)"
        elif job.due_at is not None and job.due_at <= found.now:
            yield f"job {job.name} {job.id} is late: due {job.due_at:%H:%M:%S}, it is {found.now:%H:%M:%S}"


def _holds(found: Found) -> Iterator[str]:
    for booking in found.bookings.values():
        if booking.status is Status.HELD and booking.hold_expires_at + HOLD_GRACE < found.now:
            yield f"booking {booking.id} is held past its hold"


def fates(found: Found) -> Counter[str]:
    """Return how many messages met which end."""
    return Counter(fate_of(found, message) for message in found.messages.values())


def hits(found: Found) -> dict[str, int]:
    """Return how often each kind of fault was met by a call, those that were never met included."""
    return {
        "refuse_connect": sum(attempt.code == "connect" for attempt in found.attempts),
        **{kind.name: found.played.get(kind.name, 0) for kind in KINDS if kind.name != "accept"},
        "accepted by a Messaging Service, with 0 segments": sum(bool(letter["service"]) for letter in found.letters),
        "not valid any more (30036)": sum(letter["error_code"] == _VALIDITY_OVER for letter in found.letters),
        "suppressed: 202, then dropped": sum(bool(letter["suppressed"]) for letter in found.letters),
    }


def shortfalls(found: Found) -> list[str]:
    """Return why these messages and faults are too few to be worth a claim, as sentences; empty when they are not."""
    few = [f"{kind} was met {times} times" for kind, times in hits(found).items() if times < WORTH_A_CLAIM]
    messages = len(found.messages)
    return [*([f"there were only {messages} messages"] if messages < FEWEST_MESSAGES else []), *few]


def is_open(message: Message) -> bool:
    """Whether something is still to become of a message by itself."""
    return message.state in UNDER_WAY or (
        message.state is State.UNKNOWN and message.nature.when_unknown is not WhenUnknown.A_PERSON_DECIDES
    )
