"""A day's reminders fall due together: chunks that meet the same shops in another order must not block each other."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from functools import partial
from importlib import import_module
from uuid import UUID

import pytest
from sqlalchemy import select

from models.job import Name
from models.message import Kind, Message
from models.shop import Shop
from tests.conftest import StoppedTime
from tests.worker.desk import Desk, at_once, postgresql_only
from worker import jobs, slots
from worker.database import Database
from worker.jobs import Outcome

SHOPS = ("queens-court", "attachment", "fred", "lautreamont")
A_SHOP = 5
CHUNKS = 4


@pytest.fixture
def desk(seeded: Database, time: StoppedTime) -> Desk:
    import_module("tasks.bookings")
    return Desk(seeded)


def free(desk: Desk, shop_id: str, at: datetime) -> Iterator[datetime]:
    with desk.database.snapshot() as session:
        shop = session.get_one(Shop, shop_id)
        for slot in list(slots.free_slots(session, shop, date(2030, 6, 6), date(2030, 6, 7), now=at))[:A_SHOP]:
            yield slot.starts_at


@postgresql_only
def test_chunks_that_meet_the_same_shops_in_another_order_do_not_wait_for_each_other(
    desk: Desk, time: StoppedTime
) -> None:
    by_shop: dict[str, list[UUID]] = {}
    number = 100
    for shop_id in SHOPS:
        for starts_at in list(free(desk, shop_id, time.at)):
            desk.confirm(shop=shop_id, starts_at=starts_at, number=number)
            number += 1
        by_shop[shop_id] = _reminders(desk, shop_id)
    time.advance(days=2, hours=9)
    chunks = [_rotated(by_shop, place) for place in range(CHUNKS)]

    results = at_once(*[partial(jobs.perform_chunk, Name.REMIND_ON_EVE, chunk) for chunk in chunks])

    outcomes = [outcome for result in results for outcome in _outcomes(result)]
    assert outcomes == [Outcome.DONE] * len(SHOPS) * A_SHOP


@postgresql_only
def test_a_shop_gets_one_list_however_many_chunks_owed_it(desk: Desk, time: StoppedTime) -> None:
    for place, starts_at in enumerate(list(free(desk, "queens-court", time.at))):
        desk.confirm(shop="queens-court", starts_at=starts_at, number=100 + place)
    reminders = _reminders(desk, "queens-court")
    time.advance(days=2, hours=9)

    at_once(*[partial(jobs.perform_chunk, Name.REMIND_ON_EVE, [reminder]) for reminder in reminders])
    for owed in desk.jobs(Name.LIST_DAY):
        jobs.perform(owed.id)

    with desk.database.snapshot() as session:
        assert len(session.scalars(select(Message).where(Message.kind == Kind.SHOP_DAY_LIST)).all()) == 1


def _reminders(desk: Desk, shop_id: str) -> list[UUID]:
    mine = {str(booking.id) for booking in desk.bookings() if booking.shop_id == shop_id}
    return [job.id for job in desk.jobs(Name.REMIND_ON_EVE) if job.args["booking_id"] in mine]


def _rotated(by_shop: Mapping[str, list[UUID]], place: int) -> list[UUID]:
    """Return every fourth reminder of each shop, the shops in an order of this chunk's own."""
    order = [*SHOPS[place:], *SHOPS[:place]]
    return [reminder for shop_id in order for reminder in by_shop[shop_id][place::CHUNKS]]


def _outcomes(result: object) -> list[object]:
    return list(result.values()) if isinstance(result, Mapping) else [result]
