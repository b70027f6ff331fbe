"""What is kept how long: a contact for the shop's days, its trail of events for many more (B37, B43)."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import DBAPIError

from models.booking import BookingEvent, BookingStub, Side, Status
from models.call import Call, CallEvent, CallRing, CallStub, Refused
from models.call_fact import CallFact, Category, FactKind
from models.customer import Customer, DataKey, Erased
from models.errors import IllegalMove
from models.inquiry import Topic
from models.item import CatalogueItem
from models.job import Name
from models.limit import Cap, Counter
from models.shop import Shop
from tests.worker.desk import MINUTE, MOMENT, NOW, OTHER_SLOT, Desk, postgresql_only, sqlite_only
from worker import inquiries, items, limits
from worker.commands.retention import main
from worker.database import Database
from worker.in_call import facts, reporting
from worker.people import looking, retention
from worker.seals import Place, seal

SHOP = "queens-court"
DAY = timedelta(days=1)
OVER = NOW + MINUTE
"""When the booking was cancelled."""


@pytest.fixture
def desk(seeded: Database, time: Any) -> Desk:
    desk = Desk(seeded)
    desk.set_shop(SHOP, contact_days=30, trail_days=365)
    return desk


@pytest.fixture
def over(desk: Desk) -> UUID:
    """A booking that was cancelled a minute after it was made."""
    booking_id = desk.confirm(shop=SHOP, name="山田花子")
    desk.cancel(booking_id, OVER)
    return booking_id


def purge(desk: Desk, now: datetime) -> None:
    with desk.database.transaction() as session:
        retention.purge(session, SHOP, now=now)


def owed(desk: Desk, now: datetime) -> list[str]:
    return retention.owe_purges(desk.database, now=now)


def erased(desk: Desk, booking_id: UUID) -> Erased | None:
    with desk.database.snapshot() as session:
        return session.get_one(Customer, desk.booking(booking_id).customer_id).erased_because


def has_key(desk: Desk, subject: UUID) -> bool:
    with desk.database.snapshot() as session:
        return session.get(DataKey, subject) is not None


def test_a_contact_goes_when_the_shops_days_are_over(desk: Desk, over: UUID) -> None:
    purge(desk, OVER + 30 * DAY)

    assert erased(desk, over) is Erased.RETENTION
    assert not has_key(desk, desk.booking(over).customer_id)


@sqlite_only
def test_not_a_moment_before(desk: Desk, over: UUID) -> None:
    purge(desk, OVER + 30 * DAY - MOMENT)

    assert erased(desk, over) is None


@sqlite_only
def test_the_days_run_from_the_end_of_the_last_booking(desk: Desk, over: UUID) -> None:
    another = desk.confirm(NOW + 20 * DAY, shop=SHOP, starts_at=OTHER_SLOT + 21 * DAY)
    desk.cancel(another, NOW + 20 * DAY)

    purge(desk, OVER + 30 * DAY)

    assert erased(desk, over) is None


@sqlite_only
def test_who_has_a_booking_before_them_is_kept_however_long(desk: Desk) -> None:
    booking_id = desk.confirm(shop=SHOP)

    purge(desk, NOW + 400 * DAY)

    assert erased(desk, booking_id) is None


@sqlite_only
@pytest.mark.parametrize(("later", "because"), [(6 * DAY, None), (7 * DAY, Erased.RETENTION)])
def test_who_was_asked_for_help_is_kept_while_the_request_waits(
    desk: Desk, over: UUID, later: timedelta, because: Erased | None
) -> None:
    at = OVER + 30 * DAY - MINUTE
    with desk.database.transaction() as session:
        customer = session.get_one(Customer, desk.booking(over).customer_id)
        looking.ask(session, customer, "ご利用の端末をお知らせください", by="key:desk", reason="support 1", now=at)

    purge(desk, at + later)

    assert erased(desk, over) is because


@sqlite_only
def test_a_hold_that_came_to_nothing_is_forgotten_too(desk: Desk) -> None:
    booking_id = desk.hold(shop=SHOP)
    with desk.locked(booking_id) as (_, booking):
        booking.release(because="expired", at=NOW + 10 * MINUTE)  # type: ignore[arg-type]  # as it is stored

    purge(desk, NOW + 31 * DAY)

    assert erased(desk, booking_id) is Erased.RETENTION


@sqlite_only
def test_each_shop_has_its_own_days(desk: Desk, over: UUID) -> None:
    elsewhere = desk.confirm(shop="fred")
    desk.cancel(elsewhere, OVER)

    purge(desk, OVER + 30 * DAY)

    assert (erased(desk, over), erased(desk, elsewhere)) == (Erased.RETENTION, None)


# Callers without a contact


def called(desk: Desk) -> UUID:
    call_id = UUID(int=0xCA11)
    with desk.database.transaction() as session:
        sealed = seal(session, Place(call_id, "calls", "sealed_memo", call_id), "canary memo")
        call = Call(id=call_id, shop_id=SHOP, language="ja", requested_at=NOW, caller="pages", sealed_memo=sealed)
        call.refuse(Refused.ALL_BUSY, at=NOW)
        session.add(call)
    return call_id


def report_call(desk: Desk, call_id: UUID, *, at: datetime) -> None:
    """Report the call's conduct; the caller wrote nothing."""
    with desk.database.transaction() as session:
        call = session.get_one(Call, call_id)
        call.sealed_memo = None
        reporting.report(session, call, Category.ABUSE, "canary", staff_id=None, actor="key:desk", now=at)


@sqlite_only
def test_what_a_caller_without_a_contact_wrote_goes_as_well(desk: Desk) -> None:
    call_id = called(desk)

    purge(desk, NOW + 30 * DAY)

    with desk.database.snapshot() as session:
        assert session.get_one(Call, call_id).sealed_memo is None
    assert not has_key(desk, call_id)


@sqlite_only
def test_so_does_what_such_a_caller_typed_as_an_item(desk: Desk) -> None:
    call_id = called(desk)
    with desk.database.transaction() as session:
        call = session.get_one(Call, call_id)
        call.sealed_memo, call.item_codes = None, ["090-1234-5678"]

    too_early, due = owed(desk, NOW + 29 * DAY), owed(desk, NOW + 30 * DAY)
    purge(desk, NOW + 30 * DAY)

    assert (too_early, due) == ([], [SHOP])
    with desk.database.snapshot() as session:
        assert session.get_one(Call, call_id).item_codes == []


@sqlite_only
def test_what_staff_reported_of_such_a_caller_goes_with_it_and_none_comes_later(desk: Desk) -> None:
    call_id = called(desk)
    report_call(desk, call_id, at=NOW)

    purge(desk, NOW + 30 * DAY)

    with pytest.raises(IllegalMove):
        report_call(desk, call_id, at=NOW + 30 * DAY)
    assert not has_key(desk, call_id)


# The trail


@sqlite_only
def test_the_trail_of_a_call_at_once_goes_too_refused_or_not(desk: Desk) -> None:
    call_id = called(desk)
    with desk.database.transaction() as session:
        call = session.get_one(Call, call_id)
        session.add(CallRing(call_id=call_id, staff_id="hana", rung_at=NOW))
        facts.record(session, call, facts.Told.by_page(call, FactKind.FAILED, Side.CUSTOMER, at=NOW), received_at=NOW)

    purge(desk, NOW + 365 * DAY)

    with desk.database.snapshot() as session:
        left = [session.scalars(select(table)).all() for table in (CallEvent, CallRing, CallFact)]
        assert (left, session.get_one(CallStub, call_id).length) == ([[], [], []], 2)


@pytest.mark.parametrize(
    "change", [update(CallEvent).values(kind="connected"), delete(CallEvent)], ids=["rewriting", "deleting"]
)
def test_before_that_the_database_itself_refuses_to_touch_it(desk: Desk, change: Any) -> None:
    call_id = called(desk)

    with pytest.raises(DBAPIError), desk.database.transaction() as session:
        session.execute(change.where(CallEvent.call_id == call_id))

    with desk.database.snapshot() as session:
        assert list(session.scalars(select(CallEvent.kind))) == ["refused"]


@sqlite_only
def test_the_trail_outlives_the_contact(desk: Desk, over: UUID) -> None:
    before = desk.trail(over)

    purge(desk, OVER + 30 * DAY)

    assert desk.trail(over) == before


def test_when_its_own_time_is_over_a_stub_is_left_that_says_how_long_it_was(desk: Desk, over: UUID) -> None:
    length = len(desk.trail(over))

    purge(desk, OVER + 365 * DAY)

    with desk.database.snapshot() as session:
        stub = session.get_one(BookingStub, over)
    assert (desk.trail(over), stub.length) == ([], length)
    assert desk.booking(over).status is Status.CANCELLED


@sqlite_only
def test_it_never_goes_before_the_contact_whatever_the_numbers_say(desk: Desk, over: UUID) -> None:
    desk.set_shop(SHOP, contact_days=30, trail_days=1)

    purge(desk, OVER + 20 * DAY)

    assert desk.trail(over) != []


@pytest.mark.parametrize(
    "change",
    [update(BookingEvent).values(kind="confirmed"), delete(BookingEvent)],
    ids=["rewriting", "deleting"],
)
def test_the_database_itself_refuses_to_rewrite_it(desk: Desk, over: UUID, change: Any) -> None:
    with pytest.raises(DBAPIError), desk.database.transaction() as session:
        session.execute(change.where(BookingEvent.booking_id == over))

    assert len(desk.trail(over)) > 1


# Owing it


@sqlite_only
def test_a_shop_that_keeps_too_much_is_owed_one_purge(desk: Desk, over: UUID) -> None:
    first, again = owed(desk, OVER + 30 * DAY), owed(desk, OVER + 30 * DAY)

    assert (first, again) == ([SHOP], [])
    assert [job.args for job in desk.jobs(Name.PURGE_CUSTOMERS)] == [{"shop_id": SHOP}]
    assert erased(desk, over) is None


@sqlite_only
def test_a_shop_that_keeps_nothing_too_long_is_owed_none(desk: Desk, over: UUID) -> None:
    assert owed(desk, OVER + 29 * DAY) == []
    assert erased(desk, over) is None


@sqlite_only
def test_what_one_job_cannot_do_is_anothers(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 1)
    for number in (12, 13):
        desk.cancel(desk.confirm(shop=SHOP, number=number), OVER)

    purge(desk, OVER + 30 * DAY)

    assert len(desk.jobs(Name.PURGE_CUSTOMERS)) == 1


@sqlite_only
def test_counts_of_windows_that_are_over_go_as_well(desk: Desk) -> None:
    with desk.database.transaction() as session:
        limits.count(session, "holds:fred:digest", Cap(1, timedelta(hours=1)), now=NOW)

    gone = retention.forget_counts(desk.database, now=NOW + 2 * DAY)

    assert gone == 1
    with desk.database.snapshot() as session:
        assert session.scalars(select(func.count()).select_from(Counter)).one() == 0


def test_what_a_catalogue_said_goes_once_nobody_has_asked_for_a_week(desk: Desk) -> None:
    asked = items.Question(SHOP, ("R-1024", "090-1234-5678"), ())
    with desk.database.transaction() as session:
        items.learn(session, asked, {}, now=NOW)
        items.learn(session, replace(asked, codes=("R-1024",)), {}, now=NOW + DAY)

    gone = retention.forget_items(desk.database, now=NOW + 7 * DAY)

    assert gone == 1
    with desk.database.snapshot() as session:
        assert session.scalars(select(CatalogueItem.code)).all() == ["R-1024"]


@postgresql_only
def test_tidying_up_waits_for_no_count_that_is_being_made(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_COUNTERS_AT_ONCE", 1)
    cap = Cap(1, timedelta(hours=1))
    with desk.database.transaction() as session:
        for key in ("a", "b", "c"):
            limits.count(session, key, cap, now=NOW)

    with desk.database.transaction() as busy:
        limits.count(busy, "b", cap, now=NOW + 2 * DAY)
        gone = retention.forget_counts(desk.database, now=NOW + 2 * DAY)

    with desk.database.snapshot() as session:
        assert (gone, list(session.scalars(select(Counter.key)))) == (2, ["b"])


# The report


@sqlite_only
def test_the_report_counts_what_is_kept_due_and_gone(desk: Desk, over: UUID) -> None:
    purge(desk, OVER + 30 * DAY)
    desk.cancel(desk.confirm(OVER + 30 * DAY, shop=SHOP, number=13, starts_at=OTHER_SLOT + 35 * DAY), OVER + 30 * DAY)

    with desk.database.snapshot() as session:
        shop = session.get_one(Shop, SHOP)
        report = retention.report(session, shop, now=OVER + 60 * DAY)

    assert erased(desk, over) is Erased.RETENTION
    assert (report.kept, report.due, report.erased, report.trails) == (1, 1, {"retention": 1}, 2)


@sqlite_only
def test_callers_trails_and_forgotten_inquiries_are_counted_too(desk: Desk, over: UUID) -> None:
    called(desk)
    with desk.locked(over) as (session, booking):
        inquiry = inquiries.receive(session, booking, Topic.ITEM, "canary", language="ja", received_at=OVER)
        inquiries.route(session, inquiry, now=OVER)
    later = OVER + 365 * DAY

    with desk.database.snapshot() as session:
        report = retention.report(session, session.get_one(Shop, SHOP), now=later)

    # The customer, the caller, and the caller's trail; the booking's waits for the customer to go.
    assert (report.due, report.inquiries_overdue) == (3, 1)


@sqlite_only
def test_the_command_says_so_and_that_something_is_late(
    desk: Desk, over: UUID, time: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    before = main(["--shop", SHOP])
    time.move_to(OVER + 31 * DAY)

    late = main(["--shop", SHOP, "--owe"])

    told = capsys.readouterr().out
    assert (before, late) == (0, 1)
    assert f"owed: {SHOP}" in told
    assert "1 customers kept (30 days), 1 due" in told
    assert erased(desk, over) is None
