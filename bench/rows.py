"""Writes what a run starts from: shops with room for everybody, confirmed bookings, messages and timers, many at once.

The rows are those that the API and the tasks write; only the way to the thousandth is shorter.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import cycle, islice
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from models.booking import Booking, Status
from models.calendar import local_date
from models.customer import Channel, Customer
from models.job import QUEUES, Job, Name, Queue
from models.message import NATURES, Kind, Message, State
from models.shop import Shop
from worker import verifications
from worker.chance import new_id
from worker.clock import system_now, unix_ms
from worker.commands.keys import development_key
from worker.commands.seed import seed
from worker.customers import Contact, customer_at

SHOPS = 20
CUSTOMERS = 8_000
"""So many numbers are for those who are sent things in bulk; the next ones are for whoever asks for a code."""
_MESSAGES_EACH = 20
"""Fewer than the 30 that one contact gets a day, or the cap would end what is to be measured."""
_FAULTLESS = 9_000
_KEY_ID = "development"
_PAGE = 5_000
_HALF_HOUR = timedelta(minutes=30)
_DAYS = 60

_CALENDAR: dict[str, Any] = {
    "weekly": {weekday: [["00:00", "24:00"]] for weekday in "1234567"},
    "slot_minutes": 30,
    "seats": 1,
    "accept_from_days": _DAYS,
    "accept_until_minutes": 0,
    "same_day": True,
}


def prepare(session: Session) -> str:
    """Add the seed, shops that are always open, and a key to the API; return the key."""
    seed(session)
    for place in range(SHOPS):
        session.add(
            Shop(
                id=_shop(place),
                name_ja=f"計測{place}号店",
                name_en=f"Bench {place}",
                short_name=f"BENCH{place}",
                zone="Asia/Tokyo",
                calendar_rules=_CALENDAR,
                page_url="https://bench.example.jp/",
                privacy_url="https://bench.example.jp/privacy",
                contact_url="https://www.example.jp/contact/bench",
                notice_email="staff@bench.example.jp",
            )
        )
    return development_key(session)


def phone(number: int) -> str:
    """Return a test number at which nothing goes wrong; from 9,000 on they play faults."""
    return f"+81900000{number % _FAULTLESS:04}"


def free_slots(session: Session, now: datetime) -> Iterator[tuple[str, datetime]]:
    """Yield slots of the shops above, each once, by turns: nobody waits for another's seat."""
    shops = [session.get_one(Shop, _shop(place)) for place in range(SHOPS)]
    calendar = shops[0].calendar
    today = local_date(now, shops[0].zone)
    tomorrow, last = today + timedelta(days=1), today + timedelta(days=_DAYS)
    for slot in calendar.slots(tomorrow, last):
        for shop in shops:
            yield shop.id, slot.starts_at


def add_customers(
    session: Session, count: int, *, now: datetime, channel: Channel = Channel.SMS
) -> list[tuple[UUID, str]]:
    """Add customers with sealed addresses; return their ids and shops. When all numbers are taken it begins anew."""
    known = session.scalars(select(func.count()).select_from(Customer).where(Customer.channel == channel)).one()
    places = [place % CUSTOMERS for place in range(known, known + count)]
    return [(_customer(session, place, channel, now), _shop(place)) for place in places]


def add_bookings(
    session: Session,
    count: int,
    *,
    now: datetime,
    channel: Channel = Channel.SMS,
    starts_in: timedelta = _HALF_HOUR,
) -> list[UUID]:
    """Add confirmed bookings of customers of their own, twenty each; return the bookings' ids."""
    people = cycle(add_customers(session, -(-count // _MESSAGES_EACH), now=now, channel=channel))
    session.flush()
    ids: list[UUID] = []
    for page in _pages(count):
        rows = [
            _booking(customer, shop, channel, now=now, starts_at=now + starts_in)
            for customer, shop in islice(people, page)
        ]
        session.execute(insert(Booking), rows)
        ids += [row["id"] for row in rows]
    return ids


def add_messages(
    session: Session, bookings: Sequence[UUID], *, now: datetime, kind: Kind = Kind.BOOKING_REMINDER_DAY
) -> None:
    """Add a queued message for each booking, and the job that delivers it: due, not handed over."""
    columns = (Booking.customer_id, Booking.shop_id, Booking.channel, Booking.ends_at.label("expires_at"))
    known = {about["id"]: about for about in session.execute(select(Booking.id, *columns)).mappings()}
    queue = NATURES[kind].queue
    for page in _paged(bookings):
        rows = [_message(kind, known[booking], now) for booking in page]
        session.execute(insert(Message), rows)
        jobs = [_job(Name.DELIVER_MESSAGE, queue, now, message_id=str(row["id"])) for row in rows]
        session.execute(insert(Job), jobs)


def add_codes(session: Session, count: int, *, now: datetime) -> list[UUID]:
    """Owe a code each to numbers that nothing else goes to, as the API does; return the proofs' ids."""
    proofs: list[UUID] = []
    for place in range(count):
        shop = session.get_one(Shop, _shop(place))
        contact = Contact(Channel.SMS, phone(CUSTOMERS + place % (_FAULTLESS - CUSTOMERS)))
        customer = customer_at(session, shop.id, contact, now=now)
        proof = verifications.begin(
            session, shop, customer, contact, language="ja", received_at=now, network=None, caller=_KEY_ID
        )
        session.add(proof)
        session.flush()
        verifications.owe_code(session, proof)
        proofs.append(proof.id)
    return proofs


def add_reminders(session: Session, bookings: Sequence[UUID], *, now: datetime) -> None:
    """Add a reminder's timer for each booking: due, not handed over."""
    name = Name.REMIND_ON_DAY
    for page in _paged(bookings):
        jobs = [_job(name, QUEUES[name], now, booking_id=str(booking), revision=1) for booking in page]
        session.execute(insert(Job), [job | {"timer_of": UUID(job["args"]["booking_id"])} for job in jobs])


def add_waiting(session: Session, count: int, *, now: datetime) -> None:
    """Add timers that fall due from tomorrow on, spread over a month and over all queues."""
    queues = cycle(Queue)
    for page in _pages(count):
        session.execute(
            insert(Job),
            [
                _job(Name.END_BOOKING, queue, now + timedelta(days=1, seconds=second % 2_592_000), revision=1)
                | {"timer_of": new_id(unix_ms())}
                for second, queue in zip(range(0, 97 * page, 97), queues, strict=False)
            ],
        )


def _shop(place: int) -> str:
    return f"bench-{place % SHOPS}"


def _customer(session: Session, place: int, channel: Channel, now: datetime) -> UUID:
    address = phone(place) if channel is Channel.SMS else f"bench-{place}@example.jp"
    return customer_at(session, _shop(place), Contact(channel, address), now=now).id


def _booking(
    customer_id: UUID, shop_id: str, channel: Channel, *, now: datetime, starts_at: datetime
) -> dict[str, Any]:
    booking_id = new_id(unix_ms())
    return {
        "id": booking_id,
        "shop_id": shop_id,
        "customer_id": customer_id,
        "channel": channel,
        "language": "ja",
        "status": Status.CONFIRMED,
        "revision": 1,
        "seat": 1,
        "starts_at": starts_at,
        "ends_at": starts_at + _HALF_HOUR,
        "shop_zone": "Asia/Tokyo",
        "change_deadline_at": now - timedelta(hours=1),
        "entry_opens_at": starts_at - timedelta(minutes=10),
        "entry_closes_at": starts_at + timedelta(minutes=45),
        "most_changes": 5,
        "live_index": f"bench-{booking_id}",
        "created_at": now - timedelta(days=1),
        "hold_expires_at": now - timedelta(hours=23),
        "confirmed_at": now - timedelta(days=1),
    }


def _message(kind: Kind, booking: Mapping[Any, Any], now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(unix_ms()),
        "kind": kind,
        "channel": booking["channel"],
        "language": "ja",
        "shop_id": booking["shop_id"],
        "customer_id": booking["customer_id"],
        "booking_id": booking["id"],
        "revision": 1,
        "once_key": f"{kind}:{booking['id']}:1:",
        "state": State.QUEUED,
        "created_at": now,
        "expires_at": booking["expires_at"],
    }


def _job(name: Name, queue: Queue, due_at: datetime, **args: str | int) -> dict[str, Any]:
    return {
        "id": new_id(unix_ms()),
        "name": str(name),
        "queue": str(queue),
        "args": args,
        "created_at": system_now(),
        "due_at": due_at,
    }


def _pages(count: int) -> Iterator[int]:
    for start in range(0, count, _PAGE):
        yield min(_PAGE, count - start)


def _paged(ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    for start in range(0, len(ids), _PAGE):
        yield ids[start : start + _PAGE]
