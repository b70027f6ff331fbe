"""What becomes of messages after the call: which codes silence, who is told, and what is asked when."""

from datetime import timedelta
from uuid import UUID

import pytest

from models.customer import Channel
from models.job import Name
from models.message import Accepted, Answer, Attempt, Kind, Message, State, Unknown
from tests.worker.desk import NOW, SLOT, Desk, phone, sqlite_only
from worker import settling, suppressions
from worker.database import Database
from worker.messages import tell_customer


@pytest.fixture
def desk(seeded: Database, time: object) -> Desk:
    return Desk(seeded)


def owe(desk: Desk, kind: Kind = Kind.BOOKING_CONFIRMED, state: State = State.UNKNOWN, *, part: str = "") -> UUID:
    booking_id = desk.bookings()[0].id if desk.bookings() else desk.confirm()
    with desk.locked(booking_id) as (session, booking):
        tell_customer(session, booking, kind, now=NOW, expires_at=SLOT, part=part)
    message_id = desk.messages(kind)[-1].id
    with desk.database.transaction() as session:
        session.get_one(Message, message_id).state = state
    return message_id


def attempt(desk: Desk, message_id: UUID, answer: Answer, *, number: int, after: timedelta = timedelta()) -> Attempt:
    made = Attempt(id=UUID(int=number), message_id=message_id, vendor="twilio", started_at=NOW + after)
    made.record(answer, now=NOW + after)
    with desk.database.transaction() as session:
        session.add(made)
    return made


def look_later(desk: Desk, message_id: UUID, look: int = 0) -> None:
    with desk.database.transaction() as session:
        settling.look_later(session, session.get_one(Message, message_id), now=NOW, look=look)


def cannot_be_reached(desk: Desk, message_id: UUID) -> None:
    with desk.database.transaction() as session:
        settling.cannot_be_reached(session, session.get_one(Message, message_id), now=NOW)


# Looking


@sqlite_only
@pytest.mark.parametrize("look", range(len(settling.LOOKS)))
def test_each_look_is_later_than_the_one_before(desk: Desk, look: int) -> None:
    message_id = owe(desk)

    look_later(desk, message_id, look)

    [job] = desk.jobs(Name.SETTLE_MESSAGE)
    assert job.due_at == NOW + settling.LOOKS[look]
    assert list(settling.LOOKS) == sorted(settling.LOOKS)


@sqlite_only
def test_nobody_looks_for_ever(desk: Desk) -> None:
    look_later(desk, owe(desk), len(settling.LOOKS))

    assert desk.jobs(Name.SETTLE_MESSAGE) == []


@sqlite_only
@pytest.mark.parametrize("state", [state for state in State if state is not State.UNKNOWN])
def test_only_what_is_unknown_is_looked_for(desk: Desk, state: State) -> None:
    look_later(desk, owe(desk, state=state))

    assert desk.jobs(Name.SETTLE_MESSAGE) == []


@sqlite_only
def test_the_call_whose_answer_was_lost_is_the_last_one(desk: Desk) -> None:
    message_id = owe(desk)
    attempt(desk, message_id, Unknown("no_answer"), number=1)
    last = attempt(desk, message_id, Unknown("no_answer"), number=2, after=timedelta(minutes=1))

    with desk.database.snapshot() as session:
        found = settling.unknown_attempt(session, message_id)

    assert found is not None
    assert found.id == last.id


@sqlite_only
def test_references_of_the_same_customers_other_calls_belong_to_them(desk: Desk) -> None:
    lost = attempt(desk, owe(desk), Unknown("no_answer"), number=1)
    attempt(desk, owe(desk, part="other"), Accepted("SM1"), number=2)

    with desk.database.snapshot() as session:
        known = settling.references_near(session, lost, until=NOW + timedelta(minutes=1))

    assert known == {"SM1"}


@sqlite_only
def test_references_of_later_calls_do_not_matter(desk: Desk) -> None:
    lost = attempt(desk, owe(desk), Unknown("no_answer"), number=1)
    attempt(desk, owe(desk, part="other"), Accepted("SM1"), number=2, after=timedelta(minutes=2))

    with desk.database.snapshot() as session:
        assert settling.references_near(session, lost, until=NOW + timedelta(minutes=1)) == frozenset()


@sqlite_only
def test_what_is_unknown_is_counted(desk: Desk) -> None:
    owe(desk)
    owe(desk, part="other")
    owe(desk, part="sent", state=State.SENT)

    with desk.database.snapshot() as session:
        assert settling.waiting_for_a_person(session) == 2


# What silences


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        ("21610", "", "stop"),
        ("21211", "", "invalid"),
        ("21614", "", "not_mobile"),
        ("21635", "", "not_mobile"),
        ("30005", "undelivered", "unreachable"),
        ("30006", "undelivered", "unreachable"),
        ("bounce", "bounce", "bounced"),
        ("bounce:5.1.1", "bounce", "bounced"),
        (None, "spamreport", "spam_report"),
        (None, "unsubscribe", "unsubscribed"),
        ("bounced_address", "dropped", "bounced"),
        ("spam_reporting_address", "dropped", "spam_report"),
    ],
)
def test_a_dead_or_unwilling_address_is_silenced(code: str | None, status: str, reason: str) -> None:
    assert settling.reason_of(code, status) == reason


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("30003", "undelivered"),
        ("30004", "undelivered"),
        ("30007", "undelivered"),
        ("30008", "undelivered"),
        ("bounce:4.2.2", "bounce"),
        ("blocked", "bounce"),
        ("blocked:5.7.1", "bounce"),
        ("21408", ""),
        ("20003", ""),
        (None, "delivered"),
        (None, "open"),
        ("a code of the future", ""),
    ],
    ids=[
        "a handset that is off",
        "blocked",
        "filtered: the text's fault",
        "unknown",
        "a mailbox that is full",
        "a block",
        "a block that calls itself permanent",
        "our account's permissions",
        "our credentials",
        "delivered",
        "opened",
        "a code nobody knows",
    ],
)
def test_what_may_pass_or_is_our_own_fault_silences_nobody(code: str | None, status: str) -> None:
    assert settling.reason_of(code, status) is None


@sqlite_only
def test_an_address_that_is_silenced_is_told_to_the_shop_once(desk: Desk) -> None:
    message_id = owe(desk, state=State.FAILED)

    for _ in range(2):
        with desk.database.transaction() as session:
            message = session.get_one(Message, message_id)
            settling.silence(session, message, "21610", attempt_id=UUID(int=1), now=NOW)

    with desk.database.snapshot() as session:
        assert suppressions.silenced(session, Channel.SMS, phone(12), now=NOW) is not None
    assert len(desk.messages(Kind.SHOP_CUSTOMER_UNREACHABLE)) == 1


# Who is told


@sqlite_only
def test_a_code_that_cannot_come_gives_its_slot_back(desk: Desk) -> None:
    cannot_be_reached(desk, owe(desk, Kind.BOOKING_CODE))

    assert len(desk.jobs(Name.RELEASE_UNDELIVERABLE)) == 1
    assert desk.messages(Kind.SHOP_CUSTOMER_UNREACHABLE) == []


@sqlite_only
def test_a_shop_hears_once_that_a_bookings_customer_cannot_be_reached(desk: Desk) -> None:
    first, second = owe(desk), owe(desk, Kind.BOOKING_REMINDER_DAY)

    cannot_be_reached(desk, first)
    cannot_be_reached(desk, second)

    [notice] = desk.messages(Kind.SHOP_CUSTOMER_UNREACHABLE)
    assert (notice.customer_id, notice.booking_id) == (None, desk.bookings()[0].id)


@sqlite_only
def test_a_notice_to_the_shop_that_does_not_arrive_makes_no_further_notice(desk: Desk) -> None:
    cannot_be_reached(desk, owe(desk))
    notice = desk.messages(Kind.SHOP_CUSTOMER_UNREACHABLE)[0]

    cannot_be_reached(desk, notice.id)

    assert len(desk.messages(Kind.SHOP_CUSTOMER_UNREACHABLE)) == 1
