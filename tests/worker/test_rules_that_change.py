"""A shop's rules change beside its bookings: those keep what they were promised, and none slips through (B10, B11)."""

from collections.abc import Callable
from datetime import timedelta
from threading import Thread
from time import monotonic, sleep
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from models.customer import Channel
from models.errors import ConflictsStand, Refusal, SlotUnknown
from models.menu import Menu
from models.shop import Shop
from models.shop_version import ShopVersion
from models.staff import StaffMember
from models.terms import Consent, GoverningTerms, Party
from tests.conftest import StoppedTime
from tests.worker.desk import MINUTE, NOW, OTHER_SLOT, SLOT, Desk, phone, postgresql_only, sqlite_only
from worker import bookings, shop_feed, terms
from worker.customers import Contact
from worker.database import Database

SHOP = "queens-court"
DAY = timedelta(days=1)


@pytest.fixture
def desk(seeded: Database, time: StoppedTime) -> Desk:
    return Desk(seeded)


def closed_on_tuesday(session: Session) -> dict[str, Any]:
    """Return the shop's profile, closed on the day of `SLOT`."""
    profile = shop_feed.profile_of(session, session.get_one(Shop, SHOP))
    calendar = profile["calendar"] | {"exceptions": {"2030-06-04": []}}
    return shop_feed.checked(profile | {"calendar": calendar})


def feed(session: Session) -> None:
    profile = closed_on_tuesday(session)
    shop_feed.feed(session, SHOP, profile, read_version=0, accepted=None, by="pos", now=NOW)


# A booking keeps its length


def changed(desk: Desk, booking_id: UUID) -> None:
    desk.change(booking_id, starts_at=OTHER_SLOT)


def moved(desk: Desk, booking_id: UUID) -> None:
    with desk.locked(booking_id) as (session, booking):
        bookings.move(
            session, booking, starts_at=OTHER_SLOT, expected_revision=1, now=NOW, actor="key:pos", reason="staff_ill"
        )


@sqlite_only
@pytest.mark.parametrize("menu", ["fitting", None])
@pytest.mark.parametrize("act", [changed, moved])
def test_a_booking_keeps_its_length_when_calls_become_shorter(
    desk: Desk, act: Callable[[Desk, UUID], None], menu: str | None
) -> None:
    if menu:
        with desk.database.transaction() as session:
            names = {"name_ja": menu, "name_en": menu}
            session.add(Menu(shop_id=SHOP, id=menu, **names, minutes=60, enabled=True, position=0))
    booking_id = desk.confirm(menu_id=menu)
    before = desk.booking(booking_id)
    with desk.database.transaction() as session:
        shop = session.get_one(Shop, SHOP)
        shop.calendar_rules = shop.calendar_rules | {"slot_minutes": 10}
        session.execute(update(Menu).values(minutes=10))

    act(desk, booking_id)

    after = desk.booking(booking_id)
    assert (after.starts_at, after.ends_at - after.starts_at) == (OTHER_SLOT, before.ends_at - before.starts_at)


# Beside each other


def taking(what: str, desk: Desk) -> Callable[[], Any]:
    """Return what takes the slot, by whoever is let through."""
    if what == "hold":
        return lambda: desk.hold(number=71)
    booking_id = desk.confirm(starts_at=OTHER_SLOT)
    if what == "change":
        return lambda: desk.change(booking_id, starts_at=SLOT)

    def move() -> None:
        with desk.locked(booking_id) as (session, booking):
            bookings.move(
                session, booking, starts_at=SLOT, expected_revision=1, now=NOW, actor="key:pos", reason="staff_ill"
            )

    return move


takings = pytest.mark.parametrize("what", ["hold", "change", "move"])


@postgresql_only
@takings
def test_whoever_comes_while_the_rules_change_goes_by_the_new_ones(desk: Desk, what: str) -> None:
    take, outcome = taking(what, desk), list[Refusal | None]()

    def attempt() -> None:
        try:
            take()
        except Refusal as refusal:
            outcome.append(refusal)

    waiting = Thread(target=attempt)
    with desk.database.transaction() as session:
        feed(session)
        session.flush()
        waiting.start()
        until_somebody_waits(desk)
    waiting.join()

    assert [type(refusal) for refusal in outcome] == [SlotUnknown]


@postgresql_only
def test_a_change_shows_whoever_was_let_through_before_it(desk: Desk) -> None:
    outcome = list[Refusal]()

    def attempt() -> None:
        with pytest.raises(ConflictsStand) as refused, desk.database.transaction() as session:
            feed(session)
        outcome.append(refused.value)

    changing = Thread(target=attempt)
    with desk.database.transaction() as session:
        wish = bookings.Wish(SHOP, SLOT, Contact(Channel.SMS, phone(71)), "ja", customer_ip="192.0.2.71")
        bookings.hold(session, wish, received_at=NOW)
        changing.start()
        until_somebody_waits(desk)
    changing.join()

    assert outcome[0].facts["conflicts_found"] == 1


@postgresql_only
def test_what_only_names_the_shop_waits_for_no_change_of_its_rules(desk: Desk) -> None:
    with desk.database.transaction() as session:
        feed(session)

        with desk.database.transaction() as beside:
            beside.execute(text("SET LOCAL lock_timeout = '2s'"))
            beside.add(StaffMember(shop_id=SHOP, id="hana", name_ja="花", name_en="Hana", seat=None, hours=None))


def until_somebody_waits(desk: Desk) -> None:
    give_up_at = monotonic() + 10
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    while monotonic() < give_up_at:
        with desk.database.snapshot() as session:
            if session.scalars(query).one():
                return
        sleep(0.02)
    raise AssertionError("nobody waits")


# What is on record


def publish(desk: Desk, effective_at: Any) -> None:
    url = "https://www.example.jp/terms/platform-terms/2030-06-04"
    given = terms.Given("platform-terms", "2030-06-04", url, "0" * 64, effective_at, Party.PLATFORM, None)
    with desk.database.transaction() as session:
        terms.publish(session, given, by="operator", now=NOW)


@sqlite_only
def test_a_customer_agrees_to_the_version_that_the_form_showed(desk: Desk) -> None:
    """B35: the form at 23:58, the code at 00:03, and between the two another version."""
    holds_from = NOW + DAY
    earlier = desk.confirm()
    publish(desk, holds_from)
    booking_id = desk.hold(holds_from - 2 * MINUTE, starts_at=OTHER_SLOT)

    desk.enter(booking_id, at=holds_from + 3 * MINUTE)

    shown = {(each.document_id, each.version) for each in desk.consents(earlier)}
    assert len(shown) == 2, "ours and the provider's"
    assert {(each.document_id, each.version) for each in desk.consents(booking_id)} == shown


@pytest.mark.parametrize("table", [Consent, GoverningTerms, ShopVersion])
@pytest.mark.parametrize("deed", ["UPDATE {} SET {column} = 'other'", "DELETE FROM {}"])
def test_what_is_on_record_is_neither_changed_nor_removed(desk: Desk, table: Any, deed: str) -> None:
    booking_id = desk.confirm(starts_at=OTHER_SLOT)
    with desk.database.transaction() as session:
        terms.record_governing(session, booking_id, at=NOW)
        terms.record_governing(session, booking_id, at=NOW)
        feed(session)
    column = "by" if table is ShopVersion else "url"

    with pytest.raises(IntegrityError, match="is append-only"), desk.database.transaction() as session:
        session.execute(text(deed.format(table.__tablename__, column=f'"{column}"')))
