"""Every fault that a vendor can play, played through the real path, and what became of the customer's message.

The table in docs/faults.md is what this file saw; `UPDATE_DOCS=1` writes it anew.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import pytest
from sqlalchemy import delete, select

from models.carrier import Carrier
from models.customer import Channel
from models.job import Job, Name
from models.message import TERMINAL, Attempt, Kind, Message, State
from models.suppression import Suppression
from sandbox.faults import BY_NAME, KINDS
from tasks.settling import poll_unreported
from tests.sandbox.sandbox_process import Posted, Receiver, until
from tests.tasks.conftest import Workshop
from tests.worker.desk import NOW, SLOT, phone, sqlite_only
from worker import jobs, receipts, slots
from worker.clock import system_now
from worker.messages import tell_customer
from worker.settings import settings
from worker.vendors import ReceiptFact, sendgrid, twilio

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
AWAY = "refuse_connect"
READ_SECONDS = "2.5"
# Played in seconds that fit the time-out above; what they mean does not depend on how many they are.
SECONDS = {"accept_then_slow": 3, "slow_then_accept": 3, "receipts_late": 0.3, "queue_for": 0.3}
NOBODY_HEARS_OF_IT = {"accept_then_drop"}
KINDS_OF_MESSAGE = (Kind.BOOKING_CONFIRMED, Kind.BOOKING_REMINDER_DAY)
"""One whose unknown outcome a person decides, and one that is sent at most once."""
FAULTS = [(name, channel) for name in (*(kind.name for kind in KINDS), AWAY) for channel in Channel]
ALSO = [(name, kind) for name, kind in [("refuse_500", KINDS_OF_MESSAGE[1]), ("accept_then_drop", KINDS_OF_MESSAGE[1])]]

INTRODUCTION = """# What each fault of a vendor leads to

Every fault that the sandbox can play, played through the workers' own path with the official clients, until nothing
more was owed; then counted in the sandbox's ledger. A test writes this table and holds it to what it sees:
`make test ARGS=tests/tasks/test_fault_table.py`, with `UPDATE_DOCS=1` to write it anew.

The message is a booking's confirmation, whose unknown outcome a person decides; a row that says otherwise is for a
reminder, which is sent at most once. "The shop was told" means a notice that the customer cannot be reached; "an alarm"
is an error in the log.

| Fault | By | What the vendor does | What we concluded | What was done | Deliveries |
|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Row:
    """What one fault led to."""

    fault: str
    channel: str
    kind: Kind
    answers: tuple[str, ...]
    state: State
    because: str | None
    done: tuple[str, ...]
    deliveries: int

    @property
    def line(self) -> str:
        """The row as the page shows it."""
        says = "Refuses connections for a while" if self.fault == AWAY else BY_NAME[self.fault].says
        because = f" (`{self.because}`)" if self.because else ""
        concluded = ", then ".join(self.answers)
        done = "; ".join((*self.done, f"ended as {self.state}{because}"))
        of_reminder = "" if self.kind is KINDS_OF_MESSAGE[0] else " (a reminder)"
        return f"| `{self.fault}`{of_reminder} | {self.channel} | {says} | {concluded} | {done} | {self.deliveries} |"


@dataclass(frozen=True)
class Theatre:
    """Plays one fault after the other, each on a customer of its own."""

    floor: Workshop
    receiver: Receiver
    log: pytest.LogCaptureFixture

    def play(self, fault: str, channel: Channel, kind: Kind, place: int) -> Row:
        """Owe one message, let the fault befall it, and work until nothing more is owed."""
        self._start_anew()
        to = phone(1000 + place) if channel is Channel.SMS else f"fault{place}@example.jp"
        self._let_happen(fault, channel, to)
        message_id = self._owe(channel, kind, place, to)
        read: set[bytes] = set()
        for _ in range(60):
            self._do(message_id)
            self._hear(message_id, fault, read)
            if not self._wait_for_what_is_next(message_id):
                return self._row(fault, channel, message_id, was_reported=bool(read))
        raise AssertionError(f"{fault} by {channel} does not come to an end")

    def _start_anew(self) -> None:
        # The vendor lives in the present, and is asked what it made since the call.
        self.floor.time.move_to(system_now())
        self.log.clear()
        with self.floor.database.transaction() as session:
            session.execute(delete(Carrier))
            session.execute(delete(Job))

    def _let_happen(self, fault: str, channel: Channel, to: str) -> None:
        if fault == AWAY:
            self.floor.carrier.post("/_away", {"seconds": 0.5})
            until(lambda: not self.floor.carrier._is_up())
            return
        act: dict[str, Any] = {"kind": fault}
        if fault in SECONDS:
            act["seconds"] = SECONDS[fault]
        self.floor.carrier.script(act, channel=channel.value, to=to)

    def _owe(self, channel: Channel, kind: Kind, place: int, to: str) -> UUID:
        who: dict[str, Any] = {"number": 1000 + place} if channel is Channel.SMS else {"email": to}
        booking_id = self.floor.confirm(NOW, **who)
        with self.floor.locked(booking_id) as (session, booking):
            slots.free(session, booking_id)
            session.execute(delete(Job))
            assert tell_customer(session, booking, kind, now=self.floor.time.at, expires_at=SLOT)
            return session.scalars(select(Message.id).where(Message.booking_id == booking_id)).one()

    def _do(self, message_id: UUID) -> None:
        while due := [job for job in self._jobs(message_id) if job.due_at is None or job.due_at <= self.floor.time.at]:
            for job in due:
                assert jobs.perform(job.id) is not jobs.Outcome.FAILED

    def _hear(self, message_id: UUID, fault: str, read: set[bytes]) -> None:
        """Take in what the vendor posts about the message, as the API does."""
        if fault not in NOBODY_HEARS_OF_IT and self._was_taken(fault, message_id):
            until(lambda: self._has_told_everything(message_id))
        for post in self.receiver.about(str(message_id)):
            if (mark := post.path.encode() + post.body) in read:
                continue
            read.add(mark)
            with self.floor.database.transaction() as session:
                receipts.store(session, facts_of(self.receiver, post), now=self.floor.time.at)
        for job in self.floor.jobs(Name.APPLY_RECEIPT):
            assert jobs.perform(job.id) is jobs.Outcome.DONE

    def _was_taken(self, fault: str, message_id: UUID) -> bool:
        taken = select(Attempt.id).where(Attempt.message_id == message_id, Attempt.answer == "accepted")
        with self.floor.database.snapshot() as session:
            return (fault != AWAY and BY_NAME[fault].accepts) or session.scalars(taken).first() is not None

    def _has_told_everything(self, message_id: UUID) -> bool:
        letters = self.floor.carrier.sent(message=str(message_id), undelivered="true")
        return bool(letters) and all(
            letter["status"] not in {"queued", "accepted", "processed"}
            and all(receipt["ended_at"] for receipt in letter["receipts"])
            for letter in letters
        )

    def _wait_for_what_is_next(self, message_id: UUID) -> bool:
        """Move time to what is owed next; False if nothing is."""
        until(self.floor.carrier._is_up)
        owed = [job.due_at for job in self._jobs(message_id) if job.due_at is not None]
        if owed:
            self.floor.time.move_to(max(self.floor.time.at, min(owed)))
            return True
        message = self._message(message_id)
        if message.next_poll_at is None or message.state is not State.SENT:
            return False
        self.floor.time.move_to(message.next_poll_at)
        poll_unreported()
        return True

    def _jobs(self, message_id: UUID) -> list[Job]:
        return [job for job in self.floor.jobs() if job.args.get("message_id") == str(message_id)]

    def _message(self, message_id: UUID) -> Message:
        with self.floor.database.snapshot() as session:
            return session.get_one(Message, message_id)

    def _alarms(self) -> Sequence[str]:
        return ["an alarm was raised"] if any(line.levelno >= logging.ERROR for line in self.log.records) else []

    def _row(self, fault: str, channel: Channel, message_id: UUID, *, was_reported: bool) -> Row:
        message = self._message(message_id)
        with self.floor.database.snapshot() as session:
            attempts = session.scalars(
                select(Attempt).where(Attempt.message_id == message_id).order_by(Attempt.started_at, Attempt.id)
            ).all()
            silenced = session.scalars(
                select(Suppression.reason).where(Suppression.attempt_id.in_([each.id for each in attempts]))
            ).all()
            told = session.scalars(
                select(Message.id).where(
                    Message.booking_id == message.booking_id, Message.kind == Kind.SHOP_CUSTOMER_UNREACHABLE
                )
            ).all()
        assert len(told) <= 1
        return Row(
            fault=fault,
            channel=channel.value,
            kind=message.kind,
            answers=tuple(f"{each.answer} (`{each.code}`)" if each.code else str(each.answer) for each in attempts),
            state=message.state,
            because=message.because,
            done=(
                *_done(message, attempts, silenced, told_shop=bool(told), was_reported=was_reported),
                *self._alarms(),
            ),
            deliveries=self.floor.carrier.counts("message").get(str(message_id), 0),
        )


def _done(
    message: Message, attempts: Sequence[Attempt], silenced: Sequence[str], *, told_shop: bool, was_reported: bool
) -> Iterator[str]:
    answers = [attempt.answer for attempt in attempts]
    if len(attempts) > 1:
        yield "sent again after a pause, since it was provably not sent"
    if "unknown" in answers:
        yield "settled by the signed report" if was_reported else "the vendor was asked; nothing was sent again"
    elif message.state is State.DELIVERED and not was_reported:
        yield "the vendor was asked, since no report came"
    for reason in silenced:
        yield f"the address is silenced (`{reason}`)"
    if told_shop:
        yield "the shop was told"
    if message.state is State.UNKNOWN:
        yield "a person decides"


def facts_of(receiver: Receiver, post: Posted) -> list[ReceiptFact]:
    """Read one of the vendors' posts as the API does, signature and all."""
    if not post.path.startswith(twilio.RECEIPTS_PATH):
        stamp = post.headers["X-Twilio-Email-Event-Webhook-Timestamp"]
        signature = post.headers["X-Twilio-Email-Event-Webhook-Signature"]
        facts = sendgrid.read_receipts(post.body, signature, stamp, datetime.fromtimestamp(int(stamp), tz=UTC))
        assert facts is not None
        return facts
    form = dict(parse_qsl(post.body.decode(), keep_blank_values=True))
    fact = twilio.read_receipt(receiver.url + post.path, form, post.headers["X-Twilio-Signature"])
    assert fact is not None
    return [fact]


def played(theatre: Theatre) -> list[Row]:
    """Play all of them."""
    rows = []
    cases = [
        (name, channel, KINDS_OF_MESSAGE[0])
        for name, channel in FAULTS
        if name == AWAY or channel.value in BY_NAME[name].channels
    ]
    cases += [(name, channel, kind) for name, kind in ALSO for channel in Channel]
    for place, (name, channel, kind) in enumerate(cases):
        rows.append(theatre.play(name, channel, kind, place))
    return rows


_seen: list[Row] = []


@pytest.fixture
def rows(
    shop_floor: Workshop, receiver: Receiver, environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> list[Row]:
    """All rows, played once for the whole file."""
    if not _seen:
        environment.setenv("VENDOR_READ_SECONDS", READ_SECONDS)
        settings.cache_clear()
        _seen.extend(played(Theatre(shop_floor, receiver, caplog)))
    return _seen


def somebody_knows(row: Row) -> bool:
    """Whether a customer who got nothing is known to have got nothing, or is on a person's list."""
    return row.state in {State.FAILED, State.UNDELIVERED, State.UNKNOWN}


pytestmark = sqlite_only


def test_every_fault_of_the_sandbox_is_played(rows: list[Row]) -> None:
    assert {row.fault for row in rows} == {*BY_NAME, AWAY}


def test_no_fault_makes_a_customer_get_a_message_twice(rows: list[Row]) -> None:
    assert [row for row in rows if row.deliveries > 1] == []


def test_no_customer_gets_nothing_without_anybody_knowing(rows: list[Row]) -> None:
    assert [row for row in rows if row.deliveries == 0 and not somebody_knows(row)] == []


def test_whoever_gets_nothing_of_what_a_person_decides_leaves_the_shop_or_an_operator_knowing(rows: list[Row]) -> None:
    ours = [row for row in rows if row.kind is KINDS_OF_MESSAGE[0] and row.deliveries == 0]

    assert [row for row in ours if row.state is not State.UNKNOWN and "the shop was told" not in row.done] == []


def test_what_was_delivered_is_not_called_failed(rows: list[Row]) -> None:
    assert [row for row in rows if row.deliveries and row.state in {State.FAILED, State.UNDELIVERED}] == []


def test_after_an_unknown_answer_nobody_is_called_again(rows: list[Row]) -> None:
    assert [row for row in rows if any(each.startswith("unknown") for each in row.answers[:-1])] == []


def test_every_row_comes_to_an_end_or_to_a_person(rows: list[Row]) -> None:
    assert [row for row in rows if row.state not in {*TERMINAL, State.UNKNOWN}] == []


def test_the_page_shows_the_table_that_was_seen(rows: list[Row]) -> None:
    page = INTRODUCTION + "".join(f"{row.line}\n" for row in rows)
    if os.environ.get("UPDATE_DOCS") == "1":
        PAGE.write_text(page, encoding="utf-8")

    assert PAGE.read_text(encoding="utf-8") == page
