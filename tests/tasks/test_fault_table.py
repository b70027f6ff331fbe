"""Every fault that a vendor can play, played through the real path, and what became of the customer's message.

The table in docs/faults.md is what this file saw; `UPDATE_DOCS=1` writes it anew.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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
from worker.customers import Contact
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


@dataclass(frozen=True)
class Case:
    """One fault, and what it befalls.

    Attributes:
        besides: what is particular to it, as the table shows it.
        times: how many calls meet the fault.
        second: whether the customer has named a second contact.
        valid: how long the message helps.
    """

    fault: str
    channel: Channel
    kind: Kind = KINDS_OF_MESSAGE[0]
    besides: str = ""
    times: int = 1
    second: bool = False
    valid: timedelta | None = None


CASES = (
    *(
        Case(name, channel)
        for name in (*(kind.name for kind in KINDS), AWAY)
        for channel in Channel
        if name == AWAY or channel.value in BY_NAME[name].channels
    ),
    *(
        Case(name, channel, KINDS_OF_MESSAGE[1], "a reminder")
        for name in ("refuse_500", "accept_then_drop")
        for channel in Channel
    ),
    Case("undelivered_30003", Channel.SMS, KINDS_OF_MESSAGE[1], "a reminder"),
    Case("undelivered_30003", Channel.SMS, besides="twice", times=2),
    Case("undelivered_30007", Channel.SMS, besides="with a second contact", second=True),
    Case("undelivered_30008", Channel.SMS, besides="with a second contact", second=True),
    Case("queue_for", Channel.SMS, besides="of a message that helps for a second", valid=timedelta(seconds=1.2)),
)

INTRODUCTION = """# What each fault of a vendor leads to

Every fault that the sandbox can play, played through the workers' own path with the official clients, until nothing
more was owed; then counted in the sandbox's ledger. A test writes this table and holds it to what it sees:
`make test ARGS=tests/tasks/test_fault_table.py`, with `UPDATE_DOCS=1` to write it anew.

The message is a booking's confirmation, whose unknown outcome a person decides; a row that says otherwise is for a
reminder, which is sent at most once. "The shop was told" means a notice that the customer cannot be reached; "an alarm"
is an error in the log. Deliveries are all that reached the customer, by whatever message.

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
    later: tuple[str, ...]
    own_deliveries: int
    deliveries: int
    besides: str

    @property
    def line(self) -> str:
        """The row as the page shows it."""
        says = "Refuses connections for a while" if self.fault == AWAY else BY_NAME[self.fault].says
        because = f" (`{self.because}`)" if self.because else ""
        concluded = ", then ".join(self.answers)
        done = "; ".join((*self.done, f"ended as {self.state}{because}", *self.later))
        besides = f" ({self.besides})" if self.besides else ""
        return f"| `{self.fault}`{besides} | {self.channel} | {says} | {concluded} | {done} | {self.deliveries} |"


@dataclass(frozen=True)
class Theatre:
    """Plays one fault after the other, each on a customer of its own."""

    floor: Workshop
    receiver: Receiver
    log: pytest.LogCaptureFixture

    def play(self, case: Case, place: int) -> Row:
        """Owe one message, let the fault befall it, and work until nothing more is owed."""
        self._start_anew()
        to = phone(1000 + place) if case.channel is Channel.SMS else f"fault{place}@example.jp"
        self._let_happen(case, to)
        message_id = self._owe(case, place, to)
        read: set[bytes] = set()
        for _ in range(60):
            self._do(message_id)
            for each in self._all_of(message_id):
                self._hear(each.id, case.fault, read)
            if not self._wait_for_what_is_next(message_id):
                return self._row(case, message_id, was_reported=bool(read))
        raise AssertionError(f"{case} does not come to an end")

    def _start_anew(self) -> None:
        # The vendor lives in the present, and is asked what it made since the call.
        self.floor.time.move_to(system_now())
        self.log.clear()
        with self.floor.database.transaction() as session:
            session.execute(delete(Carrier))
            session.execute(delete(Job))

    def _let_happen(self, case: Case, to: str) -> None:
        if case.fault == AWAY:
            self.floor.carrier.post("/_away", {"seconds": 0.5})
            until(lambda: not self.floor.carrier._is_up())
            return
        act: dict[str, Any] = {"kind": case.fault}
        if case.fault in SECONDS:
            act["seconds"] = 60 if case.valid else SECONDS[case.fault]
        self.floor.carrier.script(act, times=case.times, channel=case.channel.value, to=to)

    def _owe(self, case: Case, place: int, to: str) -> UUID:
        who: dict[str, Any] = {"number": 1000 + place} if case.channel is Channel.SMS else {"email": to}
        if case.second:
            who["second_contact"] = Contact(Channel.MAIL, f"second{place}@example.jp")
        booking_id = self.floor.confirm(NOW, **who)
        with self.floor.locked(booking_id) as (session, booking):
            slots.free(session, booking_id)
            session.execute(delete(Job))
            expires_at = self.floor.time.at + case.valid if case.valid else SLOT
            assert tell_customer(session, booking, case.kind, now=self.floor.time.at, expires_at=expires_at)
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
        unreported = [each.next_poll_at for each in self._all_of(message_id) if each.state is State.SENT]
        if not unreported or unreported[0] is None:
            return False
        self.floor.time.move_to(unreported[0])
        poll_unreported()
        return True

    def _jobs(self, message_id: UUID) -> list[Job]:
        ids = {str(message.id) for message in self._all_of(message_id)}
        return [job for job in self.floor.jobs() if job.args.get("message_id") in ids]

    def _all_of(self, message_id: UUID) -> Sequence[Message]:
        """Return the message, and what was said to its customer after it about the same booking."""
        booking = select(Message.booking_id).where(Message.id == message_id).scalar_subquery()
        query = select(Message).where(Message.booking_id == booking, Message.customer_id.is_not(None))
        with self.floor.database.snapshot() as session:
            return session.scalars(query.order_by(Message.created_at, Message.id)).all()

    def _alarms(self) -> Sequence[str]:
        return ["an alarm was raised"] if any(line.levelno >= logging.ERROR for line in self.log.records) else []

    def _row(self, case: Case, message_id: UUID, *, was_reported: bool) -> Row:
        message, *later = self._all_of(message_id)
        delivered = self.floor.carrier.counts("message")
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
            fault=case.fault,
            channel=case.channel.value,
            kind=message.kind,
            answers=tuple(f"{each.answer} (`{each.code}`)" if each.code else str(each.answer) for each in attempts),
            state=message.state,
            because=message.because,
            done=(
                *_done(message, attempts, silenced, told_shop=bool(told), was_reported=was_reported),
                *self._alarms(),
            ),
            later=tuple(_later(message, each) for each in later),
            own_deliveries=delivered.get(str(message_id), 0),
            deliveries=sum(delivered.get(str(each.id), 0) for each in (message, *later)),
            besides=case.besides,
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


def _later(first: Message, message: Message) -> str:
    how = "said once more after a pause" if message.channel is first.channel else "said by mail to the second contact"
    because = f" (`{message.because}`)" if message.because else ""
    return f"{how}, in a message of its own, which ended as {message.state}{because}"


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
    return [theatre.play(case, place) for place, case in enumerate(CASES)]


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
    return row.state in {State.FAILED, State.UNDELIVERED, State.EXPIRED, State.UNKNOWN}


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
    assert [row for row in rows if row.own_deliveries and row.state in {State.FAILED, State.UNDELIVERED}] == []


def test_after_an_unknown_answer_nobody_is_called_again(rows: list[Row]) -> None:
    assert [row for row in rows if any(each.startswith("unknown") for each in row.answers[:-1])] == []


def test_every_row_comes_to_an_end_or_to_a_person(rows: list[Row]) -> None:
    assert [row for row in rows if row.state not in {*TERMINAL, State.UNKNOWN}] == []


def test_the_page_shows_the_table_that_was_seen(rows: list[Row]) -> None:
    page = INTRODUCTION + "".join(f"{row.line}\n" for row in rows)
    if os.environ.get("UPDATE_DOCS") == "1":
        PAGE.write_text(page, encoding="utf-8")

    assert PAGE.read_text(encoding="utf-8") == page
