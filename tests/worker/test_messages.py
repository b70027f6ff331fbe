"""Owing messages: each once, with the job that delivers it, and voided when the booking moves on."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from models.job import Name, Queue
from models.message import Kind, Message, State
from models.shop import Shop
from tests.worker.desk import MOMENT, NOW, SLOT, Desk, at_once, sqlite_only
from worker.database import Database
from worker.messages import AGAIN_AFTER, say_again, tell_customer, tell_shop, void_unsent


@pytest.fixture
def desk(seeded: Database, time: object) -> Desk:
    return Desk(seeded)


def tell(desk: Desk, booking_id: UUID, kind: Kind = Kind.BOOKING_CONFIRMED, part: str = "") -> bool:
    with desk.locked(booking_id) as (session, booking):
        return tell_customer(session, booking, kind, now=NOW, expires_at=SLOT, part=part)


def tell_of_day(desk: Desk, about: str, shop_id: str = "fred") -> bool:
    with desk.database.transaction() as session:
        shop = session.get_one(Shop, shop_id)
        return tell_shop(session, shop, Kind.SHOP_DAY_LIST, now=NOW, expires_at=SLOT, about=f"{shop_id}:{about}")


@sqlite_only
def test_a_message_is_owed_with_the_job_that_delivers_it(desk: Desk) -> None:
    booking_id = desk.confirm()

    assert tell(desk, booking_id)

    [message], [job] = desk.messages(), desk.jobs(Name.DELIVER_MESSAGE)
    assert (message.state, message.revision, message.expires_at) == (State.QUEUED, 1, SLOT)
    assert job.args == {"message_id": str(message.id)}


@sqlite_only
def test_a_message_goes_by_the_proven_channel_in_the_customers_language(desk: Desk) -> None:
    """Fault 27: the verified channel always gets its confirmation."""
    booking_id = desk.confirm(email="hanako@example.jp", language="en")

    tell(desk, booking_id)

    [message] = desk.messages()
    assert (message.channel, message.language) == ("mail", "en")


@sqlite_only
@pytest.mark.parametrize(
    ("kind", "queue"),
    [
        (Kind.BOOKING_CODE, Queue.CODES),
        (Kind.BOOKING_CONFIRMED, Queue.BOOKINGS),
        (Kind.BOOKING_REMINDER_EVE, Queue.DELIVERY),
    ],
)
def test_each_kind_is_delivered_on_the_queue_of_its_urgency(desk: Desk, kind: Kind, queue: Queue) -> None:
    tell(desk, desk.confirm(), kind)

    [job] = desk.jobs(Name.DELIVER_MESSAGE)
    assert job.queue == queue


@sqlite_only
def test_the_same_message_of_the_same_revision_is_owed_once(desk: Desk) -> None:
    """Fault 24: twice notified."""
    booking_id = desk.confirm()

    owed = [tell(desk, booking_id) for _ in range(3)]

    assert owed == [True, False, False]
    assert len(desk.jobs(Name.DELIVER_MESSAGE)) == 1


def test_the_same_message_owed_by_eight_at_once_is_owed_once(desk: Desk) -> None:
    booking_id = desk.confirm()

    def owe() -> bool:
        with desk.database.transaction() as session:
            booking = desk.booking(booking_id)
            return tell_customer(session, booking, Kind.BOOKING_CONFIRMED, now=NOW, expires_at=SLOT)

    assert sorted(at_once(*[owe] * 8)) == [False] * 7 + [True]
    assert len(desk.messages()) == len(desk.jobs(Name.DELIVER_MESSAGE)) == 1


@sqlite_only
def test_each_code_that_was_asked_for_is_a_message_of_its_own(desk: Desk) -> None:
    booking_id = desk.hold()

    assert [tell(desk, booking_id, Kind.BOOKING_CODE, part=part) for part in "112"] == [True, False, True]


@sqlite_only
def test_a_list_is_owed_once_a_shop_and_day(desk: Desk) -> None:
    owed = [
        tell_of_day(desk, about, shop)
        for about, shop in [
            ("2030-06-04", "fred"),
            ("2030-06-04", "fred"),
            ("2030-06-06", "fred"),
            ("2030-06-04", "vicky"),
        ]
    ]

    assert owed == [True, False, True, True]


@sqlite_only
def test_a_notice_goes_to_the_shop_and_to_no_customer(desk: Desk) -> None:
    tell_of_day(desk, "2030-06-04")

    [message] = desk.messages()
    assert (message.customer_id, message.booking_id, message.channel, message.language) == (None, None, "mail", "ja")


@sqlite_only
def test_what_is_no_longer_true_is_voided_and_what_still_is_stays(desk: Desk) -> None:
    booking_id = desk.confirm()
    tell(desk, booking_id, Kind.BOOKING_REMINDER_EVE)
    with desk.locked(booking_id) as (session, booking):
        booking.cancel(received_at=NOW, expected_revision=1)
        tell_customer(session, booking, Kind.BOOKING_CANCELLED, now=NOW, expires_at=SLOT)

    with desk.locked(booking_id) as (session, booking):
        void_unsent(session, booking, now=NOW + timedelta(minutes=1))

    by_kind = {message.kind: message.state for message in desk.messages()}
    assert by_kind == {Kind.BOOKING_REMINDER_EVE: State.VOIDED, Kind.BOOKING_CANCELLED: State.QUEUED}


@sqlite_only
def test_notices_to_the_shop_outlive_what_they_tell_of(desk: Desk) -> None:
    booking_id = desk.confirm()
    with desk.locked(booking_id) as (session, booking):
        shop = session.get_one(Shop, booking.shop_id)
        tell_shop(
            session, shop, Kind.SHOP_BOOKING_NEW, now=NOW, expires_at=SLOT, about=str(booking_id), booking=booking
        )

    desk.cancel(booking_id)

    assert desk.states(Kind.SHOP_BOOKING_NEW) == [State.QUEUED]


@sqlite_only
def test_the_messages_of_other_bookings_are_left_alone(desk: Desk) -> None:
    """Fault 8."""
    one, other = desk.confirm(), desk.confirm(number=13)
    tell(desk, one)
    tell(desk, other)

    desk.cancel(one)

    assert {message.booking_id: message.state for message in desk.messages()} == {
        one: State.VOIDED,
        other: State.QUEUED,
    }


# Once more


def told_again(desk: Desk, *kinds: Kind, now: datetime = NOW) -> list[bool]:
    """Say again what was said of each kind, and what that wrote."""
    said = []
    for message in desk.messages(*kinds):
        with desk.database.transaction() as session:
            said.append(say_again(session, session.get_one(Message, message.id), now=now))
    return said


@sqlite_only
def test_what_did_not_arrive_is_said_once_more_after_a_pause_as_a_message_of_its_own(desk: Desk) -> None:
    tell(desk, desk.confirm())

    assert told_again(desk, Kind.BOOKING_CONFIRMED) == [True]

    first, second = desk.messages(Kind.BOOKING_CONFIRMED)
    assert first.id != second.id
    assert (second.state, second.channel, second.revision, second.expires_at) == (
        State.QUEUED,
        first.channel,
        first.revision,
        first.expires_at,
    )
    due = {job.args["message_id"]: job.due_at for job in desk.jobs(Name.DELIVER_MESSAGE)}
    assert due[str(second.id)] == NOW + AGAIN_AFTER


@sqlite_only
def test_it_is_not_said_a_third_time(desk: Desk) -> None:
    tell(desk, desk.confirm())
    told_again(desk, Kind.BOOKING_CONFIRMED)

    assert told_again(desk, Kind.BOOKING_CONFIRMED) == [True, False], "the first was said again, which is known"
    assert len(desk.messages(Kind.BOOKING_CONFIRMED)) == 2


def test_what_is_said_again_by_eight_at_once_is_said_once(desk: Desk) -> None:
    tell(desk, desk.confirm())

    at_once(*[lambda: told_again(desk, Kind.BOOKING_CONFIRMED)] * 8)

    assert len(desk.messages(Kind.BOOKING_CONFIRMED)) == 2


@sqlite_only
@pytest.mark.parametrize("kind", [Kind.BOOKING_REMINDER_EVE, Kind.BOOKING_REMINDER_DAY, Kind.BOOKING_CODE])
def test_a_reminder_is_sent_at_most_once_and_a_code_is_asked_for(desk: Desk, kind: Kind) -> None:
    tell(desk, desk.confirm(), kind)

    assert told_again(desk, kind) == [False]


@sqlite_only
def test_what_would_come_too_late_is_not_said_again(desk: Desk) -> None:
    tell(desk, desk.confirm())

    assert told_again(desk, Kind.BOOKING_CONFIRMED, now=SLOT - AGAIN_AFTER) == [False]
    assert told_again(desk, Kind.BOOKING_CONFIRMED, now=SLOT - AGAIN_AFTER - MOMENT) == [True]


@sqlite_only
def test_what_is_to_be_said_again_is_voided_when_the_booking_moves_on(desk: Desk) -> None:
    booking_id = desk.confirm()
    tell(desk, booking_id)
    told_again(desk, Kind.BOOKING_CONFIRMED)

    desk.change(booking_id)

    assert desk.states(Kind.BOOKING_CONFIRMED) == [State.VOIDED] * 2
