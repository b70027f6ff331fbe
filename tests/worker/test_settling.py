"""What becomes of messages after the call: which codes silence, who is told, and what is asked when."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from models.customer import Channel
from models.errors import TooManyRequests
from models.job import Name
from models.message import Accepted, Answer, Attempt, Kind, Message, State, Unknown
from tests.worker.desk import NOW, SLOT, Desk, phone, sqlite_only
from worker import guards, settling, suppressions
from worker.customers import Contact
from worker.database import Database
from worker.guards import Asker
from worker.messages import tell_customer
from worker.settings import settings

SECOND = Contact(Channel.MAIL, "hanako@example.jp")


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


# Why it did not arrive


def fails(desk: Desk, message_id: UUID, code: str | None) -> None:
    with desk.database.transaction() as session:
        settling.did_not_arrive(session, session.get_one(Message, message_id), code, now=NOW)


def alarms(caplog: pytest.LogCaptureFixture) -> list[tuple[Any, Any]]:
    """Return the code of each alarm, and the message it is about."""
    lines = [line.__dict__ for line in caplog.records if line.levelname == "ERROR"]
    return [(line["code"], line["message_id"]) for line in lines]


def what_follows(desk: Desk) -> dict[str, int]:
    return {
        "said again": len(desk.messages(Kind.BOOKING_CONFIRMED)) - 1,
        "shop told": len(desk.messages(Kind.SHOP_CUSTOMER_UNREACHABLE)),
    }


@sqlite_only
@pytest.mark.parametrize("code", ["30001", "30003", "30036"])
def test_what_may_arrive_later_is_said_once_more_and_the_shop_is_not_troubled(desk: Desk, code: str) -> None:
    fails(desk, owe(desk), code)

    assert what_follows(desk) == {"said again": 1, "shop told": 0}


@sqlite_only
def test_if_that_does_not_arrive_either_the_shop_is_told(desk: Desk) -> None:
    fails(desk, owe(desk), "30003")

    fails(desk, desk.messages(Kind.BOOKING_CONFIRMED)[-1].id, "30003")

    assert what_follows(desk) == {"said again": 1, "shop told": 1}


@sqlite_only
@pytest.mark.parametrize(
    "code", ["30004", "30005", "30006", "30007", "30008", "30410", "30450", "30453", "30999", None], ids=str
)
def test_in_any_doubt_the_shop_is_told_and_nothing_is_sent_again(desk: Desk, code: str | None) -> None:
    fails(desk, owe(desk), code)

    assert what_follows(desk) == {"said again": 0, "shop told": 1}


@sqlite_only
@pytest.mark.parametrize("kind", [Kind.BOOKING_REMINDER_EVE, Kind.BOOKING_REMINDER_DAY])
def test_a_reminder_that_did_not_arrive_is_told_to_the_shop(desk: Desk, kind: Kind) -> None:
    fails(desk, owe(desk, kind), "30003")

    assert len(desk.messages(kind)) == 1
    assert len(desk.messages(Kind.SHOP_CUSTOMER_UNREACHABLE)) == 1


@sqlite_only
@pytest.mark.parametrize(
    ("code", "is_alarmed"),
    [
        ("30007", True),
        ("30450", True),
        ("30453", True),
        ("30999", True),
        ("30003", False),
        ("30005", False),
        ("30008", False),
        ("30036", False),
        ("30410", False),
        (None, False),
    ],
    ids=str,
)
def test_what_a_person_must_see_to_raises_an_alarm(
    desk: Desk, caplog: pytest.LogCaptureFixture, code: str | None, is_alarmed: bool
) -> None:
    message_id = owe(desk)

    fails(desk, message_id, code)

    assert alarms(caplog) == ([(code, str(message_id))] if is_alarmed else [])


@sqlite_only
@pytest.mark.parametrize("code", ["30007", "30008"])
def test_what_did_not_get_through_as_an_sms_goes_to_the_second_contact_instead(desk: Desk, code: str) -> None:
    desk.confirm(second_contact=SECOND)

    fails(desk, owe(desk), code)

    sms, mail = desk.messages(Kind.BOOKING_CONFIRMED)
    assert (sms.channel, mail.channel) == (Channel.SMS, Channel.MAIL)
    assert desk.messages(Kind.SHOP_CUSTOMER_UNREACHABLE) == []


@sqlite_only
@pytest.mark.parametrize("code", ["30001", "30003", "30005", "30410", "30450", "30999"])
def test_for_any_other_reason_it_does_not(desk: Desk, code: str) -> None:
    desk.confirm(second_contact=SECOND)

    fails(desk, owe(desk), code)

    assert {message.channel for message in desk.messages(Kind.BOOKING_CONFIRMED)} == {Channel.SMS}


@sqlite_only
def test_if_the_mail_does_not_arrive_either_the_shop_is_told(desk: Desk) -> None:
    desk.confirm(second_contact=SECOND)
    fails(desk, owe(desk), "30008")

    fails(desk, desk.messages(Kind.BOOKING_CONFIRMED)[-1].id, "bounce:5.1.1")

    assert len(desk.messages(Kind.SHOP_CUSTOMER_UNREACHABLE)) == 1
    assert len(desk.messages(Kind.BOOKING_CONFIRMED)) == 2


@sqlite_only
@pytest.mark.parametrize("code", ["30001", "30003", "30008"])
def test_a_code_that_did_not_arrive_is_not_sent_again_by_itself(desk: Desk, code: str) -> None:
    fails(desk, owe(desk, Kind.BOOKING_CODE), code)

    assert len(desk.messages(Kind.BOOKING_CODE)) == 1
    assert len(desk.jobs(Name.RELEASE_UNDELIVERABLE)) == 1


@sqlite_only
def test_a_code_whose_life_was_over_leaves_the_hold_to_its_own_timer(desk: Desk) -> None:
    fails(desk, owe(desk, Kind.BOOKING_CODE), "30036")

    assert desk.jobs(Name.RELEASE_UNDELIVERABLE) == []


@sqlite_only
def test_what_expired_when_its_use_was_over_troubles_nobody(desk: Desk) -> None:
    message_id = owe(desk)

    with desk.database.transaction() as session:
        settling.did_not_arrive(session, session.get_one(Message, message_id), "30036", now=SLOT)

    assert what_follows(desk) == {"said again": 0, "shop told": 0}


@sqlite_only
def test_numbers_like_one_that_is_pumped_get_no_more_codes(desk: Desk, environment: pytest.MonkeyPatch) -> None:
    message_id = owe(desk, Kind.BOOKING_CODE)
    environment.setenv("TEST_NUMBERS", "")
    settings.cache_clear()

    fails(desk, message_id, "30450")

    alike = Asker.of(Contact(Channel.SMS, phone(13)), network=None, caller="pages")
    with desk.database.transaction() as session, pytest.raises(TooManyRequests):
        guards.admit_send(session, alike, now=NOW)
