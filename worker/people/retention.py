"""What is kept how long, and what goes then: contacts first, the trail of events much later (B37, B43).

A customer's time runs from the end of the last booking, call, inquiry or proof, and is not over in the week after we
asked them something. Periods are the shop's own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from models.base import Base
from models.booking import Booking, BookingEvent, BookingStub
from models.call import LIVE as LIVE_CALLS
from models.call import Call, CallEvent, CallRing, CallStub
from models.call_fact import CallFact, ConductReport
from models.customer import Customer, Erased
from models.errors import StillOpen
from models.inquiry import CustomerRequest, Inquiry
from models.item import CatalogueItem
from models.job import Job, Name
from models.limit import Counter
from models.shop import Shop
from models.verification import Verification
from worker import inquiries
from worker.database import Database
from worker.jobs import enqueue
from worker.people import keeping
from worker.people.erasing import OPEN_BOOKINGS, erase
from worker.people.looking import HELPS_FOR

AT_ONCE = 20
"""How many customers, calls and trails one job forgets; more are another job's. Who books waits for it meanwhile."""
_COUNTERS_KEPT = timedelta(days=1)
_ITEMS_KEPT = timedelta(days=7)
_COUNTERS_AT_ONCE = 1000


@dataclass(frozen=True)
class Report:
    """How one shop stands with what it keeps.

    Attributes:
        kept: customers whose contact is kept.
        due: customers, callers without a contact and trails whose time is over; they are gone within the hour.
        erased: why → how many.
        trails: bookings and calls at once whose trail is kept.
        trails_gone: bookings and calls of which a stub is left.
        inquiries_overdue: handed over long ago, and nobody wrote down that they were answered. They keep nothing.
    """

    shop: str
    contact_days: int
    trail_days: int
    kept: int
    due: int
    erased: dict[str, int]
    trails: int
    trails_gone: int
    inquiries_overdue: int


def owe_purges(on: Database, *, now: datetime) -> list[str]:
    """Owe a purge to every shop that keeps something too long and is owed none; return which.

    Looking takes long, so it is done in a snapshot, which keeps nobody from writing. A purge too many finds nothing.
    """
    with on.snapshot() as session:
        owed = {job.args["shop_id"] for job in session.scalars(select(Job).where(Job.name == Name.PURGE_CUSTOMERS))}
        late = [shop for shop in session.scalars(select(Shop).order_by(Shop.id)) if shop.id not in owed]
        due = [shop.id for shop in late if any(_any(session, query) for query in _everything_due(shop, now))]
    if due:
        with on.transaction() as session:
            for shop_id in due:
                enqueue(session, Name.PURGE_CUSTOMERS, shop_id=shop_id)
    return due


def forget_counts(on: Database, *, now: datetime) -> int:
    """Delete counts of windows that are long over, some at a time; return how many.

    One that is being counted on just now is let be, and they are taken in one order: this waits for nobody.
    """
    return _tidy(on, Counter, (Counter.key,), Counter.window_ends_at < now - _COUNTERS_KEPT)


def forget_items(on: Database, *, now: datetime) -> int:
    """Delete what catalogues said of items that nobody has asked for lately; return how many.

    Anybody may type anything as an item's code, and what is still wanted is looked up again before the call.
    """
    key = (CatalogueItem.shop_id, CatalogueItem.code)
    return _tidy(on, CatalogueItem, key, CatalogueItem.looked_up_at <= now - _ITEMS_KEPT)


def _tidy(on: Database, table: type[Base], key: Sequence[Any], is_over: ColumnElement[bool]) -> int:
    over = select(*key).where(is_over)
    some = over.order_by(*key).limit(_COUNTERS_AT_ONCE).with_for_update(skip_locked=True)
    gone = 0
    while True:
        with on.snapshot() as session:
            if session.execute(over.limit(1)).first() is None:
                return gone
        with on.transaction() as session:
            rows = [tuple(row) for row in session.execute(some)]
            session.execute(delete(table).where(tuple_(*key).in_(rows)))
        gone += len(rows)
        if not rows:
            return gone


def purge(session: Session, shop_id: str, *, now: datetime) -> int:
    """Forget what is due at one shop, up to `AT_ONCE` of each; return how much it was. What is left is owed anew."""
    shop = session.get_one(Shop, shop_id)
    gone = _forget_customers(session, shop, now=now)
    gone += _forget_callers(session, shop, now=now)
    gone += _forget_trails(session, shop, now=now)
    gone += _forget_call_trails(session, shop, now=now)
    if any(_any(session, query) for query in _everything_due(shop, now)):
        enqueue(session, Name.PURGE_CUSTOMERS, shop_id=shop_id)
    return gone


def report(session: Session, shop: Shop, *, now: datetime) -> Report:
    """Count what a shop keeps, what is due, and what is gone."""
    kept = select(func.count()).where(Customer.shop_id == shop.id, Customer.erased_at.is_(None))
    erased = select(Customer.erased_because, func.count()).where(
        Customer.shop_id == shop.id, Customer.erased_at.is_not(None)
    )
    with_stub = exists().where(BookingStub.booking_id == Booking.id)
    trails = select(func.count()).select_from(Booking).where(Booking.shop_id == shop.id)
    call_with_stub = exists().where(CallStub.call_id == Call.id)
    call_trails = select(func.count()).select_from(Call).where(Call.shop_id == shop.id)
    late = select(func.count()).where(Inquiry.shop_id == shop.id, inquiries.overdue(now))

    def counted(*queries: Select[Any]) -> int:
        return sum(session.scalars(query).one() for query in queries)

    return Report(
        shop=shop.id,
        contact_days=shop.contact_days,
        trail_days=shop.trail_days,
        kept=counted(kept),
        due=counted(*(select(func.count()).select_from(due.subquery()) for due in _everything_due(shop, now))),
        erased={str(why): count for why, count in session.execute(erased.group_by(Customer.erased_because))},
        trails=counted(trails.where(~with_stub), call_trails.where(~call_with_stub)),
        trails_gone=counted(trails.where(with_stub), call_trails.where(call_with_stub)),
        inquiries_overdue=counted(late),
    )


def _forget_customers(session: Session, shop: Shop, *, now: datetime) -> int:
    gone = 0
    due = _customers_due(shop, now).order_by(Customer.created_at).limit(AT_ONCE)
    # Who is just booking again is locked, and kept.
    for customer_id in session.scalars(due).all():
        locked = select(Customer).where(Customer.id == customer_id).with_for_update(skip_locked=True)
        customer = session.scalars(locked.execution_options(populate_existing=True)).one_or_none()
        if customer is None or not _any(session, _customers_due(shop, now).where(Customer.id == customer_id)):
            continue
        try:
            gone += erase(session, customer, Erased.RETENTION, by="system", reason=None, now=now)
        except StillOpen:
            continue
    return gone


def _forget_callers(session: Session, shop: Shop, *, now: datetime) -> int:
    """Forget what callers said of themselves who left no contact: it is sealed for the call itself."""
    calls = session.scalars(_callers_due(shop, now).limit(AT_ONCE)).all()
    session.execute(update(ConductReport).where(ConductReport.call_id.in_(calls)).values(sealed_text=b""))
    session.execute(
        update(Call)
        .where(Call.id.in_(calls))
        .values(sealed_name=None, sealed_memo=None, sealed_source_url=None, customer_ip_index=None, item_codes=[])
    )
    session.flush()
    for call_id in calls:
        keeping.forget(session, call_id)
    return len(calls)


def _forget_trails(session: Session, shop: Shop, *, now: datetime) -> int:
    bookings = session.scalars(_trails_due(shop, now).limit(AT_ONCE)).all()
    for booking_id in bookings:
        length = session.scalars(select(func.count()).where(BookingEvent.booking_id == booking_id)).one()
        session.add(BookingStub(booking_id=booking_id, purged_at=now, length=length))
        # The trigger looks for the stub.
        session.flush()
        session.execute(delete(BookingEvent).where(BookingEvent.booking_id == booking_id))
        session.execute(delete(CallFact).where(CallFact.booking_id == booking_id))
    return len(bookings)


def _forget_call_trails(session: Session, shop: Shop, *, now: datetime) -> int:
    """The same for calls at once, those included that were refused."""
    calls = session.scalars(_call_trails_due(shop, now).limit(AT_ONCE)).all()
    for call_id in calls:
        length = session.scalars(select(func.count()).where(CallEvent.call_id == call_id)).one()
        session.add(CallStub(call_id=call_id, purged_at=now, length=length))
        session.flush()
        for of_call in (CallEvent, CallRing, CallFact):
            session.execute(delete(of_call).where(of_call.call_id == call_id))
    return len(calls)


def _everything_due(shop: Shop, now: datetime) -> Iterator[Select[UUID]]:
    yield _customers_due(shop, now)
    yield _callers_due(shop, now)
    yield _trails_due(shop, now)
    yield _call_trails_due(shop, now)


def _customers_due(shop: Shop, now: datetime) -> Select[UUID]:
    until = now - timedelta(days=shop.contact_days)
    of = Customer.id
    busy: list[ColumnElement[bool]] = [
        and_(Booking.customer_id == of, or_(Booking.status.in_(OPEN_BOOKINGS), Booking.ended_at > until)),
        and_(
            Call.customer_id == of, or_(Call.status.in_(LIVE_CALLS), Call.requested_at > until, Call.ended_at > until)
        ),
        and_(
            Inquiry.customer_id == of,
            or_(inquiries.waiting(now), Inquiry.handed_over_at > until, Inquiry.answered_at > until),
        ),
        and_(Verification.customer_id == of, Verification.last_sent_at > until),
        # It may be waiting for the morning, and the answer may need looking into.
        and_(CustomerRequest.customer_id == of, CustomerRequest.at > now - HELPS_FOR),
    ]
    return select(Customer.id).where(
        Customer.shop_id == shop.id,
        Customer.erased_at.is_(None),
        Customer.created_at <= until,
        *(~exists().where(each) for each in busy),
    )


def _callers_due(shop: Shop, now: datetime) -> Select[UUID]:
    until = now - timedelta(days=shop.contact_days)
    said = (Call.sealed_name, Call.sealed_memo, Call.sealed_source_url, Call.customer_ip_index)
    reported = exists().where(ConductReport.call_id == Call.id, ConductReport.sealed_text != b"")
    return select(Call.id).where(
        Call.shop_id == shop.id,
        Call.customer_id.is_(None),
        Call.ended_at <= until,
        or_(reported, Call.item_codes != [], *(each.is_not(None) for each in said)),
    )


def _trails_due(shop: Shop, now: datetime) -> Select[UUID]:
    """Whatever the numbers say, a trail goes after the contact, never before it."""
    until = now - timedelta(days=shop.trail_days)
    forgotten = exists().where(Customer.id == Booking.customer_id, Customer.erased_at.is_not(None))
    return select(Booking.id).where(
        Booking.shop_id == shop.id,
        Booking.ended_at <= until,
        forgotten,
        ~exists().where(BookingStub.booking_id == Booking.id),
    )


def _call_trails_due(shop: Shop, now: datetime) -> Select[UUID]:
    until = now - timedelta(days=shop.trail_days)
    kept = exists().where(Customer.id == Call.customer_id, Customer.erased_at.is_(None))
    return select(Call.id).where(
        Call.shop_id == shop.id,
        Call.ended_at <= until,
        ~kept,
        ~exists().where(CallStub.call_id == Call.id),
    )


def _any(session: Session, query: Select[UUID]) -> bool:
    return session.execute(query.limit(1)).first() is not None


__all__ = ["AT_ONCE", "Report", "forget_counts", "forget_items", "owe_purges", "purge", "report"]
