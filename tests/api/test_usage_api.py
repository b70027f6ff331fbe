"""What a shop's month has used: minutes of calls and parts of SMS, for the platform's eyes."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from models.access import Scope
from models.booking import Booking, Side, Status
from models.call import Call
from models.call import Status as CallStatus
from models.message import Accepted, Attempt, Message, Refused, Unknown
from tests.api.calling import SLOT, Caller, at
from tests.conftest import StoppedTime
from tests.worker.desk import NOBODY_LISTENS
from worker.chance import new_id
from worker.clock import unix_ms
from worker.database import Database

BEGINS_AT = at(SLOT)


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """SQLite alone: what is asked for here, no database decides."""
    file = tmp_path / "toritsugi.db"
    file.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{file}"


@pytest.fixture(autouse=True)
def vendors_away(environment: pytest.MonkeyPatch) -> None:
    """Nobody carries a message; what was sent is written into the rows."""
    environment.setenv("TWILIO_API_URL", NOBODY_LISTENS)
    environment.setenv("SENDGRID_API_URL", NOBODY_LISTENS)


@pytest.fixture
def caller(seeded: Database, time: StoppedTime) -> Caller:
    return Caller.of(seeded, time)


def usage(caller: Caller, shop: str = "queens-court", month: str | None = "2030-06", **headers: Any) -> Any:
    params = {"shop": shop} | ({"month": month} if month else {})
    return caller.http.get("/v1/usage", params=params, **headers)


def talked(caller: Caller, booking_id: UUID, seconds: int) -> None:
    """Let both sides have been in a booked call for so long."""
    with caller.locked(booking_id) as (_, booking):
        booking.enter(Side.CUSTOMER, now=booking.starts_at)
        booking.enter(Side.STAFF, now=booking.starts_at)
        booking.see(Side.CUSTOMER, left_at=booking.starts_at + timedelta(seconds=seconds))
        booking.see(Side.STAFF, left_at=booking.starts_at + timedelta(seconds=seconds))
        booking.end(now=booking.entry_closes_at, revision=1)
        assert booking.status is Status.COMPLETED


def called(caller: Caller, began_at: datetime, seconds: int) -> None:
    """Let there have been a call at once."""
    with caller.database.transaction() as session:
        session.add(
            Call(
                id=new_id(unix_ms()),
                shop_id="queens-court",
                language="ja",
                status=CallStatus.ENDED,
                requested_at=began_at,
                customer_entered_at=began_at,
                staff_entered_at=began_at,
                ended_at=began_at + timedelta(seconds=seconds),
                caller="pages",
            )
        )


def sent(caller: Caller, answer: Any, *, segments: int | None = 3, started_at: datetime = BEGINS_AT) -> None:
    """Let one of the shop's messages have been handed to a vendor."""
    with caller.database.transaction() as session:
        message = session.scalars(select(Message).where(Message.shop_id == "queens-court")).first()
        if message is None:
            booking = session.scalars(select(Booking)).first()
            assert booking is not None
            message = message_of(booking)
            session.add(message)
            session.flush()
        attempt = Attempt(
            id=new_id(unix_ms()), message_id=message.id, vendor="twilio", started_at=started_at, segments=segments
        )
        attempt.record(answer, now=started_at)
        session.add(attempt)


def message_of(booking: Booking) -> Message:
    return Message(
        id=new_id(unix_ms()),
        kind="booking_confirmed",
        channel="sms",
        language="ja",
        shop_id=booking.shop_id,
        booking_id=booking.id,
        facts={},
        once_key="the only one",
        state="sent",
        tries=1,
        created_at=booking.created_at,
        expires_at=booking.ends_at,
    )


def test_a_month_without_anything_has_used_nothing(caller: Caller) -> None:
    answer = usage(caller).json()

    assert answer["booked_calls"] == answer["calls_at_once"] == {"count": 0, "minutes": 0, "seconds": 0}
    assert (answer["sms"], answer["mail"]) == ({"messages": 0, "segments": 0}, {"messages": 0})


def test_a_month_is_the_shops_own(caller: Caller) -> None:
    answer = usage(caller).json()

    assert (answer["begins_at"], answer["ends_at"]) == ("2030-05-31T15:00:00Z", "2030-06-30T15:00:00Z")


def test_without_a_month_it_is_the_present_one(caller: Caller) -> None:
    assert usage(caller, month=None).json()["month"] == "2030-06"


def test_december_ends_with_the_year(caller: Caller) -> None:
    assert usage(caller, month="2030-12").json()["ends_at"] == "2030-12-31T15:00:00Z"


def test_a_booked_call_counts_every_minute_that_was_begun(caller: Caller) -> None:
    talked(caller, caller.booked(), 61)

    assert usage(caller).json()["booked_calls"] == {"count": 1, "minutes": 2, "seconds": 61}


def test_a_booking_that_became_no_call_counts_for_nothing(caller: Caller) -> None:
    caller.booked()

    assert usage(caller).json()["booked_calls"]["count"] == 0


def test_a_call_at_once_counts_likewise(caller: Caller) -> None:
    called(caller, BEGINS_AT, 120)

    assert usage(caller).json()["calls_at_once"] == {"count": 1, "minutes": 2, "seconds": 120}


def test_a_call_of_another_month_is_not_in_it(caller: Caller) -> None:
    called(caller, at("2030-05-31T14:59:59Z"), 120)
    called(caller, at("2030-06-30T15:00:00Z"), 120)

    assert usage(caller).json()["calls_at_once"]["count"] == 0


def test_an_sms_counts_its_parts_once_a_vendor_may_have_sent_it(caller: Caller) -> None:
    caller.booked()
    sent(caller, Accepted("SM" + "0" * 32), segments=3)
    sent(caller, Unknown("no_answer"), segments=2)
    sent(caller, Refused("21211"), segments=7)

    assert usage(caller).json()["sms"] == {"messages": 2, "segments": 5}


def test_another_shop_pays_for_none_of_it(caller: Caller) -> None:
    talked(caller, caller.booked(), 61)

    assert usage(caller, "fred").json()["booked_calls"]["count"] == 0


@pytest.mark.parametrize("month", ["2030-13", "2030-6", "june", "0001-01", "9999-12"])
def test_what_is_no_month_is_refused(caller: Caller, month: str) -> None:
    assert usage(caller, month=month).status_code == 422


def test_an_unknown_shop_has_no_usage(caller: Caller) -> None:
    assert usage(caller, "nowhere").status_code == 404


def test_only_operators_may_read_it(caller: Caller) -> None:
    key = caller.key("reader", Scope.SHOPS_READ)

    assert usage(caller, headers=key).status_code == 403


def test_a_key_of_another_shop_may_not_read_it(caller: Caller) -> None:
    key = caller.key("fred-operator", Scope.OPERATOR, shops=["fred"])

    assert usage(caller, headers=key).status_code == 404
