"""What a customer and the shop's staff hear when the shop moves a booking."""

from uuid import UUID

import pytest

from models.message import Kind, State
from tests.tasks.conftest import Workshop
from tests.worker.desk import MINUTE, NOW, OTHER_SLOT, phone, sqlite_only
from worker import bookings, links
from worker.links import LinkRole

pytestmark = sqlite_only


@pytest.fixture
def moved(shop_floor: Workshop) -> UUID:
    """Return a booking that the shop has just moved, with everything sent."""
    booking_id = shop_floor.confirm()
    shop_floor.work()
    with shop_floor.locked(booking_id) as (session, booking):
        bookings.move(
            session,
            booking,
            starts_at=OTHER_SLOT,
            expected_revision=1,
            now=NOW + MINUTE,
            actor="key:pos",
            reason="staff_ill",
        )
    shop_floor.work()
    return booking_id


def test_the_customer_is_told_once_with_an_apology(shop_floor: Workshop, moved: UUID) -> None:
    assert shop_floor.delivered(Kind.BOOKING_MOVED) == 1
    assert "お詫び" in shop_floor.last_text(phone(12))


def test_the_message_bears_the_new_call_url_and_not_the_old_one(shop_floor: Workshop, moved: UUID) -> None:
    text = shop_floor.last_text(phone(12))

    assert links.token(LinkRole.CUSTOMER_CALL, moved, 2) in text
    assert links.token(LinkRole.CUSTOMER_CALL, moved, 1) not in text


def test_the_booking_page_is_there_for_whom_the_time_does_not_suit(shop_floor: Workshop, moved: UUID) -> None:
    text = shop_floor.last_text(phone(12))

    assert links.token(LinkRole.BOOKING_PAGE, moved) in text
    assert "変更・取消は" in text


def test_the_staff_are_told_of_the_new_time(shop_floor: Workshop, moved: UUID) -> None:
    assert shop_floor.message(Kind.SHOP_BOOKING_CHANGED).state in {State.SENT, State.DELIVERED}


def test_nothing_of_the_old_time_is_sent_any_more(shop_floor: Workshop, moved: UUID) -> None:
    shop_floor.time.move_to(shop_floor.booking(moved).starts_at)
    shop_floor.work()

    assert {
        message.revision for message in shop_floor.messages(Kind.BOOKING_REMINDER_EVE, Kind.BOOKING_REMINDER_DAY)
    } == {2}
