"""Whether a message goes now, by whom, or why not: nights, resting accounts, silenced addresses, rates and caps."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from models.base import database_time
from models.booking import Booking
from models.carrier import PROBE_LASTS, Carrier
from models.customer import Channel, Customer
from models.limit import Bucket
from models.message import Kind, Message
from models.segments import count as segments_of
from models.shop import Shop
from tests.conftest import StoppedTime
from tests.worker.desk import NOW, OTHER_SLOT, SLOT, Desk, phone, sqlite_only
from worker import carriers, dispatching, limits, postponing, suppressions
from worker.database import Database
from worker.dispatching import A_BOOKING, A_CONTACT_A_DAY, End, Go, Wait, decide
from worker.messages import tell_customer, tell_shop
from worker.seals import shred
from worker.settings import settings
from worker.vendors import OutgoingSms

ATTEMPT = UUID(int=0xA)
NIGHT = datetime(2030, 6, 3, 12, tzinfo=UTC)
"""21:00 in Tokyo."""
MORNING = datetime(2030, 6, 3, 23, tzinfo=UTC)
"""08:00 there, the next day."""
ACCOUNT = {"api_url": "http://127.0.0.1:9", "account_sid": "AC" + "0" * 32, "auth_token": "t", "sender": "+15005550006"}


@pytest.fixture(autouse=True)
def own_process(monkeypatch: pytest.MonkeyPatch, environment: pytest.MonkeyPatch) -> None:
    """Each test begins as a process does that has taken and counted nothing yet, with a rate that no test reaches."""
    account = {"name": "twilio", "segments_per_second": 1e6, "requests_per_second": 1e6, **ACCOUNT}
    environment.setenv("SMS_ACCOUNTS", json.dumps([account]))
    monkeypatch.setattr(limits, "_allowances", limits._Allowances())
    monkeypatch.setattr(postponing, "_backlogs", postponing._Backlogs())


@pytest.fixture
def desk(seeded: Database, time: StoppedTime) -> Desk:
    return Desk(seeded)


def owe(desk: Desk, kind: Kind = Kind.BOOKING_CONFIRMED, *, part: str = "", **who: Any) -> UUID:
    """Owe one message of a confirmed booking, and return its id."""
    held = desk.bookings()
    booking_id = held[0].id if held else desk.confirm(**who)
    with desk.locked(booking_id) as (session, booking):
        assert tell_customer(session, booking, kind, now=NOW, expires_at=SLOT, part=part)
    return desk.messages(kind)[-1].id


def decided(desk: Desk, message_id: UUID, *, at: datetime = NOW) -> Go | Wait | End:
    with desk.database.transaction() as session:
        message = session.get_one(Message, message_id)
        booking = session.get(Booking, message.booking_id) if message.booking_id else None
        return decide(session, message, booking, ATTEMPT, now=at)


def rest_all(desk: Desk, *, until: datetime) -> None:
    with desk.database.transaction() as session:
        for channel in Channel:
            for carrier in carriers.of_channel(session, channel, now=NOW):
                carrier.rests_until = until


# It goes


def test_by_day_a_message_goes_by_the_channels_account(desk: Desk) -> None:
    decision = decided(desk, owe(desk))

    assert isinstance(decision, Go)
    assert decision.carrier == "twilio"
    assert isinstance(decision.outgoing, OutgoingSms)
    assert (decision.outgoing.to, decision.outgoing.attempt_id) == (phone(12), ATTEMPT)


def test_a_mail_goes_by_the_account_for_mail(desk: Desk) -> None:
    decision = decided(desk, owe(desk, email="hanako@example.jp"))

    assert isinstance(decision, Go)
    assert decision.carrier == "sendgrid"


@sqlite_only
def test_where_a_route_drops_urls_the_text_says_it_without(desk: Desk, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SMS_ACCOUNTS", json.dumps([{"name": "plain", "urls_ok": False, **ACCOUNT}]))
    settings.cache_clear()

    decision = decided(desk, owe(desk))

    assert isinstance(decision, Go)
    assert isinstance(decision.outgoing, OutgoingSms)
    assert "http" not in decision.outgoing.text
    assert desk.bookings()[0].reference in decision.outgoing.text


@sqlite_only
def test_where_a_route_carries_urls_the_text_has_them(desk: Desk) -> None:
    decision = decided(desk, owe(desk))

    assert isinstance(decision, Go)
    assert isinstance(decision.outgoing, OutgoingSms)
    assert "http" in decision.outgoing.text


# It waits


@sqlite_only
def test_a_reminder_of_the_eve_does_not_ring_at_night(desk: Desk) -> None:
    message_id = owe(desk, Kind.BOOKING_REMINDER_EVE)

    assert decided(desk, message_id, at=NIGHT) == Wait(MORNING)
    assert isinstance(decided(desk, message_id, at=NIGHT - timedelta(seconds=1)), Go)


@sqlite_only
def test_in_the_morning_it_goes(desk: Desk) -> None:
    message_id = owe(desk, Kind.BOOKING_REMINDER_EVE)

    assert decided(desk, message_id, at=MORNING - timedelta(seconds=1)) == Wait(MORNING)
    assert isinstance(decided(desk, message_id, at=MORNING), Go)


@sqlite_only
@pytest.mark.parametrize("kind", [Kind.BOOKING_CONFIRMED, Kind.BOOKING_CANCELLED, Kind.BOOKING_REMINDER_DAY])
def test_what_the_customer_waits_for_goes_at_night_too(desk: Desk, kind: Kind) -> None:
    assert isinstance(decided(desk, owe(desk, kind), at=NIGHT), Go)


def test_while_all_accounts_rest_a_message_waits_until_one_is_ready(desk: Desk) -> None:
    message_id = owe(desk)
    rest_all(desk, until=NOW + timedelta(minutes=1))

    decision = decided(desk, message_id)

    assert isinstance(decision, Wait)
    assert decision.until > NOW + timedelta(minutes=1)


@sqlite_only
def test_a_wait_is_spread_over_what_the_backlog_will_need(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatching, "_messages_a_second", lambda _: 0.5)
    ids = [owe(desk, part=str(place)) for place in range(100)]
    rest_all(desk, until=NOW)
    with desk.database.transaction() as session:
        for carrier in session.scalars(select(Carrier)):
            carrier.probed_at = NOW

    waits = [decided(desk, message_id) for message_id in ids]

    until = [wait.until - NOW for wait in waits if isinstance(wait, Wait)]
    assert len(until) == 100
    # A hundred at one in two seconds are 200 seconds of work.
    assert max(until) - min(until) > timedelta(seconds=100)
    assert max(until) <= timedelta(seconds=40 + 200)


@sqlite_only
def test_a_code_does_not_wait_behind_a_backlog_of_reminders(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lives for ten minutes; the reminders that an outage of an hour has piled up take longer than that."""
    monkeypatch.setattr(dispatching, "_messages_a_second", lambda _: 0.5)
    for place in range(100):
        owe(desk, part=str(place))
    booking_id = desk.hold(number=13, starts_at=OTHER_SLOT)
    with desk.locked(booking_id) as (session, booking):
        tell_customer(session, booking, Kind.BOOKING_CODE, now=NOW, expires_at=SLOT)
    [code] = desk.messages(Kind.BOOKING_CODE)
    rest_all(desk, until=NOW + timedelta(minutes=1))

    waits = [decided(desk, code.id) for _ in range(20)]

    until = [wait.until - NOW for wait in waits if isinstance(wait, Wait)]
    assert len(until) == 20
    # One code at half of one in two seconds.
    assert max(until) <= timedelta(seconds=60 + 4)


@sqlite_only
@pytest.mark.parametrize(
    ("kind", "waits_for_the_probe"),
    [(Kind.BOOKING_CODE, False), (Kind.BOOKING_CANCELLED, True)],
    ids=["a code looks again at once", "the rest as late as a probe may last"],
)
def test_while_a_probe_is_under_way(desk: Desk, kind: Kind, *, waits_for_the_probe: bool) -> None:
    booking_id = desk.hold()
    with desk.locked(booking_id) as (session, booking):
        tell_customer(session, booking, kind, now=NOW, expires_at=SLOT)
    [message] = desk.messages(kind)
    rest_all(desk, until=NOW)
    with desk.database.transaction() as session:
        for carrier in session.scalars(select(Carrier)):
            carrier.probed_at = NOW

    decision = decided(desk, message.id)

    assert isinstance(decision, Wait)
    assert (decision.until >= NOW + PROBE_LASTS) is waits_for_the_probe
    assert decision.until > NOW


def test_a_sender_that_is_at_its_rate_makes_a_message_wait(desk: Desk) -> None:
    message_id = owe(desk)
    with desk.database.transaction() as session:
        session.add(Bucket(key="requests:twilio", spent_until=datetime(2100, 1, 1, tzinfo=UTC)))

    assert isinstance(decided(desk, message_id), Wait)


def test_a_pause_does_not_double_the_next_second(desk: Desk, environment: pytest.MonkeyPatch) -> None:
    account = {"name": "twilio", "segments_per_second": 1000.0, "requests_per_second": 1000.0, **ACCOUNT}
    environment.setenv("SMS_ACCOUNTS", json.dumps([account]))
    settings.cache_clear()
    message_id = owe(desk)
    with desk.database.snapshot() as session:
        before = session.scalars(select(database_time())).one()

    assert isinstance(decided(desk, message_id), Go)

    with desk.database.snapshot() as session:
        spent_until = session.scalars(select(Bucket.spent_until)).all()
    # What a process takes in advance is all that the pause has left: the bucket is not ahead of the time.
    assert len(spent_until) == 3
    assert min(spent_until) >= before


def test_a_code_does_not_wait_for_the_rate(desk: Desk) -> None:
    booking_id = desk.hold()
    with desk.database.transaction() as session:
        session.add(Bucket(key="requests:twilio", spent_until=datetime(2100, 1, 1, tzinfo=UTC)))
    with desk.locked(booking_id) as (session, booking):
        tell_customer(session, booking, Kind.BOOKING_CODE, now=NOW, expires_at=SLOT)

    assert isinstance(decided(desk, desk.messages()[0].id), Go)


@sqlite_only
def test_a_message_that_waits_and_is_asked_again_is_counted_once(desk: Desk) -> None:
    message_id = owe(desk)
    rest_all(desk, until=NOW + timedelta(minutes=1))

    for _ in range(A_CONTACT_A_DAY.most + 5):
        assert isinstance(decided(desk, message_id), Wait)

    assert isinstance(decided(desk, message_id, at=NOW + timedelta(minutes=1)), Go)


# It ends


def test_nothing_is_sent_to_a_silenced_address(desk: Desk) -> None:
    message_id = owe(desk)
    with desk.database.transaction() as session:
        suppressions.silence(session, Channel.SMS, phone(12), "stop", attempt_id=None, now=NOW)

    assert decided(desk, message_id) == End("silenced")


def test_what_a_person_lifted_is_sent_to_again(desk: Desk) -> None:
    message_id = owe(desk)
    with desk.database.transaction() as session:
        suppressions.silence(session, Channel.SMS, phone(12), "stop", attempt_id=None, now=NOW)
        suppressions.lift(session, Channel.SMS, phone(12), by="key:ops", because="she asked", now=NOW)

    assert isinstance(decided(desk, message_id), Go)


def test_a_message_to_a_customer_who_was_erased_ends(desk: Desk) -> None:
    message_id = owe(desk)
    with desk.database.transaction() as session:
        shred(session, session.scalars(select(Customer.id)).one())

    assert decided(desk, message_id) == End("erased")


@sqlite_only
def test_no_fault_of_ours_sends_one_contact_a_hundred_a_day(desk: Desk) -> None:
    """Fault 24: 136 texts to one user."""
    message_id = owe(desk)

    decisions = [decided(desk, message_id) for _ in range(A_CONTACT_A_DAY.most + 1)]

    assert all(isinstance(decision, Go) for decision in decisions[:-1])
    assert decisions[-1] == End("too_many_a_day")


@sqlite_only
def test_the_next_day_the_contact_gets_messages_again(desk: Desk) -> None:
    message_id = owe(desk)
    for _ in range(A_CONTACT_A_DAY.most + 1):
        decided(desk, message_id)

    assert isinstance(decided(desk, message_id, at=NOW + A_CONTACT_A_DAY.window), Go)


@sqlite_only
def test_no_booking_makes_messages_without_end(desk: Desk) -> None:
    message_id = owe(desk)

    decisions = [decided(desk, message_id, at=NOW + place * timedelta(hours=1)) for place in range(A_BOOKING.most + 1)]

    assert decisions[-1] == End("too_many_a_booking")


@sqlite_only
def test_a_shops_notices_have_no_cap(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatching, "A_CONTACT_A_DAY", type(A_CONTACT_A_DAY)(0, A_CONTACT_A_DAY.window))
    booking_id = desk.confirm()
    with desk.locked(booking_id) as (session, booking):
        shop = session.get_one(Shop, booking.shop_id)
        tell_shop(session, shop, Kind.SHOP_BOOKING_NEW, now=NOW, expires_at=SLOT, about="it", booking=booking)

    assert isinstance(decided(desk, desk.messages(Kind.SHOP_BOOKING_NEW)[0].id), Go)


# What it costs

SPENT = "an account sent more segments today than it should"


def watch_spend(environment: pytest.MonkeyPatch, *, alarm: int, accounts: tuple[str, ...] = ("twilio",)) -> None:
    """Set the day's segments from which on an alarm is raised."""
    rates = {"segments_per_second": 1e6, "requests_per_second": 1e6}
    environment.setenv("SMS_ACCOUNTS", json.dumps([{"name": name, **rates, **ACCOUNT} for name in accounts]))
    environment.setenv("SMS_SEGMENTS_ALARM", str(alarm))
    settings.cache_clear()


def segments(decision: Go | Wait | End) -> int:
    assert isinstance(decision, Go)
    assert isinstance(decision.outgoing, OutgoingSms)
    return segments_of(decision.outgoing.text).segments


def alarms(caplog: pytest.LogCaptureFixture) -> list[tuple[Any, Any]]:
    """Return which account each alarm was about, and after how many segments."""
    lines = [line.__dict__ for line in caplog.records if line.message == SPENT]
    assert all(line["levelname"] == "ERROR" for line in lines)
    return [(line["vendor"], line["count"]) for line in lines]


@sqlite_only
def test_the_segment_that_is_one_too_many_raises_an_alarm(
    desk: Desk, environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    message_id = owe(desk)
    cost = segments(decided(desk, message_id))
    watch_spend(environment, alarm=3 * cost)

    decided(desk, message_id)
    before = alarms(caplog)
    decided(desk, message_id)

    assert before == []
    assert alarms(caplog) == [("twilio", 3 * cost)]


def test_an_alarm_about_what_is_spent_is_raised_once_a_day_and_not_with_each_message(
    desk: Desk, environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    watch_spend(environment, alarm=1)
    message_id = owe(desk)

    first_day = [decided(desk, message_id, at=NOW + place * timedelta(hours=4)) for place in range(6)]
    of_first_day = len(alarms(caplog))
    decided(desk, message_id, at=NOW + timedelta(days=1))

    assert all(isinstance(decision, Go) for decision in first_day)
    assert (of_first_day, len(alarms(caplog))) == (1, 2)


@sqlite_only
def test_a_message_as_long_as_the_days_budget_raises_one_alarm(
    desk: Desk, environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    watch_spend(environment, alarm=2)
    message_id = owe(desk)

    costs = [segments(decided(desk, message_id)) for _ in range(3)]

    assert costs[0] > 2
    assert alarms(caplog) == [("twilio", costs[0])]


@sqlite_only
def test_each_account_has_a_day_of_its_own(
    desk: Desk, environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    message_id = owe(desk)
    for name in ("one", "other"):
        watch_spend(environment, alarm=1, accounts=(name,))
        decided(desk, message_id)

    assert [vendor for vendor, _ in alarms(caplog)] == ["one", "other"]


@sqlite_only
def test_mail_costs_no_segments(desk: Desk, environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    watch_spend(environment, alarm=1)

    decided(desk, owe(desk, email="hanako@example.jp"))

    assert alarms(caplog) == []


def decide_and_fail(desk: Desk, message_id: UUID) -> None:
    with desk.database.transaction() as session:
        message = session.get_one(Message, message_id)
        decide(session, message, session.get_one(Booking, message.booking_id), ATTEMPT, now=NOW)
        raise LookupError


@sqlite_only
def test_what_was_rolled_back_was_not_spent(
    desk: Desk, environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    watch_spend(environment, alarm=1)
    message_id = owe(desk)

    with pytest.raises(LookupError):
        decide_and_fail(desk, message_id)

    assert alarms(caplog) == []
